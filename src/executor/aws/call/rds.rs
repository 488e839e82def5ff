//! `aws`: databases of RDS and their snapshots.

use serde_json::{Value, json};

use super::fields::{Kind, may, must};
use super::{Fault, Found, Job, Operation, moment, number, text};
use crate::domain::runbook::Effect;
use crate::domain::sentence::sentence;
use crate::executor::aws::wire::Wire;
use crate::executor::aws::xml;

const SNAPSHOT: super::Field = must("snapshot", Kind::Text, "The snapshot's name.");

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "rds.describe_db_instance",
        about: "A database. Facts: status, engine, version, backup_days, newest_restore_age (seconds), public.",
        effect: Effect::Read,
        fields: &[must("instance", Kind::Text, "The database's name.")],
        look: None,
        run: |job| Box::pin(instance(job)),
    },
    Operation {
        name: "rds.describe_db_snapshots",
        about: "Snapshots. Facts: snapshots (name, instance, status, percent, kind, created, age), names, count.",
        effect: Effect::Read,
        fields: &[
            may("instance", Kind::Text, "Only those of this database."),
            may("snapshot", Kind::Text, "Only the one with this name."),
        ],
        look: None,
        run: |job| Box::pin(snapshots(job)),
    },
    Operation {
        name: "rds.create_db_snapshot",
        about: "Starts a snapshot of a database; describe_db_snapshots tells when it is available. Facts: snapshot, \
                status.",
        effect: Effect::Change,
        fields: &[must("instance", Kind::Text, "The database's name."), SNAPSHOT],
        look: None,
        run: |job| Box::pin(create(job)),
    },
    Operation {
        name: "rds.delete_db_snapshot",
        about: "Deletes a snapshot. Facts: snapshot, status.",
        effect: Effect::Destroy,
        fields: &[SNAPSHOT],
        look: None,
        run: |job| Box::pin(delete(job)),
    },
];

async fn ask(job: &Job<'_>, action: &str, values: &[(&str, &str)]) -> Result<Value, Fault> {
    let wire = Wire::query("rds", action, "2014-10-31", values);
    let answer = if action.starts_with("Describe") { job.read(wire).await? } else { job.change(wire).await? };
    Ok(answer.xml()?[format!("{action}Result")].take())
}

async fn instance(job: &Job<'_>) -> Result<Found, Fault> {
    let name = job.text("instance");
    let answer = ask(job, "DescribeDBInstances", &[("DBInstanceIdentifier", name)]).await?;
    let all = xml::list(&answer, &["DBInstances", "DBInstance"]);
    let it = all.first().ok_or_else(|| Fault::Failed(sentence!("aws.none", what => name)))?;
    Ok(Found::line(sentence!("aws.is", what => name, state => text(it, "DBInstanceStatus")))
        .fact("status", it["DBInstanceStatus"].clone())
        .fact("engine", it["Engine"].clone())
        .fact("version", it["EngineVersion"].clone())
        .fact("backup_days", number(&it["BackupRetentionPeriod"]))
        .fact("newest_restore_age", job.age(moment(&it["LatestRestorableTime"])))
        .fact("public", it["PubliclyAccessible"] == "true"))
}

async fn snapshots(job: &Job<'_>) -> Result<Found, Fault> {
    let fields = [("instance", "DBInstanceIdentifier"), ("snapshot", "DBSnapshotIdentifier")];
    let values: Vec<(&str, &str)> =
        fields.into_iter().filter_map(|(field, name)| Some((name, job.given.text(field)?))).collect();
    let answer = ask(job, "DescribeDBSnapshots", &values).await?;
    let found: Vec<Value> = xml::list(&answer, &["DBSnapshots", "DBSnapshot"])
        .into_iter()
        .map(|it| {
            json!({
                "name": it["DBSnapshotIdentifier"], "instance": it["DBInstanceIdentifier"], "status": it["Status"],
                "percent": number(&it["PercentProgress"]), "kind": it["SnapshotType"],
                "created": it["SnapshotCreateTime"], "age": job.age(moment(&it["SnapshotCreateTime"])),
            })
        })
        .collect();
    let names: Vec<Value> = found.iter().map(|it| it["name"].clone()).collect();
    Ok(Found::default()
        .list("snapshots", &["name", "instance", "status", "percent", "created"], found)
        .fact("names", names))
}

fn snapshot(answer: &Value) -> Found {
    let it = &answer["DBSnapshot"];
    let (name, state) = (text(it, "DBSnapshotIdentifier"), text(it, "Status"));
    Found::line(sentence!("aws.is", what => name, state)).fact("snapshot", name).fact("status", state)
}

async fn create(job: &Job<'_>) -> Result<Found, Fault> {
    let values = [("DBInstanceIdentifier", job.text("instance")), ("DBSnapshotIdentifier", job.text("snapshot"))];
    Ok(snapshot(&ask(job, "CreateDBSnapshot", &values).await?))
}

async fn delete(job: &Job<'_>) -> Result<Found, Fault> {
    Ok(snapshot(&ask(job, "DeleteDBSnapshot", &[("DBSnapshotIdentifier", job.text("snapshot"))]).await?))
}
