//! Numbers over labels, to be drawn where that is possible and read everywhere: a measure over time, or amounts side by
//! side. Knows nothing of cards, platforms or where the numbers come from.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Series that can be told apart without colour, and so the most that are drawn; the rest are only read.
pub const DRAWN: usize = 6;

/// Most points that are kept of a measure over time.
const POINTS: usize = 120;

/// Stands where there is no number.
pub const GAP: &str = "–";

super::text_enum! {
    /// How numbers are drawn, which also says what they are.
    ChartKind {
        /// A measure over time. Where several are shown as one, it is the highest.
        Line = "line",
        /// Amounts, as a count a day. Where several are shown as one, they are added.
        Bar = "bar",
    }
}

/// Numbers over labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chart {
    /// What it shows, in one line.
    pub title: String,
    /// How it is drawn.
    pub kind: ChartKind,
    /// What the numbers are in, as in `ms`; null where they are counts.
    pub unit: Option<String>,
    /// The points of the axis, in order.
    pub labels: Vec<String>,
    /// Numbers over these labels.
    pub series: Vec<Series>,
}

/// Numbers under one name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// What is measured or counted.
    pub name: String,
    /// A number for each label; null where there is none.
    pub values: Vec<Option<f64>>,
}

impl Chart {
    /// A chart over these labels, with no numbers yet.
    #[must_use]
    pub fn new(title: impl Into<String>, kind: ChartKind, labels: Vec<String>) -> Self {
        Self { title: title.into(), kind, unit: None, labels, series: Vec::new() }
    }

    /// A measure over time: series of moments, in seconds since 1970, and numbers. More points than people read are
    /// joined.
    #[must_use]
    pub fn over_time(title: impl Into<String>, measured: &[(String, Vec<(f64, f64)>)]) -> Option<Self> {
        let mut moments: Vec<i64> = measured.iter().flat_map(|(_, points)| points).map(|(at, _)| millis(*at)).collect();
        moments.sort_unstable();
        moments.dedup();
        if moments.len() < 2 {
            return None; // a point is no line
        }
        let far = moments.last()? - moments.first()? >= 24 * 3600 * 1000;
        let format = if far { "%m-%d %H:%M" } else { "%H:%M" };
        let label = |at: &i64| Timestamp(*at).to_jiff().strftime(format).to_string();
        let mut chart = Self::new(title, ChartKind::Line, moments.iter().map(label).collect());
        for (name, points) in measured {
            let known: BTreeMap<i64, f64> = points.iter().map(|(at, value)| (millis(*at), *value)).collect();
            chart = chart.series(name, moments.iter().map(|at| known.get(at).copied()));
        }
        Some(chart.joined(POINTS).0)
    }

    /// Says what the numbers are in.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// Adds numbers, one for each label: what is missing, or is no finite number, is a gap; what has no label is left
    /// out.
    #[must_use]
    pub fn series(mut self, name: impl Into<String>, values: impl IntoIterator<Item = Option<f64>>) -> Self {
        let known = values.into_iter().map(|value| value.filter(|value| value.is_finite()));
        let values = known.chain(std::iter::repeat(None)).take(self.labels.len()).collect();
        self.series.push(Series { name: name.into(), values });
        self
    }

    /// Whether every series has a number at every label.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let whole = |series: &Series| series.values.len() == self.labels.len() && !series.values.contains(&None);
        self.series.iter().all(whole)
    }

    /// The same with at most `most` labels, and how many of the old ones each of the new ones stands for: a label stands
    /// for itself and those after it.
    #[must_use]
    pub fn joined(&self, most: usize) -> (Self, usize) {
        let each = self.labels.len().div_ceil(most.max(1)).max(1);
        let join = match self.kind {
            ChartKind::Line => f64::max,
            ChartKind::Bar => |one, other| one + other,
        };
        let labels = self.labels.chunks(each).filter_map(|few| few.first().cloned()).collect();
        let series = self.series.iter().map(|series| Series {
            name: series.name.clone(),
            values: series.values.chunks(each).map(|few| few.iter().flatten().copied().reduce(join)).collect(),
        });
        (Self { labels, series: series.collect(), title: self.title.clone(), unit: self.unit.clone(), ..*self }, each)
    }

    /// The headings of its twin: what it shows, then each series with its unit.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let with_unit = |name: &String| match &self.unit {
            Some(unit) => format!("{name} ({unit})"),
            None => name.clone(),
        };
        std::iter::once(self.title.clone()).chain(self.series.iter().map(|series| with_unit(&series.name))).collect()
    }

    /// The rows of its twin: each label with its numbers.
    #[must_use]
    pub fn rows(&self) -> Vec<Vec<String>> {
        let cell = |series: &Series, at: usize| {
            series.values.get(at).copied().flatten().map_or_else(|| GAP.to_owned(), number)
        };
        let row = |(at, label): (usize, &String)| {
            std::iter::once(label.clone()).chain(self.series.iter().map(|series| cell(series, at))).collect()
        };
        self.labels.iter().enumerate().map(row).collect()
    }

    /// Every text in it.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let names = self.series.iter_mut().map(|series| &mut series.name);
        std::iter::once(&mut self.title).chain(&mut self.unit).chain(&mut self.labels).chain(names)
    }
}

