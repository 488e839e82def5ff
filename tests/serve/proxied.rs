//! Behind a real nginx: each client is its own, and a header that a client wrote itself says nothing.

use std::net::IpAddr;

use crate::install::{Install, eventually, free_port, status, token};
use crate::program;

/// Somebody with an address of their own.
struct Client(reqwest::Client, u16);

impl Client {
    fn at(address: [u8; 4], port: u16) -> Self {
        let client = reqwest::Client::builder().local_address(IpAddr::from(address)).no_proxy().build().unwrap();
        Self(client, port)
    }

    /// What they are answered with this token, saying that they are whom they like.
    async fn asks(&self, token: &str, forged: &str) -> u16 {
        let url = format!("http://127.0.0.1:{}/api/v1/me", self.1);
        let request = self.0.get(url).bearer_auth(token).header("x-forwarded-for", forged);
        request.send().await.unwrap().status().as_u16()
    }
}

/// nginx as docs/operating.md has it.
fn nginx(install: &Install, port: u16) -> String {
    format!(
        "daemon off; master_process off; pid DIR/pid; error_log DIR/error.log; events {{}}\nhttp {{ access_log off; \
         client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; \
         scgi_temp_path DIR/e; server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {}; proxy_set_header Host \
         $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_buffering off; }} }} }}",
        install.url("")
    )
}

#[tokio::test]
async fn behind_a_trusted_proxy_who_guesses_is_slowed_down_alone() {
    let Some(program) = program::find("SERENO_TEST_NGINX", "/usr/sbin/nginx") else { return };
    let (install, port) = (Install::new(), free_port());
    install.configure("{ listen:", "{ trusted_proxies: [127.0.0.1], listen:");
    let _server = install.serve().await;
    install.write("nginx.conf", &nginx(&install, port));
    let path = |name: &str| install.path(name).display().to_string();
    let args = ["-c".to_owned(), path("nginx.conf"), "-p".to_owned(), path("")];
    let _nginx = program::start(&program, &args, &install.path("nginx.log"));
    eventually("nginx passes it on", async || {
        status(&format!("http://127.0.0.1:{port}/live")).await.filter(|status| *status == 200)
    })
    .await;
    let (guesser, ana) = (Client::at([127, 0, 0, 2], port), Client::at([127, 0, 0, 3], port));
    let mut number = 0;
    while guesser.asks(&format!("guess-{number}-0123456789"), &format!("192.0.2.{number}")).await != 429 {
        number += 1;
        assert!(number < 200, "so many guesses are too many, whatever the header says");
    }
    assert_eq!(ana.asks(&token("ana"), "127.0.0.2").await, 200, "nor is Ana whom her header says");
    // Whoever speaks without the proxy from elsewhere is not asked whom they come for.
    let beside = Client::at([127, 0, 0, 4], install.port);
    assert_eq!(beside.asks(&token("leo"), "127.0.0.2").await, 200);
}
