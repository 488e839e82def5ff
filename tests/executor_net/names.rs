//! `tcp`, `dns` and `jwt`: ports, a name server of ours that answers by the letter, tokens made here.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use tokio::net::UdpSocket;

use super::executor_support::{NOON, context};
use super::{LONG, attempt, done, failed, found, free_port, look, silent, tools};

#[tokio::test]
async fn a_port_is_open_or_the_step_has_failed() {
    let port = silent(b"").await;
    let report = found("tcp", json!({ "server": format!("127.0.0.1:{port}") })).await;
    assert_eq!(report.facts["open"], true);
    let closed = failed(look("tcp", json!({ "server": format!("localhost:{}", free_port()), "within": "2s" })).await);
    assert!(closed.contains("refused"), "{closed}");
    let nobody = failed(look("tcp", json!({ "server": "no-such-host.invalid:80" })).await);
    assert!(nobody.contains("no-such-host.invalid"), "{nobody}");
    let link_local = failed(look("tcp", json!({ "server": "[fe80::1]:80" })).await);
    assert!(link_local.contains("link-local"), "{link_local}");
}

/// One answer by the letter of RFC 1035.
fn answer(asked: &[u8]) -> Option<Vec<u8>> {
    let (mut name, mut at) = (String::new(), 12);
    while asked[at] != 0 {
        let length = usize::from(asked[at]);
        name = format!("{name}{}.", String::from_utf8_lossy(&asked[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    let kind = u16::from_be_bytes([asked[at + 1], asked[at + 2]]);
    let records: Vec<(u16, Vec<u8>)> = match (name.as_str(), kind) {
        ("shop.test.", 1) => vec![(1, vec![10, 0, 0, 8]), (1, vec![10, 0, 0, 7])],
        ("shop.test.", 16) => vec![(16, b"\x0bv=spf1 -all".to_vec())],
        ("shop.test.", 15) => vec![(15, b"\x00\x0a\x04mail\x04test\x00".to_vec())],
        ("www.shop.test.", 5) => vec![(5, b"\x04shop\x04test\x00".to_vec())],
        ("silent.test.", _) => return None,
        _ => Vec::new(),
    };
    let code = match name.as_str() {
        "gone.test." => 3,
        "broken.test." => 2,
        _ => 0,
    };
    let mut out = asked[..2].to_vec();
    out.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    out.extend(&asked[12..at + 5]);
    for (kind, data) in records {
        out.extend([0xc0, 0x0c, 0, u8::try_from(kind).unwrap(), 0, 1, 0, 0, 0, 60]);
        out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        out.extend(data);
    }
    Some(out)
}

async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((read, from)) = socket.recv_from(&mut buffer).await {
            if let Some(said) = answer(&buffer[..read]) {
                let _ = socket.send_to(&said, from).await;
            }
        }
    });
    address
}

#[tokio::test]
async fn a_name_leads_to_records_or_to_none() {
    let server = name_server().await.to_string();
    let ask = async |name: &str, kind: &str| look("dns", json!({ "name": name, "type": kind, "server": server })).await;
    for (name, kind, records) in [
        ("shop.test", "a", json!(["10.0.0.7", "10.0.0.8"])),
        ("shop.test.", "txt", json!(["v=spf1 -all"])),
        ("shop.test", "mx", json!(["10 mail.test."])),
        ("www.shop.test", "cname", json!(["shop.test."])),
        ("shop.test", "aaaa", json!([])),
        ("gone.test", "a", json!([])),
    ] {
        let facts = done(ask(name, kind).await).facts;
        assert_eq!((&facts["records"], &facts["found"]), (&records, &json!(records != json!([]))), "{name} {kind}");
    }
    let broken = failed(ask("broken.test", "a").await);
    assert!(broken.contains("does not say what broken.test is"), "{broken}");
}

fn token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(&json!({ "alg": "RS256", "kid": "k1" })), part(claims))
}

#[tokio::test]
async fn a_token_says_by_whom_for_whom_and_how_much_longer_and_is_not_shown() {
    let noon = NOON.0 / 1000;
    let good = token(&json!({
        "iss": "https://id.test/", "aud": "shop", "exp": noon + 90, "iat": noon - 10, "scope": "read",
        "email": "ana@x.test",
    }));
    let with = json!({ "token": { "secret": "api", "prefix": "Bearer " }, "show": ["scope"] });
    let report = done(attempt("jwt", &with, context(&tools(&[("api", &good)]), Effect::Read, LONG)).await);
    assert_eq!(report.facts["verified"], false);
    assert_eq!((&report.facts["issuer"], &report.facts["audience"]), (&json!("https://id.test/"), &json!(["shop"])));
    assert_eq!((&report.facts["seconds_left"], &report.facts["expired"]), (&json!(90), &json!(false)));
    assert_eq!(report.facts["claims"], json!({ "scope": "read" }));
    let text = format!("{report:?}");
    assert!(!text.contains("ana@x.test") && !text.contains("c2lnbmF0dXJl"), "{text}");

    // One that an earlier step found is in no known secret, and still in no plan.
    let old = token(&json!({ "exp": noon - 5 }));
    let action = super::action("jwt", &json!({ "token": old }));
    let plan = sereno::executor::plan(&*action, &tools(&[]), Effect::Read).await.unwrap();
    assert!(!format!("{plan:?}").contains(&old));
    let facts = found("jwt", json!({ "token": old })).await.facts;
    assert_eq!((&facts["seconds_left"], &facts["expired"]), (&json!(-5), &json!(true)));
    for odd in ["", "a.b", "a.b.c", "....", &"x".repeat(100_000)] {
        assert!(failed(look("jwt", json!({ "token": odd })).await).contains("no JSON Web Token"));
    }
}
