//! `redis` on a real Redis of its own, and on servers that are gone, silent or endless.

use serde_json::json;
use sereno::domain::runbook::Effect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::broken::everywhere;
use super::executor_support::context;
use super::tls::Authority;
use super::{LONG, SHORT, attempt, done, endless, eventually, failed, found, free_port, look, program, silent, tools};

/// A Redis of its own, ended with the test.
struct Redis {
    port: u16,
    folder: tempfile::TempDir,
    _program: tokio::process::Child,
}

impl Redis {
    async fn start(more: &[&str]) -> Option<Self> {
        let program = program::find("SERENO_TEST_REDIS", "/usr/bin/redis-server")?;
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let dir = folder.path().display().to_string();
        let (number, socket) = (port.to_string(), format!("{dir}/redis.sock"));
        let own = ["--port", &number, "--bind", "127.0.0.1", "--dir", &dir, "--save", "", "--unixsocket", &socket];
        let args: Vec<String> = own.iter().chain(more).map(|arg| (*arg).to_owned()).collect();
        let program = program::start(&program, &args, &folder.path().join("log"));
        let redis = Self { port, folder, _program: program };
        eventually("Redis answers", async || TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        Some(redis)
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Tells it something behind our back.
    async fn tell(&self, lines: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(format!("{lines}\r\nQUIT\r\n").as_bytes()).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    }
}

#[tokio::test]
async fn the_hit_rate_memory_and_size_of_a_cache_are_facts() {
    let Some(redis) = Redis::start(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]).await else { return };
    let ask = async |verb: &str| found("redis", json!({ "do": verb, "server": redis.url() })).await.facts;
    assert_eq!(ask("ping").await, json!({ "pong": true }));
    assert_eq!(ask("hit_rate").await, json!({ "hits": 0, "misses": 0 }), "a rate of nothing is no number");
    redis.tell("SET a 1\r\nSET b 2\r\nGET a\r\nGET nothing\r\nGET b\r\nGET a").await;
    assert_eq!(ask("hit_rate").await, json!({ "hits": 3, "misses": 1, "percent": 75.0 }));
    assert_eq!(ask("dbsize").await, json!({ "keys": 2 }));
    let memory = ask("memory").await;
    assert_eq!((&memory["limit_bytes"], &memory["policy"]), (&json!(64 * 1024 * 1024), &json!("allkeys-lru")));
    assert!(memory["used_bytes"].as_u64() > Some(100_000) && memory["percent"].as_f64() > Some(0.0), "{memory:#}");
    let info =
        found("redis", json!({ "do": "info", "server": redis.url(), "sections": ["clients", "keyspace"] })).await;
    assert_eq!(info.facts["info"]["keyspace"]["db0"]["keys"], 2);
    assert!(info.facts["info"]["clients"]["connected_clients"].is_u64() && info.facts["info"].get("memory").is_none());
    assert!(info.table.unwrap().rows.len() > 3);
}

#[tokio::test]
async fn settings_are_shown_and_passwords_are_not() {
    let Some(redis) = Redis::start(&["--requirepass", "canary-5ecret"]).await else { return };
    let address = format!("redis://:canary-5ecret@127.0.0.1:{}/0", redis.port);
    let with =
        json!({ "do": "config_get", "server": { "secret": "cache" }, "names": ["maxmemory*", "*pass*", "*auth*"] });
    let report = done(attempt("redis", &with, context(&tools(&[("cache", &address)]), Effect::Read, LONG)).await);
    let config = &report.facts["config"];
    assert_eq!((&config["maxmemory"], &config["requirepass"]), (&json!(0), &json!("[set]")));
    assert_eq!(config["masterauth"], "[not set]");
    assert!(!format!("{report:?}").contains("canary-5ecret"));
    let refused = failed(look("redis", json!({ "do": "ping", "server": redis.url() })).await);
    assert!(refused.contains("NOAUTH"), "{refused}");
    let wrong = format!("redis://:wr0ng-password@127.0.0.1:{}", redis.port);
    let with = json!({ "do": "ping", "server": { "secret": "cache" } });
    let refused = failed(attempt("redis", &with, context(&tools(&[("cache", &wrong)]), Effect::Read, LONG)).await);
    assert!(refused.contains("authentication failed") && !refused.contains("wr0ng"), "{refused}");
}

#[tokio::test]
async fn a_socket_of_this_machine_will_do() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let server = format!("unix://{}/redis.sock", redis.folder.path().display());
    assert_eq!(found("redis", json!({ "do": "ping", "server": server })).await.facts["pong"], true);
}

#[tokio::test]
async fn with_tls_the_server_must_be_trusted() {
    let authority = Authority::new();
    authority.issue("cache", 20_000);
    let (port, file) = (free_port(), |name: &str| authority.path(name));
    let (number, ca, pem, key) = (port.to_string(), file("ca.pem"), file("cache.pem"), file("cache.key"));
    let tls = ["--tls-port", &number, "--tls-cert-file", &pem, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let more: Vec<&str> = tls.into_iter().chain(["--tls-auth-clients", "no"]).collect();
    let Some(_redis) = Redis::start(&more).await else { return };
    let mut with = json!({ "do": "ping", "server": format!("rediss://localhost:{port}/0"), "authority": ca });
    assert_eq!(found("redis", with.clone()).await.facts["pong"], true);
    with.as_object_mut().unwrap().remove("authority");
    let stranger = failed(look("redis", with).await);
    assert!(stranger.contains("certificate"), "{stranger}");
}

#[tokio::test]
async fn a_server_that_is_gone_silent_or_endless_is_said_to_be() {
    let at = |port: u16| json!({ "do": "info", "server": format!("redis://127.0.0.1:{port}") });
    let gone = failed(look("redis", at(free_port())).await);
    assert!(gone.contains("refused"), "{gone}");
    let quiet = at(silent(b"").await);
    let quiet = failed(attempt("redis", &quiet, context(&tools(&[]), Effect::Change, SHORT)).await);
    assert!(quiet.contains("not finished"), "{quiet}");
    for begins in [&b"$500000000\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n", b"+"] {
        let odd = failed(look("redis", at(endless(begins).await)).await);
        assert!(odd.contains("did not answer to the end") || odd.contains("not one of a Redis"), "{odd}");
    }
    let link_local = failed(look("redis", json!({ "do": "ping", "server": "redis://169.254.169.254:6379" })).await);
    assert!(link_local.contains("link-local"), "{link_local}");
    let secret = tools(&[("cache", "http://ana:hunter22@x")]);
    let with = json!({ "do": "ping", "server": { "secret": "cache" } });
    let odd = failed(attempt("redis", &with, context(&secret, Effect::Read, LONG)).await);
    assert!(odd.contains("redis://") && !odd.contains("hunter"), "{odd}");
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_is_said_to_be_gone() {
    let Some(redis) = Redis::start(&["--requirepass", "canary-5ecret"]).await else { return };
    for verb in ["ping", "info"] {
        let failures = everywhere(redis.port, async |port, within| {
            let secret = tools(&[("cache", &format!("redis://:canary-5ecret@127.0.0.1:{port}"))]);
            let with = json!({ "do": verb, "server": { "secret": "cache" } });
            attempt("redis", &with, context(&secret, Effect::Read, within)).await
        });
        assert_eq!(failures.await, 2, "signing in, and the question");
    }
}
