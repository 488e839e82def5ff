//! `tls` on endpoints with certificates of chosen dates, made here, on files, and on a real nginx.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::executor_support::NOON;
use super::{eventually, failed, found, free_port, look, program, silent, tools};

/// An authority, and a folder with what it issued.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

fn day(days: i64) -> rcgen::CertificateParams {
    let at = |days: i64| {
        let seconds = NOON.0 / 1000 + days * 24 * 3600;
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(seconds).unwrap())
    };
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    (params.not_before, params.not_after) = (at(-400), at(days));
    params
}

impl Authority {
    pub fn new() -> Self {
        let mut params = day(3650);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test Authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Issues `name.pem` and `name.key`, good for localhost until so many days after noon.
    pub fn issue(&self, name: &str, days: i64) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let dates = day(days);
        (params.not_before, params.not_after) = (dates.not_before, dates.not_after);
        params.distinguished_name.push(DnType::CommonName, name);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), format!("{}{}", leaf.pem(), self.issuer.pem())).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// What a server with these certificates answers with; with `mutual`, only to clients of this authority.
    pub fn acceptor(&self, name: &str, mutual: bool) -> TlsAcceptor {
        let _ = tools(&[]);
        use rustls::pki_types::pem::PemObject as _;
        let pem = std::fs::read(self.path(&format!("{name}.pem"))).unwrap();
        let chain = rustls::pki_types::CertificateDer::pem_slice_iter(&pem).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(PathBuf::from(self.path(&format!("{name}.key")))).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = rustls::ServerConfig::builder();
        let builder = match mutual {
            true => builder.with_client_cert_verifier(WebPkiClientVerifier::builder(roots.into()).build().unwrap()),
            false => builder.with_no_client_auth(),
        };
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
    }
}

async fn serve(acceptor: TlsAcceptor) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    port
}

async fn facts(with: Value) -> Value {
    found("tls", with).await.facts
}

#[tokio::test]
async fn a_server_says_how_long_its_certificates_last_and_whether_they_are_trusted() {
    let authority = Authority::new();
    for (name, days) in [("fresh", 45), ("ending", 12), ("old", -3)] {
        authority.issue(name, days);
        let port = serve(authority.acceptor(name, false)).await;
        let at = format!("localhost:{port}");
        let seen = facts(json!({ "server": at, "authority": authority.path("ca.pem") })).await;
        assert_eq!((&seen["days_left"], &seen["expired"]), (&json!(days), &json!(days < 0)), "{name}");
        assert_eq!((&seen["chain_ok"], &seen["hostname_ok"]), (&json!(days >= 0), &json!(true)), "{seen:#}");
        assert_eq!(seen["names"], json!(["localhost", "127.0.0.1"]));
        assert_eq!((&seen["subject"], &seen["issuer"]), (&json!(format!("CN={name}")), &json!("CN=Test Authority")));
        assert_eq!((&seen["chain"][1]["days_left"], &seen["least_days_left"]), (&json!(3650), &json!(days)));
        assert_eq!(seen["protocol"], "TLSv1_3");
        let strange = facts(json!({ "server": at, "name": "shop.example.com" })).await;
        assert_eq!((&strange["chain_ok"], &strange["hostname_ok"]), (&json!(false), &json!(false)));
        assert!(strange["chain_why"].is_string());
    }
}

#[tokio::test]
async fn a_file_is_read_like_a_server() {
    let authority = Authority::new();
    authority.issue("shop", 29);
    let seen = facts(json!({ "file": authority.path("shop.pem"), "authority": authority.path("ca.pem") })).await;
    assert_eq!(
        (&seen["days_left"], &seen["chain_ok"], &seen["chain"][1]["subject"]),
        (&json!(29), &json!(true), &json!("CN=Test Authority"))
    );
    assert_eq!(seen.get("hostname_ok"), None, "without a name there is nothing to judge by");
    let own = facts(json!({ "file": authority.path("shop.pem"), "name": "localhost" })).await;
    assert_eq!((&own["chain_ok"], &own["hostname_ok"]), (&json!(false), &json!(true)));
    for (file, says) in [("shop.key", "no certificate"), ("none.pem", "cannot be read")] {
        let why = failed(look("tls", json!({ "file": authority.path(file) })).await);
        assert!(why.contains(says), "{why}");
    }
}

