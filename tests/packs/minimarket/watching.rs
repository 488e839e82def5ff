//! What the market watches by itself: every morning, its certificates, its backups; how certificates are renewed; and
//! what happens when errors do not go away.

use std::os::unix::fs::PermissionsExt as _;
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Issues an authority and both services' certificates into a folder, good for so many days after this moment.
fn issue(folder: &std::path::Path, now: i64, days: i64) {
    let at = |days: i64| {
        let seconds = u64::try_from(now / 1000 + days * 24 * 3600).unwrap();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    let params = |names: &[&str], name: &str| {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        (params.not_before, params.not_after) = (at(-400), at(days));
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let mut authority = params(&[], "Mini Market");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(folder.join("ca.key"), key.serialize_pem()).unwrap();
    let authority = CertifiedIssuer::self_signed(authority, key).unwrap();
    std::fs::write(folder.join("ca.crt"), authority.pem()).unwrap();
    for name in ["prometheus", "alertmanager"] {
        let key = KeyPair::generate().unwrap();
        let mut leaf = params(&["localhost"], name);
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let leaf = leaf.signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join(format!("{name}.crt")), leaf.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// Alertmanager's door: it shows the certificate that is there now, and lets in whom the authority of now has issued one.
async fn door(folder: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let certificates =
                |name: &str| CertificateDer::pem_file_iter(folder.join(name)).unwrap().map(Result::unwrap);
            let mut roots = rustls::RootCertStore::empty();
            roots.add(certificates("ca.crt").next().unwrap()).unwrap();
            let clients = WebPkiClientVerifier::builder(roots.into()).build().unwrap();
            let key = PrivateKeyDer::from_pem_file(folder.join("alertmanager.key")).unwrap();
            let config = rustls::ServerConfig::builder().with_client_cert_verifier(clients);
            let config = config.with_single_cert(certificates("alertmanager.crt").collect(), key).unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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

impl Market {
    /// A backup that is so many hours old in the story.
    async fn backup(&self, name: &str, now: i64, hours: i64) {
        let path = self.path(&format!("backups/{name}"));
        self.noted(name).await;
        let at = Duration::from_millis(u64::try_from(now - hours * 3_600_000).unwrap());
        std::fs::File::open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH + at).unwrap();
    }

    /// The script that makes new certificates: here it takes those that a folder has ready.
    fn script(&self) {
        let path = self.path("tls/generate_certs.sh");
        std::fs::write(&path, format!("#!/bin/sh\nset -e\ncp {}/* .\n", self.path("fresh").display())).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// What stands in the channel under this title.
async fn titled(s: &Story, title: &str) -> Vec<Heard> {
    let all = s.channel("#infra").await;
    all.into_iter().filter(|heard| heard.card.title.contains(title)).collect()
}

/// Eight in the morning of Buenos Aires is eleven: one line when all is well, the table when it is not.
/// Proves: M36, Y26.
#[tokio::test(flavor = "multi_thread")]
async fn every_morning_it_says_one_line_when_all_is_well() {
    let Some(market) = Market::up().await else { return };
    let here = market.here().value("disk", "/dev/shm");
    here.tell(async |s| {
        s.waits(minutes(59)).await;
        assert!(titled(s, "minimarket/salud prod").await.is_empty());
        s.waits(minutes(1)).await;
        let well = titled(s, "minimarket/salud prod").await.remove(0);
        assert!(well.card.table.is_none() && well.card.fields.is_empty(), "{}", told(s, &well).await);
        market.app.turns(Health::Error);
        s.waits(minutes(24 * 60)).await;
        let ill = titled(s, "minimarket/salud prod").await.remove(1);
        assert!(ill.card.text().contains("dashboard /health | not OK"), "{}", ill.card.text());
    })
    .await;
}

/// Proves: M27, Y22, M38.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_end_and_backups_that_are_old_open_incidents_by_themselves() {
    let Some(market) = Market::up().await else { return };
    let here = market.here().value("disk", "/dev/shm");
    here.tell(async |s| {
        let now = s.clock.now().0;
        issue(&market.path("tls"), now, 500);
        market.backup("inventario_retail_1.dump", now, 1).await;
        s.settles().await;
        s.waits(minutes(60)).await;
        for title in ["Un certificado vence", "No hay un backup"] {
            assert!(titled(s, title).await.is_empty(), "{title}");
        }
        issue(&market.path("tls"), now, 20);
        s.waits(minutes(24 * 60)).await;
        let [certificate, backup] = ["P3 Un certificado vence", "P2 No hay un backup"];
        let certificate = titled(s, certificate).await.remove(0);
        assert!(certificate.card.text().contains("Prometheus (días)"), "{}", certificate.card.text());
        let backup = titled(s, backup).await.remove(0);
        assert_eq!((certificate.card.state.as_str(), backup.card.state.as_str()), ("open", "open"));
        issue(&market.path("tls"), now, 500);
        market.backup("inventario_retail_2.dump", s.clock.now().0, 1).await;
        s.waits(minutes(6 * 60)).await;
        for incident in [&certificate, &backup] {
            assert_eq!(s.message(&incident.id).await.card.state, "resolved", "{}", incident.card.title);
        }
    })
    .await;
}

/// Twice in a day: each renewal keeps what was there in a folder of its own.
/// Proves: M27, M28, M29, D9, D14.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_twice_a_day_and_the_old_ones_are_kept() {
    let Some(market) = Market::new().await else { return };
    for service in ["prometheus", "alertmanager"] {
        market.stack.up(service, 1).await;
    }
    let (tls, now) = (market.path("tls"), Clock::System.now().0);
    std::fs::create_dir(market.path("fresh")).unwrap();
    market.script();
    issue(&tls, now, 12);
    let here = market.here().value("alertmanager_tls", format!("localhost:{}", door(tls.clone()).await));
    here.tell(async |s| {
        catches_up(s);
        let run = asks(s, "certificados prod").await;
        assert!(s.message(&run.id).await.card.text().contains("Prometheus (días) | not OK"));
        let first = std::fs::read(tls.join("prometheus.crt")).unwrap();
        for _ in 0..2 {
            issue(&market.path("fresh"), now, 400);
            let before = market.started("prometheus").await;
            let over = through(s, "renovar-certificados prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(over.card.text().contains("y acepta el de Prometheus | OK"), "{}", over.card.text());
            assert_ne!(market.started("prometheus").await, before);
        }
        done(s, "certificados prod").await;
        let folders =
            || std::fs::read_dir(&tls).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        assert_eq!(folders().count(), 2);
        let kept = folders().any(|folder| std::fs::read(folder.join("prometheus.crt")).unwrap() == first);
        assert!(kept, "what was there at first is in one of them");

        issue(&market.path("fresh"), now, 5);
        let good = std::fs::read(tls.join("prometheus.crt")).unwrap();
        let over = through(s, "renovar-certificados prod", "").await;
        assert_eq!(over.card.state, "failed", "what does not last is not put in service");
        assert_eq!(std::fs::read(tls.join("prometheus.crt")).unwrap(), good, "and the way back was taken");
    })
    .await;
}

/// The script has written one file and dies; the old ones come back by themselves, and both read them again.
/// Proves: M28.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_half_renewed_are_the_old_ones_again() {
    let Some(market) = Market::new().await else { return };
    for service in ["prometheus", "alertmanager"] {
        market.stack.up(service, 1).await;
    }
    let tls = market.path("tls");
    issue(&tls, Clock::System.now().0, 12);
    let script = tls.join("generate_certs.sh");
    std::fs::write(&script, "#!/bin/sh\necho new > ca.crt\nrm prometheus.key\nexit 1\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let kept = || ["ca.crt", "prometheus.key"].map(|name| std::fs::read(tls.join(name)).ok());
    market
        .here()
        .tell(async |s| {
            catches_up(s);
            let (old, before) = (kept(), market.started("prometheus").await);
            let over = through(s, "renovar-certificados prod", "").await;
            assert_eq!(over.card.state, "failed", "{}", told(s, &over).await);
            assert_eq!(kept(), old, "{}", told(s, &over).await);
            assert_ne!(market.started("prometheus").await, before, "they read what is there now");
        })
        .await;
}

/// Half of all requests fail, and still do five minutes later.
/// Proves: M17, Y12.
#[tokio::test(flavor = "multi_thread")]
async fn errors_that_do_not_go_away_are_the_architects_and_a_rollback_is_for_two_to_agree() {
    let Some(market) = Market::new().await else { return };
    market.watch.hot.store(true, Ordering::Relaxed);
    market.watch.finds("sum(rate(http_requests_total[5m]))>1").await;
    market
        .here()
        .tell(async |s| {
            // Prometheus keeps the system's time: the story is there when the five minutes are over.
            let behind = u64::try_from(Clock::System.now().0 - s.clock.now().0).unwrap();
            s.clock.forward(Duration::from_millis(behind) - minutes(5));
            let run = asks(s, "vigilar-errores prod").await;
            comes_to(s, &run, "waiting").await;
            s.waits(minutes(5)).await;
            let held = comes_to(s, &run, "holding").await;
            assert!(held.card.text().contains("arquitecto"), "{}", held.card.text());
            s.person("ana").presses_with(&held, "check", &[("evidence", "llamado")]).await;
            let ask = comes_to(s, &run, "awaiting_approval").await;
            s.person("leo").presses(&ask, "approve").await;
            let ask = comes_to(s, &run, "awaiting_approval").await;
            s.person("eva").presses(&ask, "approve").await;
            let held = comes_to(s, &run, "holding").await;
            assert!(held.card.text().contains("versión anterior"), "{}", held.card.text());
            s.person("leo").presses_with(&held, "check", &[("evidence", "v2 a v1")]).await;
            comes_to(s, &run, "done").await;
        })
        .await;
}
