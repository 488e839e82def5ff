//! A database that is away: at the start, and in the middle. PostgreSQL stands behind a small proxy that can be cut.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::install::{Install, alert_body, eventually, said, status};
use crate::support::each_empty_database;

/// A door to a database that can be shut and opened again.
struct Proxy {
    url: String,
    open: watch::Sender<bool>,
}

impl Proxy {
    /// Before the PostgreSQL that `url` names.
    async fn before(url: &str) -> Self {
        let mut url: reqwest::Url = url.parse().unwrap();
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (open, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server.clone(), state.clone()));
            }
        });
        Self { url: url.to_string(), open }
    }

    fn cut(&self) {
        self.open.send_replace(false);
    }

    fn mend(&self) {
        self.open.send_replace(true);
    }
}

/// Passes bytes both ways while the door is open.
async fn pass(mut client: TcpStream, server: (String, u16), mut open: watch::Receiver<bool>) {
    if !*open.borrow() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = open.wait_for(|open| !open) => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_off_in_the_middle_it_says_so_and_comes_back_with_everything() {
    each_empty_database(async |database| {
        if database.is_sqlite() {
            return;
        }
        let proxy = Proxy::before(&database.url).await;
        let install = Install::on(&proxy.url);
        let server = install.serve().await;
        let [card] = install.say("ana", "/ops rollback api prod").await.try_into().unwrap();
        let (mut taken, mut number) = (0, 0);
        for _ in 0..2 {
            let mut send = async || {
                number += 1;
                let labels = json!({"alertname": "Flood", "number": number.to_string()});
                let answer = install.alert(&alert_body(&format!("group {number}"), &labels, true)).await;
                taken += usize::from(answer.status().is_success());
                answer
            };
            for _ in 0..5 {
                assert_eq!(send().await.status(), StatusCode::ACCEPTED);
            }
            proxy.cut();
            let (ready, health, live) = (install.url("/ready"), install.url("/health"), install.url("/live"));
            let (refused, ready, health, live, asked) = tokio::join!(
                send(),
                status(&ready),
                status(&health),
                status(&live),
                install.sereno(&["say", "--as", "ana", "#infra", "/ops health dev"]),
            );
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(refused.headers().contains_key("retry-after"));
            assert_eq!((ready, health), (Some(503), Some(503)));
            assert_eq!(live, Some(200), "no restart would help");
            assert_eq!(asked.code, 69, "{asked:#?}");
            assert!(asked.err.contains('→'), "{asked:#?}");
            proxy.mend();
            eventually("ready again", async || (status(&install.url("/ready")).await == Some(200)).then_some(())).await;
        }
        eventually("an incident for each that was taken", async || {
            let incidents = install.get("ana", "incidents").await;
            (incidents.as_array()?.len() >= taken).then_some(())
        })
        .await;
        assert_eq!(install.press("leo", &card, "approve").await.code, 0, "what waited still waits");
        assert_eq!(install.effects(), ["api prod"]);
        server.stop().await;
        assert_eq!(install.sereno(&["audit", "verify"]).await.code, 0);
    })
    .await;
}

#[tokio::test]
async fn away_at_the_start_it_is_waited_for_a_while() {
    each_empty_database(async |database| {
        if database.is_sqlite() {
            return;
        }
        let proxy = Proxy::before(&database.url).await;
        proxy.cut();
        let install = Install::on(&proxy.url);
        let mut server = install.start(&[]);
        eventually("that it waits", async || server.log().contains("does not answer yet").then_some(())).await;
        proxy.mend();
        install.ready(&mut server).await;
        server.stop().await;

        proxy.cut();
        let mut command = install.command(&["serve"]);
        command.env("SERENO_STORE__WAIT", "1s");
        let said = said(command).await;
        assert_eq!(said.code, 69, "{said:#?}");
        assert!(said.err.contains("the database is away") && said.err.contains('→'), "{said:#?}");
        let verify = tokio::time::timeout(Duration::from_secs(60), install.sereno(&["audit", "verify"])).await.unwrap();
        assert_eq!(verify.code, 69, "{verify:#?}");
    })
    .await;
}
