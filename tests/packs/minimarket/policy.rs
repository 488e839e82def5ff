//! What the market's policy says: severities with their clocks, who is called when one runs out, objectives, contacts.
//! Nothing real answers here: the monitors find everything down, and the rest is people and time.

use super::*;
use crate::harness::only;

/// Everything down, and nobody has been told yet.
fn nothing_answers() -> Here {
    let mut here = Here::of("minimarket")
        .secret("db", "postgres://nobody@127.0.0.1:1/nothing")
        .secret("redis", "redis://127.0.0.1:1");
    for value in ["dashboard", "api", "prometheus", "alertmanager", "grafana", "loki"] {
        here = here.value(value, "http://127.0.0.1:1");
    }
    here.secret("api_key", "dev-0123456789").secret("encryption_key", KEY).more("docker: { host: \"unix:///nowhere\" }")
}

/// The incident with this title.
async fn titled(s: &Story, title: &str) -> Heard {
    let all = s.channel("#infra").await.into_iter();
    only(all.filter(|heard| heard.card.state == "open" && heard.card.title.contains(title)).collect())
}

/// What was said of an incident because time had passed: each text, and who was called.
async fn calls(s: &Story, incident: &Heard) -> Vec<(String, Vec<String>)> {
    let thread = s.thread(&incident.id).await.into_iter();
    let said = thread.filter(|line| line.card.state == "escalated");
    said.map(|line| (line.card.title, line.card.mentions)).collect()
}

/// A severity, what it means, when it must be answered (it opens at 10:00), and what is said when: minutes, words, who is
/// called.
type Clock = (&'static str, &'static str, &'static str, &'static [(u64, &'static str, &'static [&'static str])]);

const CLOCKS: &[Clock] = &[
    (
        "P1",
        "responde quien está de guardia",
        "10:05",
        &[
            (2, "sigue con el guion siguiente (base-caida)", &[]),
            (3, "se pasaron sus tres minutos", &[]),
            (5, "a la guardia (@semanal-on-call, #minimarket-emergencies)", &["ana", "eva", "leo"]),
        ],
    ),
    (
        "P2",
        "responde el líder del equipo",
        "10:15",
        &[(10, "se pasaron sus diez minutos", &["ana"]), (15, "al líder del equipo", &["ana", "eva", "leo"])],
    ),
    ("P3", "responde alguien senior", "11:00", &[(60, "Una hora sin respuesta", &["ana"])]),
    ("P4", "al backlog", "18:00", &[(480, "Ocho horas sin que nadie lo lleve al backlog", &[])]),
];

/// Proves: M05, M33, Y06, Y07, Y08, Y09, Y10, Y11.
#[tokio::test(flavor = "multi_thread")]
async fn each_severity_has_its_clock_and_calls_when_it_has_run_out() {
    nothing_answers()
        .tell_everywhere(async |s| {
            let opened = s.clock.now();
            for (severity, ..) in CLOCKS {
                s.person("vic").says("#infra", &format!("/ops incident {severity} Prueba de un {severity}")).await;
            }
            for &(severity, means, until, due) in CLOCKS {
                let incident = titled(s, &format!("Prueba de un {severity}")).await;
                assert!(incident.field(severity).contains(means), "{severity}: {}", incident.card.text());
                let clock = incident.field("Answer by");
                assert!(clock.contains(until) && !clock.contains("over"), "{severity}: {clock}");
                for (count, &(after, words, called)) in due.iter().enumerate() {
                    let at = opened.after(minutes(after));
                    // Slack takes its seconds.
                    s.waits(at.since(s.clock.now()).saturating_sub(Duration::from_secs(20))).await;
                    assert_eq!(calls(s, &incident).await.len(), count, "{severity}: not before {after} minutes");
                    s.waits(Duration::from_secs(40)).await;
                    let said = calls(s, &incident).await;
                    assert_eq!(said.len(), count + 1, "{severity}, {after} minutes: {said:?}");
                    assert!(said[count].0.contains(words), "{severity}, {after} minutes: {said:?}");
                    assert_eq!(said[count].1, called, "{severity}, {after} minutes");
                }
                let now = s.message(&incident.id).await;
                assert!(now.field("Answer by").contains(", over"), "{severity}: {}", now.card.text());
            }
            s.audit_is_whole().await;
        })
        .await;
}

/// Proves: M33, Y06, Y11.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_it_in_time_is_not_called() {
    nothing_answers()
        .tell(async |s| {
            s.person("vic").says("#infra", "/ops incident P1 Prueba").await;
            let incident = titled(s, "Prueba").await;
            s.person("ana").presses(&incident, "acknowledge").await;
            s.waits(minutes(30)).await;
            assert_eq!(calls(s, &incident).await, []);
        })
        .await;
}

/// What the document calls P1, P2 and P3 in its other section are three kinds of incidents: monitors open each with its
/// severity, and each is told when its own, shorter clock has run out.
/// Proves: M34, M41, Y10, Y13, Y15, Y16, Y17, Y18, Y30.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_down_opens_its_incident_with_objectives_and_contacts() {
    nothing_answers()
        .tell(async |s| {
            s.settles().await;
            for _ in 0..4 {
                s.waits(minutes(1)).await;
            }
            for (title, severity) in [
                ("El dashboard no responde", "P1"),
                ("La base de datos no conecta", "P1"),
                ("La observabilidad está caída", "P2"),
            ] {
                let card = titled(s, title).await.card;
                assert!(card.title.starts_with(severity), "{}", card.title);
            }
            let base = titled(s, "La base de datos no conecta").await;
            let text = base.card.text();
            for said in [
                "Pérdida de datos con backup que se puede restaurar: 2h / 1d",
                "Contenedor corrompido (sin estado): 15m / 0s",
                "Servidor entero caído: 4h / 1d",
                "Región entera: 1d / 1d",
                "#minimarket-emergencies",
                "@semanal-on-call",
                "Líder técnico",
                "pagerduty",
                "#minimarket-ops",
            ] {
                assert!(text.contains(said), "{said}: {text}");
            }
            s.waits(minutes(3)).await;
            let said = calls(s, &base).await;
            assert!(said.iter().any(|(text, _)| text.contains("Si es la base de datos")), "{said:?}");
            s.waits(minutes(10)).await;
            let said = calls(s, &titled(s, "La observabilidad está caída").await).await;
            assert!(said.iter().any(|(text, _)| text.contains("Si es la observabilidad")), "{said:?}");
            let pack = s.engine.catalog.load().pack("minimarket").unwrap().clone();
            assert!(pack.about.contains("1.0.0") && pack.about.contains("Equipo de Operaciones"));
        })
        .await;
}
