//! `explain`: how PostgreSQL would run a statement, or how it ran one. What is run for measurement is rolled back, and
//! a statement that begins as a query runs read-only, so that the server itself refuses what would write.

use serde_json::{Map, Value, json};
use sqlx::{PgConnection, Row as _};

use super::fields::Param;
use super::session::{Fault, Progress, bound};
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;
use crate::executor::output::beginning;

/// Nodes of a plan that are looked at.
const NODES: usize = 200;
/// Bytes of a plan that facts hold as JSON.
const PLAN: usize = 64 * 1024;
/// Bytes of a condition that a table shows.
const CONDITION: usize = 200;

/// Asks for the plan, and reads it.
pub(super) async fn explain(
    connection: &mut PgConnection,
    (text, params): (&str, &[Param]),
    analyze: bool,
    progress: &Progress,
) -> Result<Report, Fault> {
    let options = if analyze { "ANALYZE, BUFFERS, FORMAT JSON" } else { "FORMAT JSON" };
    let row = bound(format!("EXPLAIN ({options}) {text}"), params).fetch_one(connection).await;
    let row = row.map_err(|error| progress.fault(error))?;
    let plan: Value = row.try_get(0).map_err(|error| Fault::Failed(Sentence::plain(error)))?;
    Ok(report(&plan[0], analyze))
}

fn report(explained: &Value, analyze: bool) -> Report {
    let top = &explained["Plan"];
    let mut nodes = Vec::new();
    walk(top, 0, &mut nodes);
    let scans = nodes.iter().filter(|node| node.kind == "Seq Scan").map(|node| node.on.clone()).collect::<Vec<_>>();
    let mut facts = Map::new();
    let mut fact = |name: &str, value: Value| facts.insert(name.to_owned(), value);
    fact("node", top["Node Type"].clone());
    fact("total_cost", top["Total Cost"].clone());
    fact("rows", top["Plan Rows"].clone());
    fact("actual_rows", top["Actual Rows"].clone());
    fact("planning_ms", explained["Planning Time"].clone());
    fact("execution_ms", explained["Execution Time"].clone());
    fact("seq_scans", json!(scans));
    let whole = explained.to_string();
    fact("truncated", json!(whole.len() > PLAN));
    fact("plan", if whole.len() > PLAN { Value::Null } else { explained.clone() });
    let headings = [
        "action.sql_col_node",
        "action.sql_col_relation",
        "action.sql_col_estimated",
        "action.sql_col_actual",
        "action.sql_col_ms",
        "action.sql_col_condition",
    ];
    let table = Grid::new(headings.map(Sentence::new).into(), nodes.into_iter().map(Node::cells));
    let cost = top["Total Cost"].to_string();
    let scans = scans.len();
    let line = match analyze {
        true => sentence!("action.sql_explained_ran", ms => explained["Execution Time"].to_string(), scans),
        false => sentence!("action.sql_explained", cost, scans),
    };
    Report { table: Some(table), ..Report::new(Value::Object(facts), line) }
}

struct Node {
    depth: usize,
    kind: String,
    on: String,
    numbers: [String; 3],
    condition: String,
}

impl Node {
    fn cells(self) -> Vec<String> {
        let [estimated, actual, ms] = self.numbers;
        vec![format!("{}{}", "· ".repeat(self.depth), self.kind), self.on, estimated, actual, ms, self.condition]
    }
}

fn walk(plan: &Value, depth: usize, nodes: &mut Vec<Node>) {
    if nodes.len() >= NODES || !plan.is_object() {
        return;
    }
    let text = |name: &str| match &plan[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let on = [text("Relation Name"), text("Index Name")].into_iter().filter(|name| !name.is_empty());
    let condition = ["Index Cond", "Filter", "Hash Cond", "Join Filter"].map(text).into_iter().find(|c| !c.is_empty());
    nodes.push(Node {
        depth,
        kind: text("Node Type"),
        on: on.collect::<Vec<_>>().join(" "),
        numbers: [text("Plan Rows"), text("Actual Rows"), text("Actual Total Time")],
        condition: beginning(&condition.unwrap_or_default(), CONDITION).to_owned(),
    });
    for child in plan["Plans"].as_array().into_iter().flatten() {
        walk(child, depth + 1, nodes);
    }
}
