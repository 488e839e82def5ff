//! Cards for tests of whoever renders cards: one of every kind that people meet, and one with everything in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::{Desk, RunView, Shift};
use crate::chat::card::{Button, Card, Field, Form, Input, Press, Table, Tone};
use crate::clock::Timestamp;
use crate::domain::actor::{Actor, Place, Platform};
use crate::domain::alert::Alert;
use crate::domain::approval::{Approval, ApprovalBody, ApprovalRule, ApprovalState, Vote};
use crate::domain::chart::{Chart, ChartKind};
use crate::domain::expect::Verdict;
use crate::domain::incident::{Incident, IncidentBody, IncidentState, Tally};
use crate::domain::plan::{Plan, PlannedStep};
use crate::domain::policy::Denied;
use crate::domain::run::{Cause, Run, RunBody, RunState};
use crate::domain::runbook::{Args, Effect, Invocation, OnFail, Param, ParamKind, Retry, Runbook, Step, Undo};
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::settings::{BreakGlass, Language, Person, Settings};
use crate::domain::severity::Severity;
use crate::domain::step::{Outcome, Output, Report, StepBody, StepRun, StepState};
use crate::id::{ApprovalId, RunId};
use crate::words::Words;

/// 2026-03-01, 03:12:00 UTC.
const NIGHT: Timestamp = Timestamp(1_772_334_720_000);

/// The least that a configuration may say, with two people.
pub fn settings() -> Settings {
    let person = |id: &str, name: &str| {
        let identities = BTreeMap::from([(Platform::Slack, format!("T1/U{}", id.to_uppercase()))]);
        let (roles, standing) = (Vec::new(), BTreeMap::new());
        (id.to_owned(), Person { id: id.to_owned(), name: name.to_owned(), roles, identities, standing })
    };
    Settings {
        time_zone: jiff::tz::TimeZone::UTC,
        language: Language::En,
        public_url: "http://127.0.0.1:8080".to_owned(),
        environments: Default::default(),
        people: BTreeMap::from([person("ana", "Ana Ruiz"), person("leo", "Leo Vega")]),
        roles: Default::default(),
        channels: Default::default(),
        teams: Default::default(),
        packs: Default::default(),
        hooks: Default::default(),
        secrets: Default::default(),
        approver_roles: Vec::new(),
        approval_expires: 900,
        groups: Default::default(),
        retention: Default::default(),
        audit_channel: None,
        break_glass: BreakGlass { after: 300, severities: Vec::new(), announce: Vec::new() },
    }
}

/// A button without a form.
pub fn button(id: &str, label: &str, danger: bool, press: Press) -> Button {
    Button { id: id.to_owned(), label: label.to_owned(), danger, asks: None, press }
}

/// A card with everything that a card may have, `text` in every place of it.
pub fn full(text: &str) -> Card {
    let mut breaking = button("glass", text, true, Press::BreakGlass(ApprovalId::new()));
    breaking.asks = Some(form(text));
    Card {
        title: text.to_owned(),
        tone: Tone::Ask,
        state: "awaiting_approval".to_owned(),
        body: vec![text.to_owned()],
        fields: vec![Field { name: text.to_owned(), value: text.to_owned() }],
        chart: Some(Chart::new(text, ChartKind::Line, vec![text.to_owned()]).unit(text).series(text, [Some(4.2)])),
        table: Some(Table { columns: vec![text.to_owned()], rows: vec![vec![text.to_owned()]] }),
        output: Some(text.to_owned()),
        buttons: vec![button("approve", text, false, Press::Approve(ApprovalId::new())), breaking],
        footer: Some(text.to_owned()),
        mentions: vec![text.to_owned()],
        link: Some("/runs/1".to_owned()),
    }
}

/// A form with every kind of field, `text` in every place of it.
pub fn form(text: &str) -> Form {
    let field = |name: &str| Input { name: name.to_owned(), label: text.to_owned(), ..Input::default() };
    let inputs = vec![
        Input { hint: Some(text.to_owned()), long: true, ..field("reason") },
        Input { choices: vec![text.to_owned()], ..field("env") },
        Input { value: Some(text.to_owned()), optional: true, ..field("note") },
        Input { value: Some(text.to_owned()), live: true, ..field("file") },
    ];
    Form { title: text.to_owned(), inputs }
}

