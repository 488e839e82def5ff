//! Alertmanager's webhook, version 4 (also what Grafana's unified alerting sends). Unknown fields are ignored, sizes
//! are capped, control characters become visible: what comes out is safe to store and to show as plain text.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::domain::alert::{Alert, Labels};
use crate::domain::{digest, text};

/// Most labels, and most annotations, of one alert.
const MOST_LABELS: usize = 64;
/// Longest text that is kept, in characters.
const LONGEST: usize = 4_096;
/// Longest key that is kept as it is, in bytes; a longer one is replaced by its digest.
const LONGEST_KEY: usize = 512;
/// Labels that are kept whatever else an alert carries.
const NEEDED: &[&str] =
    &["alertname", "severity", "priority", "env", "environment", "service", "team", "summary", "description"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    alerts: Vec<Sent>,
    #[serde(default)]
    group_key: Option<String>,
    #[serde(default)]
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    starts_at: String,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    link: Option<String>,
    #[serde(default)]
    fingerprint: Option<String>,
}

/// Reads a body. Alerts of one `groupKey` belong together; an alert that names no environment is given `environment`
/// as its label `env`.
///
/// # Errors
/// In words: what is odd about the body.
pub fn parse(hook: &str, body: &str, environment: Option<&str>) -> Result<Vec<Alert>, String> {
    let body: Body = serde_json::from_str(body).map_err(|error| text::visible(&error.to_string(), &[]))?;
    let of_group = body.status.as_deref();
    let group = body.group_key.filter(|key| !key.is_empty());
    let read = |(index, sent): (usize, Sent)| {
        alert(hook, sent, group.as_deref(), of_group, environment)
            .map_err(|problem| format!("alert {}: {problem}", index + 1))
    };
    body.alerts.into_iter().enumerate().map(read).collect()
}

fn alert(
    hook: &str,
    sent: Sent,
    group: Option<&str>,
    of_group: Option<&str>,
    environment: Option<&str>,
) -> Result<Alert, String> {
    let firing = match sent.status.as_deref().or(of_group) {
        Some("firing") => true,
        Some("resolved") => false,
        Some(other) => return Err(format!("status {:?} is neither firing nor resolved", text::cut(other, 40))),
        None => return Err("it has no status".to_owned()),
    };
    let starts_at = moment(&sent.starts_at).ok_or("startsAt is no moment after 1970")?;
    let fingerprint = sent.fingerprint.filter(|print| !print.is_empty());
    let fingerprint = key(&fingerprint.unwrap_or_else(|| digest::of(&sent.labels)));
    let mut labels = tame(sent.labels);
    if let Some(environment) = environment
        && !labels.contains_key("env")
        && !labels.contains_key("environment")
    {
        labels.insert("env".to_owned(), environment.to_owned());
    }
    Ok(Alert {
        source: hook.to_owned(),
        group_key: format!("{hook}:{}", key(group.unwrap_or(&fingerprint))),
        fingerprint,
        firing,
        labels,
        annotations: tame(sent.annotations),
        starts_at,
        ends_at: sent.ends_at.as_deref().and_then(moment).filter(|_| !firing),
        link: sent.link.filter(|link| is_page(link)),
    })
}

/// The moment, unless it is Go's zero time or before the epoch, which both mean none.
fn moment(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    (at.as_millisecond() > 0).then(|| at.into())
}

/// A text that identifies something: never cut, because two long ones could then become one.
fn key(written: &str) -> String {
    if written.len() > LONGEST_KEY { digest::sha256(written.as_bytes()) } else { text::visible(written, &[]) }
}

/// Few enough, short enough, and nothing hidden. Line ends stay: descriptions have paragraphs.
fn tame(written: BTreeMap<String, String>) -> Labels {
    let (mut kept, rest): (Vec<_>, Vec<_>) = written.into_iter().partition(|(name, _)| NEEDED.contains(&name.as_str()));
    kept.extend(rest);
    let safe = |written: &str| text::cut(&text::visible(written, &['\n', '\t']), LONGEST);
    kept.into_iter().take(MOST_LABELS).map(|(name, value)| (safe(&name), safe(&value))).collect()
}

