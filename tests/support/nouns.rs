//! Small but whole runs, steps, approvals, incidents and alerts for tests.
#![allow(dead_code)] // every test file uses a part of it

use serde_json::json;
use sereno::clock::Timestamp;
use sereno::domain::alert::Alert;
use sereno::domain::approval::Approval;
use sereno::domain::incident::Incident;
use sereno::domain::run::Run;
use sereno::domain::step::StepRun;
use sereno::id::{ApprovalId, IncidentId, MessageId, RunId};

/// `rollback api prod`, asked for by ana in `#infra`.
pub fn run() -> Run {
    let runbook = json!({
        "pack": "shop", "name": "rollback", "summary": "Back to the version before", "params": [],
        "environments": ["prod"], "channels": [], "allow": [], "steps": [], "approval": [], "alerts": [],
        "next": [], "schedule": [], "digest": "d", "file": "commands/shop/rollback.yaml"
    });
    serde_json::from_value(json!({
        "id": RunId::new(), "state": "active", "lock": "shop/api prod", "incident": null, "created_at": 1000,
        "ended_at": null,
        "body": {
            "runbook": runbook, "args": {}, "env": "prod", "cause": "asked",
            "by": {"id": "ana", "platform": "console", "roles": ["operator"]},
            "place": {"platform": "console", "channel": "#infra"}, "message": MessageId::new(), "reply_to": null
        }
    }))
    .unwrap()
}

/// A step of a run that may start.
pub fn step(run: &RunId, position: usize) -> StepRun {
    serde_json::from_value(json!({
        "run": run, "position": position, "state": "ready", "attempt": 0, "owner": null, "lease_until": null,
        "not_before": null, "approval": null,
        "body": {
            "step": {"id": "swap", "title": "Swap", "action": "note", "with": {}, "effect": "destroy", "timeout": 60},
            "guarded": true
        }
    }))
    .unwrap()
}

/// A pending approval that two leads must give.
pub fn approval(run: &RunId) -> Approval {
    serde_json::from_value(json!({
        "id": ApprovalId::new(), "run": run, "state": "pending", "plan_digest": "d", "created_at": 1000,
        "expires_at": 2000,
        "body": {
            "rule": {"count": 2, "roles": ["lead"], "expires": 60}, "requester": "ana", "steps": []
        }
    }))
    .unwrap()
}

/// An open incident of a group.
pub fn incident(group: &str) -> Incident {
    serde_json::from_value(json!({
        "id": IncidentId::new(), "group_key": group, "state": "open", "severity": "P2", "opened_at": 1000,
        "acknowledged_at": null, "resolved_at": null,
        "body": {
            "title": "checkout is slow", "place": {"platform": "console", "channel": "#infra"},
            "message": MessageId::new()
        }
    }))
    .unwrap()
}

/// An alert as it began, firing or ended.
pub fn alert(starts_at: i64, ends_at: Option<i64>) -> Alert {
    Alert {
        source: "alertmanager".into(),
        fingerprint: "f1".into(),
        group_key: "alertmanager:checkout".into(),
        firing: ends_at.is_none(),
        labels: [("alertname".into(), "Slow".into())].into(),
        annotations: [].into(),
        starts_at: Timestamp(starts_at),
        ends_at: ends_at.map(Timestamp),
        link: None,
    }
}