/// One card of every kind, by name, in this language.
pub fn all(language: Language) -> Vec<(&'static str, Card)> {
    let settings = settings();
    let desk = Desk { words: Words(language), settings: &settings, now: Timestamp(NIGHT.0 + 240_000) };
    let mut cards = runs(desk);
    cards.extend(incidents(desk));
    cards.extend(replies(desk));
    cards
}

fn rollback() -> Runbook {
    let step = |id: &str, title: &str, effect: Effect| Step {
        id: id.to_owned(),
        title: title.to_owned(),
        action: "shell".to_owned(),
        with: json!({}),
        effect,
        expect: Vec::new(),
        timeout: 60,
        retry: Retry::default(),
        idempotent: false,
        branches: Vec::new(),
        on_fail: OnFail::Stop,
        undo: (effect > Effect::Read).then(|| Undo {
            title: "Put it back".to_owned(),
            action: "shell".to_owned(),
            with: json!({}),
            timeout: 60,
        }),
    };
    let param = |name: &str, kind: ParamKind| Param {
        name: name.to_owned(),
        kind,
        about: None,
        default: None,
        from_label: None,
    };
    Runbook {
        values: Default::default(),
        source: Vec::new(),
        pack: "shop".to_owned(),
        name: "rollback".to_owned(),
        aliases: vec!["revert".to_owned()],
        summary: "Bring back the version before".to_owned(),
        about: Some("Traffic is moved first; nobody is logged out.".to_owned()),
        params: vec![
            param("service", ParamKind::Choice(vec!["api".to_owned(), "web".to_owned()])),
            param("replicas", ParamKind::Integer { min: 1, max: 9 }),
        ],
        environments: vec!["prod".to_owned(), "staging".to_owned()],
        channels: Vec::new(),
        allow: Vec::new(),
        steps: vec![step("look", "Look at the error rate", Effect::Read), step("roll", "Roll back", Effect::Change)],
        lock: None,
        approval: Vec::new(),
        alerts: Vec::new(),
        next: Vec::new(),
        schedule: Vec::new(),
        digest: String::new(),
        file: "commands/shop.yaml".to_owned(),
    }
}

fn run(state: RunState, cause: Cause) -> Run {
    Run {
        id: RunId::from("01RUN"),
        state,
        lock: None,
        incident: None,
        created_at: NIGHT,
        ended_at: state.is_final().then_some(Timestamp(NIGHT.0 + 41_000)),
        body: RunBody {
            runbook: rollback(),
            args: Args::from([("service".to_owned(), json!("api")), ("replicas".to_owned(), json!(4))]),
            env: Some("prod".to_owned()),
            by: Actor { id: "ana".to_owned(), platform: Platform::Slack, roles: Default::default() },
            cause,
            place: Place::channel(Platform::Slack, "#infra"),
            message: "01CARD".into(),
            reply_to: None,
            parent: None,
            cancelled_by: None,
            undo_of: None,
        },
    }
}

fn step(position: usize, state: StepState, outcome: Option<Outcome>, verdicts: Vec<Verdict>) -> StepRun {
    StepRun {
        run: RunId::from("01RUN"),
        position,
        state,
        attempt: 1,
        owner: None,
        lease_until: None,
        not_before: None,
        approval: None,
        body: StepBody {
            step: rollback().steps[position].clone(),
            guarded: position == 1,
            undoes: None,
            taken_back: None,
            began: None,
            seen: None,
            plan_digest: None,
            outcome,
            verdicts,
            hold: None,
            child: None,
            started_at: None,
            ended_at: None,
        },
    }
}

/// The first step, which found this share of requests failing.
fn looked(share: f64) -> StepRun {
    let verdict = Verdict {
        what: "errors".to_owned(),
        expected: sentence!("card.expected_at_most", value => "1 %"),
        observed: Sentence::plain(format!("{share} %")),
        holds: share <= 1.0,
    };
    let report = Report { line: sentence!("action.exit", code => 0), ..Report::default() };
    step(0, StepState::Done, Some(Outcome::Done(report)), vec![verdict])
}