fn millis(seconds: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // a moment of our days
    let millis = (seconds * 1000.0) as i64;
    millis
}

/// A number for people: whole ones as they are, others to six digits that count.
#[must_use]
pub fn number(value: f64) -> String {
    let shown = if value.fract() == 0.0 { value } else { format!("{value:.5e}").parse().unwrap_or(value) };
    format!("{}", shown + 0.0) // minus zero is zero
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_over_time_has_a_label_a_moment_and_gaps_where_a_series_has_none() {
        let up = ("up".to_owned(), vec![(60.0, 1.0), (120.0, 0.0)]);
        let late = ("late".to_owned(), vec![(120.0, 7.5)]);
        let chart = Chart::over_time("q", &[up, late]).unwrap();
        assert_eq!(chart.labels, ["00:01", "00:02"]);
        assert_eq!(chart.series[1].values, [None, Some(7.5)]);
        assert_eq!(Chart::over_time("q", &[("one".to_owned(), vec![(60.0, 1.0)])]), None);
        let long = (0..1000).map(|minute| (f64::from(minute) * 60.0, f64::from(minute))).collect();
        let chart = Chart::over_time("q", &[("long".to_owned(), long)]).unwrap();
        assert!(chart.labels.len() <= 120 && chart.series[0].values.last() == Some(&Some(999.0)), "{chart:?}");
    }

    fn hours(count: usize) -> Vec<String> {
        (0..count).map(|hour| format!("{hour:02}:00")).collect()
    }

    #[test]
    fn a_series_has_as_many_numbers_as_there_are_labels() {
        let chart = Chart::new("errors", ChartKind::Line, hours(3)).unit("%");
        let chart = chart.series("short", [Some(1.5)]).series("odd", [Some(f64::NAN), Some(f64::INFINITY), None]);
        let chart = chart.series("long", (0..9).map(|n| Some(f64::from(n))));
        assert_eq!(chart.columns(), ["errors", "short (%)", "odd (%)", "long (%)"]);
        assert_eq!(
            chart.rows(),
            [["00:00", "1.5", "–", "0"], ["01:00", "–", "–", "1"], ["02:00", "–", "–", "2"]].map(|row| row.to_vec())
        );
        assert!(!chart.is_whole());
        let stored = serde_json::to_string(&chart).unwrap();
        assert_eq!(serde_json::from_str::<Chart>(&stored).unwrap(), chart);
    }

    #[test]
    fn measures_that_are_shown_as_one_are_the_highest_and_amounts_are_added() {
        let values = [Some(1.0), Some(4.0), None, Some(-2.0), Some(3.0)];
        let chart = |kind| Chart::new("t", kind, hours(5)).series("s", values).joined(3);
        let (line, each) = chart(ChartKind::Line);
        assert_eq!((line.labels.as_slice(), each), (["00:00", "02:00", "04:00"].map(str::to_owned).as_slice(), 2));
        assert_eq!(line.series[0].values, [Some(4.0), Some(-2.0), Some(3.0)]);
        assert_eq!(chart(ChartKind::Bar).0.series[0].values, [Some(5.0), Some(-2.0), Some(3.0)]);
        assert!(line.is_whole(), "a gap beside a number is none");
        let same = Chart::new("t", ChartKind::Bar, hours(5)).series("s", values);
        assert_eq!(same.joined(5), (same.clone(), 1));
        assert_eq!(Chart::new("t", ChartKind::Bar, Vec::new()).joined(20).1, 1);
    }

    #[test]
    fn a_number_is_short_and_true() {
        for (value, shown) in [
            (0.1 + 0.2, "0.3"),
            (1_234_567.0, "1234567"),
            (1_234.567_89, "1234.57"),
            (0.000_012_345_678, "0.0000123457"),
            (-0.0, "0"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(number(value), shown);
        }
    }
}
