//! What a query comes to, as facts and as a table: numbers where they are numbers, and no more than people read. Knows
//! nothing of connections.

use serde_json::{Map, Value, json};

use crate::domain::chart::Chart;
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;

/// Series of an instant that are facts.
const SERIES: usize = 100;
/// Series of a range that are facts.
const RANGES: usize = 20;

/// The value of a query at one moment.
///
/// # Errors
/// When that is not what came.
pub(super) fn instant(data: &Value) -> Result<Report, Sentence> {
    let found: Vec<(Value, Option<f64>)> = match data["resultType"].as_str() {
        Some("scalar") => vec![(json!({}), number(&data["result"]))],
        Some("vector") => {
            let all = data["result"].as_array().ok_or_else(|| sentence!("action.api_odd"))?;
            all.iter().map(|one| (one["metric"].clone(), number(&one["value"]))).collect()
        }
        Some("matrix") => return Err(sentence!("action.prometheus_matrix")),
        _ => return Err(sentence!("action.api_odd")),
    };
    let values: Vec<f64> = found.iter().filter_map(|(_, value)| *value).collect();
    let mut facts = summary(&values);
    facts.remove("avg");
    facts.insert("count".to_owned(), found.len().into());
    if let Some((_, Some(value))) = found.first() {
        facts.insert("value".to_owned(), json!(value));
    }
    if !values.is_empty() {
        facts.insert("sum".to_owned(), json!(values.iter().sum::<f64>()));
    }
    let shown = found.iter().take(SERIES).map(|(labels, value)| json!({ "labels": labels, "value": value }));
    facts.insert("series".to_owned(), shown.collect());
    let columns = vec![sentence!("action.column_series"), sentence!("action.column_value")];
    let table = Grid::new(columns, found.iter().map(|(labels, value)| vec![name(labels), told(*value)]));
    let line = match found.as_slice() {
        [] => sentence!("action.prometheus_nothing"),
        [(_, value)] => Sentence::Plain(told(*value)),
        several => sentence!("action.prometheus_series", count => several.len()),
    };
    Ok(Report { table: (!found.is_empty()).then_some(table), ..Report::new(Value::Object(facts), line) })
}

/// The values of a query over a span of time.
///
/// # Errors
/// When that is not what came.
pub(super) fn range(query: &str, data: &Value) -> Result<Report, Sentence> {
    let all = match (data["resultType"].as_str(), data["result"].as_array()) {
        (Some("matrix"), Some(all)) => all,
        _ => return Err(sentence!("action.api_odd")),
    };
    let (mut every, mut series, mut rows, mut drawn) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for one in all {
        let points: Vec<(f64, f64)> = one["values"].as_array().into_iter().flatten().filter_map(point).collect();
        let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        let mut facts = summary(&values);
        if let Some(latest) = values.last() {
            facts.insert("latest".to_owned(), json!(latest));
        }
        let fact = |name: &str| told(facts.get(name).and_then(Value::as_f64));
        rows.push(vec![name(&one["metric"]), fact("latest"), fact("min"), fact("max"), fact("avg")]);
        if series.len() < RANGES {
            facts.insert("labels".to_owned(), one["metric"].clone());
            facts.insert("points".to_owned(), points.len().into());
            facts.insert("values".to_owned(), json!(points));
            drawn.push((name(&one["metric"]), points));
            series.push(Value::Object(facts));
        }
        every.extend(values);
    }
    let mut facts = summary(&every);
    if let Some(latest) = series.first().and_then(|first| first.get("latest")) {
        facts.insert("latest".to_owned(), latest.clone());
    }
    let line = match (all.len(), facts.get("latest").and_then(Value::as_f64)) {
        (0, _) => sentence!("action.prometheus_nothing"),
        (1, latest) => {
            let fact = |name: &str| told(facts.get(name).and_then(Value::as_f64));
            sentence!("action.prometheus_between", latest => told(latest), min => fact("min"), max => fact("max"))
        }
        (count, _) => sentence!("action.prometheus_series", count),
    };
    facts.insert("count".to_owned(), all.len().into());
    facts.insert("series".to_owned(), series.into());
    let columns =
        ["action.column_series", "action.column_latest", "action.column_min", "action.column_max", "action.column_avg"];
    let table = (!rows.is_empty()).then(|| Grid::new(columns.map(Sentence::new).into(), rows));
    Ok(Report { table, chart: Chart::over_time(query, &drawn), ..Report::new(Value::Object(facts), line) })
}

/// The least, the greatest and the mean, where there are values.
fn summary(values: &[f64]) -> Map<String, Value> {
    let mut facts = Map::new();
    if !values.is_empty() {
        facts.insert("min".to_owned(), json!(values.iter().copied().fold(f64::INFINITY, f64::min)));
        facts.insert("max".to_owned(), json!(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)));
        #[allow(clippy::cast_precision_loss)] // a few thousand
        let count = values.len() as f64;
        facts.insert("avg".to_owned(), json!(values.iter().sum::<f64>() / count));
    }
    facts
}

/// The number of `[seconds, "value"]`; none for NaN and infinities, which JSON does not know.
fn number(sample: &Value) -> Option<f64> {
    sample[1].as_str()?.parse().ok().filter(|value: &f64| value.is_finite())
}

fn point(sample: &Value) -> Option<(f64, f64)> {
    Some((sample[0].as_f64()?, number(sample)?))
}

/// A series as Prometheus writes it.
fn name(labels: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let own = text(&labels["__name__"]);
    let labels = labels.as_object().into_iter().flatten().filter(|(name, _)| *name != "__name__");
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={:?}", text(value))).collect();
    match (own.is_empty(), labels.is_empty()) {
        (false, true) => own,
        _ => format!("{own}{{{}}}", labels.join(", ")),
    }
}

/// A number as people read it: four digits that matter.
fn told(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value == value.trunc() && value.abs() < 1e15 => format!("{value:.0}"),
        Some(value) if value.abs() >= 1000.0 => format!("{value:.1}"),
        Some(value) if value.abs() >= 0.001 => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Some(value) => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_no_fact() {
        let data = json!({"resultType": "vector", "result": [
            {"metric": {"a": "1"}, "value": [1.0, "NaN"]}, {"metric": {"a": "2"}, "value": [1.0, "0.25"]},
        ]});
        let report = instant(&data).unwrap();
        assert_eq!(report.facts.get("value"), None);
        assert_eq!((&report.facts["count"], &report.facts["max"]), (&json!(2), &json!(0.25)));
        assert_eq!(report.table.unwrap().rows, [["{a=\"1\"}", "–"], ["{a=\"2\"}", "0.25"]]);
        let none = instant(&json!({"resultType": "vector", "result": []})).unwrap();
        assert_eq!(none.facts, json!({"count": 0, "series": []}));
    }

    #[test]
    fn numbers_are_told_as_people_read_them() {
        for (value, text) in [(3.0, "3"), (0.25, "0.25"), (1234.56, "1234.6"), (0.000_012, "1.20e-5"), (0.0, "0")] {
            assert_eq!(told(Some(value)), text);
        }
    }
}