fn approval(glass_offered: bool) -> Approval {
    let plan = |line: &str| Plan {
        action: "shell".to_owned(),
        effect: Effect::Change,
        target: Sentence::plain("api"),
        line: Sentence::plain(line),
        exact: json!({}),
    };
    Approval {
        id: ApprovalId::from("01APPROVAL"),
        run: RunId::from("01RUN"),
        state: ApprovalState::Pending,
        plan_digest: "9f86d081884c7d659a2feaa0c55ad015".to_owned(),
        created_at: NIGHT,
        expires_at: Timestamp(NIGHT.0 + 900_000),
        body: ApprovalBody {
            rule: ApprovalRule {
                environments: Vec::new(),
                count: 1,
                roles: vec!["lead".to_owned()],
                expires: 900,
                confirm: None,
            },
            confirm: None,
            requester: "ana".to_owned(),
            steps: vec![PlannedStep {
                position: 1,
                title: "Roll back".to_owned(),
                plan: plan("kubectl rollout undo deploy/api --to-revision=41"),
                undo: Some(plan("kubectl rollout undo deploy/api --to-revision=42")),
            }],
            break_glass_at: None,
            glass_offered,
            reason: None,
            call: None,
            closed_by: None,
            decided_at: None,
        },
    }
}

fn runs(desk: Desk<'_>) -> Vec<(&'static str, Card)> {
    let done = |line: &str| Some(Outcome::Done(Report { line: Sentence::plain(line), ..Report::default() }));
    let health = Invocation { runbook: "generic/health".to_owned(), args: Args::new(), env: Some("prod".to_owned()) };
    let card = |run: &Run, steps: &[StepRun], approval: Option<(&Approval, &[Vote])>, next: Vec<Invocation>| {
        super::run(desk, &RunView { run, steps, approval, next })
    };
    let asked = |state| run(state, Cause::Asked);
    let (calm, glass) = (approval(false), approval(true));
    let mut given = Approval { state: ApprovalState::Granted, ..approval(false) };
    given.body.decided_at = Some(NIGHT);
    let votes = [Vote { by: "leo".to_owned(), yes: true, at: NIGHT, platform: Platform::Console }];
    let printed = Report {
        line: sentence!("action.exit", code => 1),
        output: Some(Output {
            head: "error: deployment \"api\" not found <namespace: shop>\n".to_owned(),
            tail: "try: kubectl -n shop get deploy\n".to_owned(),
            left_out: 812,
            bytes: 900,
            sha256: String::new(),
        }),
        ..Report::default()
    };
    let broken = step(1, StepState::Failed, Some(Outcome::Failed(printed)), Vec::new());
    let waiting = [looked(4.2), step(1, StepState::AwaitingApproval, None, Vec::new())];
    let rolled = [looked(4.2), step(1, StepState::Done, done("revision 41 runs"), Vec::new())];
    let lost = [looked(4.2), step(1, StepState::Unknown, None, Vec::new())];
    let granted = Some((&given, votes.as_slice()));
    vec![
        ("run_waiting", card(&asked(RunState::Active), &waiting, Some((&calm, &[])), Vec::new())),
        ("run_break_glass", card(&asked(RunState::Active), &waiting, Some((&glass, &[])), Vec::new())),
        ("run_unknown", card(&asked(RunState::Active), &lost, granted, Vec::new())),
        ("run_done", card(&asked(RunState::Done), &rolled, granted, vec![health])),
        ("run_failed", card(&asked(RunState::Failed), &[looked(4.2), broken.clone()], granted, Vec::new())),
        ("step_failed", super::step_details(desk, &broken).expect("it failed")),
        ("diagnosis", card(&run(RunState::Done, Cause::Diagnosis), &[looked(4.2)], None, Vec::new())),
        ("approval_wanted", super::approval_wanted(desk, &asked(RunState::Active), &calm, vec!["leo".to_owned()])),
        ("approval_over", super::approval_over(desk, &asked(RunState::Active), &given, &votes)),
    ]
}