#[tokio::test]
async fn a_client_that_shows_its_certificate_is_let_in_and_a_stranger_is_not() {
    let (authority, strangers) = (Authority::new(), Authority::new());
    authority.issue("server", 45);
    // The server judges clients by the system's clock.
    authority.issue("client", 20_000);
    strangers.issue("client", 20_000);
    let port = serve(authority.acceptor("server", true)).await;
    let of = |whose: &Authority| {
        json!({
            "server": format!("localhost:{port}"), "authority": authority.path("ca.pem"),
            "client_certificate": whose.path("client.pem"), "client_key": whose.path("client.key"),
        })
    };
    let known = facts(of(&authority)).await;
    assert_eq!((&known["client_accepted"], &known["days_left"]), (&json!(true), &json!(45)));
    let stranger = facts(of(&strangers)).await;
    assert_eq!((&stranger["client_accepted"], &stranger["days_left"]), (&json!(false), &json!(45)), "{stranger:#}");
    // Over HTTP likewise: with the certificate there is an answer.
    let mut with = of(&authority);
    with.as_object_mut().unwrap().remove("server");
    // This one is judged by the system's clock.
    authority.issue("server", 20_000);
    let port = serve(authority.acceptor("server", true)).await;
    with["url"] = json!(format!("https://localhost:{port}/metrics"));
    assert_eq!(found("http", with.clone()).await.facts["status"], 204);
    for field in ["client_certificate", "client_key"] {
        with.as_object_mut().unwrap().remove(field);
    }
    failed(look("http", with).await);

    let mut wrong = of(&authority);
    wrong["client_key"] = json!(strangers.path("client.key"));
    assert!(failed(look("tls", wrong).await).contains("do not fit"));
    let mut odd = of(&authority);
    odd["client_key"] = json!(authority.path("client.pem"));
    assert!(failed(look("tls", odd).await).contains("no private key"));
}

#[tokio::test]
async fn what_speaks_no_tls_is_said_to_be_so() {
    let at = |port: u16| json!({ "server": format!("127.0.0.1:{port}") });
    let odd = failed(look("tls", at(silent(b"HTTP/1.1 400 Bad Request\r\n\r\n").await)).await);
    assert!(odd.contains("cannot be reached"), "{odd}");
    let gone = failed(look("tls", at(free_port())).await);
    assert!(gone.contains("refused"), "{gone}");
}

#[tokio::test]
async fn a_real_nginx_shows_its_certificate_in_older_tls_too() {
    let Some(program) = program::find("SERENO_TEST_NGINX", "/usr/sbin/nginx") else { return };
    let authority = Authority::new();
    authority.issue("nginx", 30);
    let port = free_port();
    let config = format!(
        "daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log; events {{}}\nhttp {{ access_log off; \
         client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; \
         scgi_temp_path {dir}/e; server {{ listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.2; \
         ssl_certificate {dir}/nginx.pem; ssl_certificate_key {dir}/nginx.key; ssl_client_certificate {dir}/ca.pem; \
         ssl_verify_client on; }} }}",
        dir = authority.folder.path().display()
    );
    std::fs::write(authority.path("nginx.conf"), config).unwrap();
    let args = ["-c".to_owned(), authority.path("nginx.conf"), "-p".to_owned(), authority.path("")];
    let _nginx = program::start(&program, &args, &authority.folder.path().join("log"));
    let with = json!({ "server": format!("127.0.0.1:{port}"), "authority": authority.path("ca.pem") });
    let seen = eventually("nginx answers", async || match look("tls", with.clone()).await {
        sereno::domain::step::Outcome::Done(report) => Some(report.facts),
        _ => None,
    })
    .await;
    assert_eq!(
        (&seen["protocol"], &seen["days_left"], &seen["chain_ok"]),
        (&json!("TLSv1_2"), &json!(30), &json!(true))
    );
}
