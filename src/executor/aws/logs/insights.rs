//! `cloudwatch_logs` insights: a query, asked and waited for, as a table.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::{QueryStatus, ResultField};
use serde_json::{Map, Value};

use super::{Attempt, Fault, looking};
use crate::clock::Timestamp;
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};

/// Between two looks at a query that runs.
const LOOK: Duration = Duration::from_millis(500);
/// A field that only leads to the event.
const POINTER: &str = "@ptr";

/// What is asked.
pub(super) struct Asked<'a> {
    pub(super) groups: &'a [String],
    pub(super) query: &'a str,
    pub(super) limit: u32,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

/// Asks, and waits until the answer is whole.
pub(super) async fn ask(client: &Client, asked: &Asked<'_>, attempt: &mut Attempt) -> Result<Sentence, Fault> {
    let request = || {
        let request = client.start_query().set_log_group_names(Some(asked.groups.to_vec())).query_string(asked.query);
        let request = request.start_time(asked.since.0.div_euclid(1000)).end_time(asked.until.0.div_euclid(1000) + 1);
        request.limit(i32::try_from(asked.limit).unwrap_or(i32::MAX))
    };
    let started = looking(|| request().send()).await?;
    let id = started.query_id().unwrap_or_default();
    let answer = loop {
        let answer = looking(|| client.get_query_results().query_id(id).send()).await?;
        match answer.status() {
            Some(QueryStatus::Complete) => break answer,
            None | Some(QueryStatus::Running | QueryStatus::Scheduled) => tokio::time::sleep(LOOK).await,
            Some(other) => return Err(Fault::Failed(sentence!("aws.logs_query_ended", state => other.as_str()))),
        }
    };
    let rows: Vec<Map<String, Value>> = answer.results().iter().map(|row| row_of(row)).collect();
    let mut columns: Vec<String> = Vec::new();
    for name in answer.results().iter().flatten().filter_map(ResultField::field).filter(|name| *name != POINTER) {
        if !columns.iter().any(|known| known == name) {
            columns.push(name.to_owned());
        }
    }
    let cell = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let cells = rows.iter().map(|row| columns.iter().map(|column| cell(row.get(column))).collect());
    attempt.table = (!rows.is_empty()).then(|| Grid::new(columns.iter().map(Sentence::plain).collect(), cells));
    let total = rows.len();
    attempt.found("rows", rows.into_iter().map(Value::Object).collect::<Vec<_>>());
    attempt.found("columns", columns);
    attempt.found("count", total);
    attempt.found("scanned_bytes", answer.statistics().map(|statistics| statistics.bytes_scanned()));
    Ok(sentence!("aws.counted", count => total))
}

/// A row by field; numbers as numbers.
fn row_of(row: &[ResultField]) -> Map<String, Value> {
    let cells = row.iter().filter_map(|cell| Some((cell.field()?, cell.value().unwrap_or_default())));
    let value = |text: &str| match serde_json::from_str::<Value>(text) {
        Ok(number @ Value::Number(_)) => number,
        _ => text.into(),
    };
    cells.filter(|(name, _)| *name != POINTER).map(|(name, text)| (name.to_owned(), value(text))).collect()
}