fn incidents(desk: Desk<'_>) -> Vec<(&'static str, Card)> {
    let alert = |firing: bool, summary: &str| Alert {
        source: "alertmanager".to_owned(),
        fingerprint: summary.to_owned(),
        group_key: "api".to_owned(),
        firing,
        labels: BTreeMap::from([("alertname".to_owned(), "HighErrorRate".to_owned())]),
        annotations: BTreeMap::from([
            ("summary".to_owned(), summary.to_owned()),
            ("description".to_owned(), "4.2 % of requests fail <https://prom/g|since 03:10>".to_owned()),
        ]),
        starts_at: NIGHT,
        ends_at: None,
        link: None,
    };
    let open = Incident {
        id: "01INCIDENT".into(),
        group_key: "api".to_owned(),
        state: IncidentState::Open,
        severity: Severity::P1,
        opened_at: NIGHT,
        acknowledged_at: None,
        resolved_at: None,
        body: IncidentBody {
            title: "api: error rate above 1 %".to_owned(),
            place: Place::channel(Platform::Slack, "#infra"),
            message: "01CARD".into(),
            commander: None,
            resolved_by: None,
            proposals: vec![Invocation {
                runbook: "shop/rollback".to_owned(),
                args: Args::from([("service".to_owned(), json!("api"))]),
                env: Some("prod".to_owned()),
            }],
            declared_by: None,
        },
    };
    let mut over = open.clone();
    (over.state, over.resolved_at) = (IncidentState::Resolved, Some(Timestamp(NIGHT.0 + 660_000)));
    (over.body.commander, over.body.resolved_by) = (Some("ana".to_owned()), Some("ana".to_owned()));
    let days = [(0, 0), (1, 2), (0, 0), (0, 0), (2, 7), (0, 1), (1, 2)];
    let tallies = (0..).zip(days).map(|(day, (incidents, alerts))| Tally {
        at: Timestamp(1_771_804_800_000).after(super::DAY * day), // from 2026-02-23
        incidents,
        alerts,
    });
    let shift = Shift {
        team: "infra".to_owned(),
        outgoing: Some("ana".to_owned()),
        incoming: Some("leo".to_owned()),
        from: Some(NIGHT.before(super::DAY * 6)),
        open: vec![open.clone()],
        fired: 4,
        span: super::DAY,
        tallies: tallies.collect(),
        ran: vec![("shop/rollback api 4 prod".to_owned(), "done".to_owned())],
        decided: (1, 0),
        pending: vec!["shop/scale api 9 prod".to_owned()],
        reviews: 1,
        ..Shift::default()
    };
    let firing = [alert(true, "api answers 500"), alert(true, "api is slow")];
    let quiet = [alert(false, "api answers 500"), alert(false, "api is slow")];
    vec![
        ("incident_open", super::incident(desk, &open, &firing, None)),
        ("incident_resolved", super::incident(desk, &over, &quiet, None)),
        ("incident_line", super::incident_line(desk, "thread_acknowledged", "ana", "")),
        ("incidents", super::incident_list(desk, std::slice::from_ref(&open))),
        ("on_call", super::on_call(desk, &[("infra".to_owned(), Some("ana".to_owned()), Some(NIGHT))])),
        ("handoff", super::handoff(desk, &shift, Some(&"01HANDOFF".into()))),
    ]
}

fn replies(desk: Desk<'_>) -> Vec<(&'static str, Card)> {
    let book = rollback();
    let invocation = Invocation { runbook: book.full_name(), args: Args::new(), env: None };
    let lacks = minijinja::context! { names => ["service", "replicas"], usage => "/ops rollback SERVICE REPLICAS ENV" };
    let lacks = desk.words.say("command.missing", lacks);
    let glass = ("shop/rollback api 4 prod", "the site is down and nobody answers");
    vec![
        ("help", super::help(desk, &[Arc::new(book.clone())], false)),
        ("help_one", super::help(desk, &[Arc::new(book.clone())], true)),
        ("denied", super::denied(desk, glass.0, &Denied::Role(vec!["lead".to_owned()]), &["leo".to_owned()])),
        ("missing", super::missing(desk, (&book, lacks), invocation, &book.params, Some(&book.environments))),
        ("review", super::review(desk, &"01REVIEW".into(), "ana", glass, None)),
    ]
}
