//! Numbers over labels: Slack's own chart where it can show them truly, or a list with the same numbers. Slack draws
//! nothing over a gap, and takes each label and each name once.

use std::collections::BTreeSet;

use minijinja::context;
use serde_json::Number;
use slack_morphism::prelude::*;

use super::blocks::note;
use super::budget::{Budget, CHART_AXIS, CHART_LABEL, CHART_POINTS, CHART_SERIES, CHART_TITLE, SECTION, shorten};
use super::table;
use super::text::plain;
use crate::chat::card::Table;
use crate::domain::chart::{Chart, ChartKind, Series};
use crate::words::Words;

/// A chart, and what it does not show in words; a list where it cannot be drawn.
#[must_use]
pub fn native(words: Words, chart: &Chart, budget: &mut Budget) -> Vec<SlackBlock> {
    let (mut shown, each) = chart.joined(CHART_POINTS);
    let more = shown.series.len().saturating_sub(CHART_SERIES);
    shown.series.truncate(CHART_SERIES);
    let Some(block) = drawn(shown, budget) else {
        return list(chart, budget).into_iter().collect();
    };
    // What is not drawn is said, and counts as cut, so that all of it goes where cut things go.
    let row = |row: &Vec<String>| row.iter().map(|cell| cell.chars().count()).sum::<usize>();
    let mut said = Vec::new();
    if each > 1 {
        let key = format!("slack.chart_joined_{}", chart.kind);
        said.push(words.say(&key, context! { count => each }));
        budget.leave(chart.rows().iter().skip(CHART_POINTS).map(row).sum());
    }
    if more > 0 {
        said.push(words.say("slack.chart_more", context! { count => more }));
        let hidden = Chart { series: chart.series[CHART_SERIES..].to_vec(), ..chart.clone() };
        budget.leave(hidden.rows().iter().map(row).sum());
    }
    let said = (!said.is_empty()).then(|| budget.block(&said.join(" "), SECTION)).flatten();
    std::iter::once(block).chain(said.map(note)).collect()
}

/// The same numbers as a list.
#[must_use]
pub fn list(chart: &Chart, budget: &mut Budget) -> Option<SlackBlock> {
    table::list(&Table::from(chart), budget)
}

/// Slack's chart, paid for; none where Slack would refuse it or there is no room.
fn drawn(chart: Chart, budget: &mut Budget) -> Option<SlackBlock> {
    let whole = chart.is_whole();
    let (names, values): (Vec<String>, Vec<_>) =
        chart.series.into_iter().map(|Series { name, values }| (name, values)).unzip();
    let labels = length_if_distinct(&chart.labels)?;
    // Every series writes every label again, and nobody says that this is free.
    let again = labels * names.len();
    let price = CHART_TITLE + CHART_AXIS + length_if_distinct(&names)? + labels + again;
    if !whole || !budget.has(price) || !budget.bare() {
        return None;
    }
    budget.spend(again);
    let mut pay = |text: &String, most| budget.text(text, most).map(plain).map(|shown| shown.text);
    let title = pay(&chart.title, CHART_TITLE)?;
    let y_label = chart.unit.as_ref().and_then(|unit| pay(unit, CHART_AXIS));
    let names: Option<Vec<String>> = names.iter().map(|name| pay(name, CHART_LABEL)).collect();
    let categories: Option<Vec<String>> = chart.labels.iter().map(|label| pay(label, CHART_LABEL)).collect();
    let categories = categories?;

    let series = names?.into_iter().zip(values).map(|(name, values)| {
        let point =
            |(label, value): (&String, Option<f64>)| Some(SlackChartDataPoint::new(label.clone(), exact(value?)?));
        SlackChartDataSeries::new(name, categories.iter().zip(values).filter_map(point).collect())
    });
    let drawn = SlackSeriesChart {
        series: series.collect(),
        axis_config: SlackChartAxisConfig { categories, x_label: None, y_label },
    };
    let drawn = match chart.kind {
        ChartKind::Line => SlackChart::Line(drawn),
        ChartKind::Bar => SlackChart::Bar(drawn),
    };
    Some(SlackDataVisualizationBlock::new(title, drawn).into())
}

/// What labels or names take once they are as short as they must be; none where there are none, or two look the same.
fn length_if_distinct(texts: &[String]) -> Option<usize> {
    let short: BTreeSet<String> = texts.iter().map(|text| plain(shorten(text, CHART_LABEL)).text).collect();
    let distinct = !texts.is_empty() && short.len() == texts.len();
    distinct.then(|| short.iter().map(|text| text.chars().count()).sum())
}

/// A number as JSON writes it; whole ones without a point.
#[allow(clippy::cast_possible_truncation)] // only of whole numbers that fit
fn exact(value: f64) -> Option<Number> {
    let whole = value.fract() == 0.0 && value.abs() < 9e15;
    if whole { Some(Number::from(value as i64)) } else { Number::from_f64(value) }
}