/// Whether it may be shown as a link: http or https, and nothing that could end an attribute or hide where it goes.
fn is_page(link: &str) -> bool {
    let lower = link.get(..8.min(link.len())).unwrap_or_default().to_ascii_lowercase();
    (lower.starts_with("http://") || lower.starts_with("https://"))
        && link.len() <= 2_048
        && !link.chars().any(|c| c.is_whitespace() || text::is_hidden(c) || matches!(c, '<' | '>' | '"' | '\'' | '\\'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn firing() -> Value {
        json!({
            "version": "4", "groupKey": "{}:{alertname=\"HighLatency\"}", "status": "firing", "receiver": "sereno",
            "truncatedAlerts": 0, "externalURL": "http://am:9093",
            "alerts": [{
                "status": "firing", "fingerprint": "a1b2", "startsAt": "2026-03-01T03:12:00.5Z",
                "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prom:9090/graph?g0.expr=up",
                "labels": {"alertname": "HighLatency", "severity": "critical"},
                "annotations": {"summary": "checkout is slow"},
            }],
        })
    }

    fn read(body: &Value) -> Result<Vec<Alert>, String> {
        parse("alertmanager", &body.to_string(), Some("prod"))
    }

    #[test]
    fn a_real_body_is_read_whole() {
        let alerts = read(&firing()).unwrap();
        let alert = &alerts[0];
        assert_eq!((alert.name(), alert.title(), alert.firing), ("HighLatency", "checkout is slow", true));
        assert_eq!(alert.group_key, "alertmanager:{}:{alertname=\"HighLatency\"}");
        assert_eq!(alert.ends_at, None, "Go's zero time means none");
        assert_eq!(alert.starts_at.to_string(), "2026-03-01T03:12:00.5Z");
        assert_eq!(alert.labels["env"], "prod");
        assert_eq!(alert.link.as_deref(), Some("http://prom:9090/graph?g0.expr=up"));
    }

    #[test]
    fn an_alert_keeps_the_environment_it_names_and_its_end() {
        let mut body = firing();
        body["alerts"][0]["labels"]["environment"] = json!("staging");
        body["alerts"][0]["status"] = json!("resolved");
        body["alerts"][0]["endsAt"] = json!("2026-03-01T03:20:00Z");
        let alert = read(&body).unwrap().remove(0);
        assert_eq!(alert.labels.get("env"), None);
        assert!(!alert.firing && alert.ends_at.is_some());
    }

    #[test]
    fn hostile_text_becomes_visible_and_short() {
        let mut body = firing();
        body["alerts"][0]["annotations"]["summary"] = json!("\u{1b}]8;;http://evil\u{7}click\u{202e}");
        body["alerts"][0]["annotations"]["long"] = json!("x".repeat(5_000));
        body["alerts"][0]["generatorURL"] = json!("javascript:alert(1)");
        let alert = read(&body).unwrap().remove(0);
        assert_eq!(alert.title(), "\\u001b]8;;http://evil\\u0007click\\u202e");
        assert!(alert.annotations["long"].ends_with("… +904"));
        assert_eq!(alert.link, None);
    }

    #[test]
    fn of_too_many_labels_those_that_decide_are_kept() {
        let mut body = firing();
        for index in 0..500 {
            body["alerts"][0]["labels"][format!("aaa{index}")] = json!("x");
        }
        let alert = read(&body).unwrap().remove(0);
        assert_eq!(alert.labels.len(), MOST_LABELS + 1, "and the environment");
        assert_eq!(alert.labels["severity"], "critical");
    }

    #[test]
    fn long_group_keys_stay_apart() {
        let of = |end: &str| {
            let mut body = firing();
            body["groupKey"] = json!(format!("{}{end}", "k".repeat(5_000)));
            read(&body).unwrap().remove(0).group_key
        };
        assert_ne!(of("a"), of("b"));
    }

    #[test]
    fn an_odd_body_is_an_error_in_words() {
        assert!(read(&json!({"alerts": "none"})).is_err());
        assert!(read(&json!({})).unwrap_err().contains("alerts"));
        let mut body = firing();
        body["alerts"][0]["status"] = json!("pending");
        assert_eq!(read(&body).unwrap_err(), "alert 1: status \"pending\" is neither firing nor resolved");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            Just("alerts".to_owned()),
            Just("status".to_owned()),
            Just("labels".to_owned()),
            Just("startsAt".to_owned()),
            Just("firing".to_owned()),
            Just("2026-03-01T03:12:00Z".to_owned()),
            any::<String>()
        ];
        let leaf =
            prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), word.clone().prop_map(Value::from)];
        leaf.prop_recursive(4, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(word.clone(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_nothing_hidden_comes_out(alerts in any_json(), status in any_json()) {
            let body = json!({"alerts": [alerts.clone()], "status": status});
            for body in [alerts.to_string(), body.to_string()] {
                for alert in parse("h", &body, None).unwrap_or_default() {
                    let texts = alert.labels.iter().chain(&alert.annotations);
                    prop_assert!(texts.flat_map(|(k, v)| k.chars().chain(v.chars()))
                        .all(|c| matches!(c, '\n' | '\t') || !text::is_hidden(c)));
                }
            }
        }

        #[test]
        fn no_text_makes_it_panic(body in any::<String>()) {
            let _ = parse("h", &body, None);
        }

        #[test]
        fn any_labels_are_tamed(labels in prop::collection::btree_map(any::<String>(), any::<String>(), 0..100)) {
            let mut body = firing();
            body["alerts"][0]["labels"] = json!(labels);
            let alert = read(&body).unwrap().remove(0);
            prop_assert!(alert.labels.len() <= MOST_LABELS + 1);
            prop_assert!(alert.labels.values().flat_map(|v| v.chars()).all(|c| matches!(c, '\n' | '\t') || !text::is_hidden(c)));
        }
    }
}
