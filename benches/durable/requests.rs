//! What the clients send: whole HTTP requests, made before time is taken.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;
use serde_json::json;

/// The person's token.
pub const TOKEN: &str = "token-of-the-benchmark-0123456789";
/// The alert sources' secret.
pub const SECRET: &str = "secret-of-the-benchmark-0123456789";
/// What Slack signs with.
pub const SIGNING: &str = "signing-secret-of-the-benchmark-01";
/// Alert sources that take turns: the limit of one is not what is measured.
pub const SOURCES: usize = 64;

/// A door of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `POST /hooks/<name>`.
    Hook,
    /// `POST /api/v1/messages`.
    Command,
    /// `POST /slack/commands`, signed.
    Slack,
}

impl Door {
    pub fn name(self) -> &'static str {
        match self {
            Self::Hook => "POST /hooks/<name>",
            Self::Command => "POST /api/v1/messages",
            Self::Slack => "POST /slack/commands",
        }
    }

    /// `count` requests; the alerts open `incidents` incidents, a multiple of [`SOURCES`].
    pub fn requests(self, count: usize, incidents: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|number| match self {
                Self::Hook => request(&format!("/hooks/am{}", number % SOURCES), SECRET, &alert(number, incidents)),
                Self::Command => request("/api/v1/messages", TOKEN, r##"{"channel":"#infra","text":"/ops help"}"##),
                Self::Slack => slash(number),
            })
            .collect()
    }
}

/// A slash command as Slack sends it, each with a trigger of its own.
fn slash(number: usize) -> Vec<u8> {
    let body = format!(
        "token=verification&team_id=T1&team_domain=example&channel_id=C1&channel_name=infra&user_id=U1&user_name=ana\
         &command=%2Fops&text=help&api_app_id=A1&is_enterprise_install=false\
         &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1%2F1%2Fx&trigger_id=1.2.{number:032x}"
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING.as_bytes());
    let signature = hmac::sign(&key, format!("v0:{now}:{body}").as_bytes());
    let hex: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "POST /slack/commands HTTP/1.1\r\nhost: bench\r\nx-slack-request-timestamp: {now}\r\n\
         x-slack-signature: v0={hex}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn request(path: &str, secret: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {secret}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One firing alert as Alertmanager sends it, about 1 kB.
fn alert(number: usize, incidents: usize) -> String {
    let group = number % incidents;
    let labels = json!({
        "alertname": "BenchLatency", "severity": "critical", "service": format!("shop-{group}"), "env": "prod",
        "instance": format!("10.0.{}.{}:9100", number / 250 % 250, number % 250), "job": "node",
    });
    let annotations = json!({
        "summary": format!("latency of shop-{group} above its objective"),
        "description": "The 99th percentile of requests over the last five minutes is above two seconds.",
        "runbook_url": "https://runbooks.example.com/latency",
    });
    json!({
        "version": "4", "groupKey": format!("{{}}:{{service=\"shop-{group}\"}}"), "truncatedAlerts": 0,
        "status": "firing", "receiver": "sereno", "groupLabels": {"service": format!("shop-{group}")},
        "commonLabels": labels, "commonAnnotations": annotations, "externalURL": "http://alertmanager:9093",
        "alerts": [{
            "status": "firing", "labels": labels, "annotations": annotations, "startsAt": "2026-03-01T03:12:00.5Z",
            "endsAt": "0001-01-01T00:00:00Z", "fingerprint": format!("{number:016x}"),
            "generatorURL": "http://prometheus:9090/graph?g0.expr=latency&g0.tab=1",
        }],
    })
    .to_string()
}
