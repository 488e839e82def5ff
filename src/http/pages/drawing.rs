//! A chart as lines and boxes on a small sheet, for a page's inline picture: only places and texts, which the template
//! writes down and escapes. Series differ by dashes, marks and filling, never by colour alone.

use serde::Serialize;

use crate::domain::chart::{Chart, ChartKind, DRAWN, Series, number};
use crate::domain::text::cut;

/// The sheet. So small that its letters can be read on a phone without scrolling.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 38.0;
const RIGHT: f64 = 312.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 149.0;
/// What a letter takes in width.
const LETTER: f64 = 6.6;
/// Letters of a label at most.
const LONGEST: usize = 16;
/// Points of a line that are marked one by one; of longer ones only the last is.
const MARKED: usize = 20;
/// Of the room that a label has, its bars take this much.
const FILLED: f64 = 0.8;

/// What is on the sheet.
#[derive(Debug, Serialize)]
pub(super) struct Drawing {
    width: f64,
    height: f64,
    /// Where the numbers start.
    left: f64,
    right: f64,
    bottom: f64,
    /// The height of zero.
    zero: f64,
    /// Along the side: height and number.
    ticks: Vec<(f64, String)>,
    /// Along the bottom: place and label, as many as have room.
    labels: Vec<(f64, String)>,
    series: Vec<Drawn>,
    /// Series that are not drawn.
    more: usize,
}

/// One series on the sheet.
#[derive(Debug, Default, Serialize)]
struct Drawn {
    name: String,
    /// The number by which its dashes, marks and filling are chosen, from 1.
    style: usize,
    /// Its line as the outline of an SVG path; empty for bars.
    line: String,
    /// Marks on it, as outlines.
    marks: Vec<String>,
    /// Its mark in the legend.
    sign: String,
    bars: Vec<Bar>,
    /// Its highest number, where that is, and its last, for those who hear it.
    highest: String,
    highest_at: String,
    last: String,
}

/// A bar, with its number where that has room.
#[derive(Debug, Serialize)]
struct Bar {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    middle: f64,
    number: Option<String>,
}

/// The scale along the side.
struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

/// Draws a chart.
pub(super) fn draw(chart: &Chart) -> Drawing {
    let shown = &chart.series[..chart.series.len().min(DRAWN)];
    let scale = Scale::of(shown);
    let slot = match chart.kind {
        ChartKind::Bar => (RIGHT - LEFT) / real(chart.labels.len().max(1)),
        ChartKind::Line => (RIGHT - LEFT) / real(chart.labels.len().saturating_sub(1).max(1)),
    };
    let place = |at: usize| match chart.kind {
        ChartKind::Bar => LEFT + slot * (real(at) + 0.5),
        ChartKind::Line if chart.labels.len() < 2 => f64::midpoint(LEFT, RIGHT),
        ChartKind::Line => LEFT + slot * real(at),
    };
    let series = shown.iter().enumerate().map(|(index, series)| {
        let heard = heard(chart, series, index + 1);
        match chart.kind {
            ChartKind::Line => line(series, heard, &scale, place),
            ChartKind::Bar => Drawn { bars: bars(series, (index, shown.len()), slot, &scale), ..heard },
        }
    });
    Drawing {
        width: WIDTH,
        height: HEIGHT,
        left: LEFT,
        right: RIGHT,
        bottom: BOTTOM,
        zero: scale.y(0.0),
        ticks: scale.ticks(),
        series: series.collect(),
        labels: labels(chart, slot, place),
        more: chart.series.len() - shown.len(),
    }
}

/// As many labels as have room beside each other, from the first one on.
fn labels(chart: &Chart, slot: f64, place: impl Fn(usize) -> f64) -> Vec<(f64, String)> {
    let short: Vec<String> = chart.labels.iter().map(|label| cut(label, LONGEST)).collect();
    let widest = short.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let need = LETTER * (real(widest) + 1.5);
    let every = (1..=short.len().max(1)).find(|every| slot * real(*every) >= need).unwrap_or(short.len().max(1));
    let half = need / 2.0;
    let fits = |x: &f64| *x - half >= 0.0 && *x + half <= WIDTH + LETTER;
    let shown = short.into_iter().enumerate().step_by(every).map(|(at, label)| (round(place(at)), label));
    let shown: Vec<(f64, String)> = shown.collect();
    let inside: Vec<(f64, String)> = shown.iter().filter(|(x, _)| fits(x)).cloned().collect();
    if inside.is_empty() { shown.into_iter().take(1).map(|(_, label)| (WIDTH / 2.0, label)).collect() } else { inside }
}

/// What is said of a series.
fn heard(chart: &Chart, series: &Series, style: usize) -> Drawn {
    let known = || series.values.iter().enumerate().filter_map(|(at, value)| Some((at, (*value)?)));
    let highest = known().reduce(|best, next| if next.1 > best.1 { next } else { best });
    Drawn {
        name: series.name.clone(),
        style,
        sign: mark(style, 12.0, 6.0),
        highest: highest.map(|(_, value)| number(value)).unwrap_or_default(),
        highest_at: highest.and_then(|(at, _)| chart.labels.get(at).cloned()).unwrap_or_default(),
        last: known().next_back().map(|(_, value)| number(value)).unwrap_or_default(),
        ..Drawn::default()
    }
}

/// A line that is interrupted where there is no number.
fn line(series: &Series, heard: Drawn, scale: &Scale, place: impl Fn(usize) -> f64) -> Drawn {
    let mut path = String::new();
    let mut points = Vec::new();
    let mut down = false;
    for (at, value) in series.values.iter().enumerate() {
        if let Some(value) = value {
            let (x, y) = (round(place(at)), scale.y(*value));
            // A point between two gaps is a line of no length, which round ends make a dot.
            path += &if down { format!("L{x} {y}") } else { format!("M{x} {y}h0") };
            points.push((x, y));
        }
        down = value.is_some();
    }
    let first = if series.values.len() > MARKED { points.len().saturating_sub(1) } else { 0 };
    let marks = points[first..].iter().map(|(x, y)| mark(heard.style, *x, *y)).collect();
    Drawn { line: path, marks, ..heard }
}

/// Bars of one of several series, side by side at each label.
fn bars(series: &Series, (index, of): (usize, usize), slot: f64, scale: &Scale) -> Vec<Bar> {
    let width = slot * FILLED / real(of);
    let bar = |(at, value): (usize, &Option<f64>)| {
        let value = (*value)?;
        let x = LEFT + slot * (real(at) + (1.0 - FILLED) / 2.0) + width * real(index);
        let (one, other) = (scale.y(value), scale.y(0.0));
        let text = number(value);
        let has_room = value != 0.0 && LETTER * real(text.len()) <= width + 4.0;
        Some(Bar {
            x: round(x),
            y: one.min(other),
            width: round((width - 1.0).max(0.5)),
            height: round((one - other).abs()),
            middle: round(x + width / 2.0),
            number: has_room.then_some(text),
        })
    };
    series.values.iter().enumerate().filter_map(bar).collect()
}

/// A mark around a point: circle, square, triangle, diamond, cross, star of lines.
fn mark(style: usize, x: f64, y: f64) -> String {
    match style {
        1 => format!("M{} {y}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z", round(x - 3.0)),
        2 => format!("M{} {}h5v5h-5z", round(x - 2.5), round(y - 2.5)),
        3 => format!("M{x} {}l3.4 6h-6.8z", round(y - 3.6)),
        4 => format!("M{x} {}l3.6 3.6l-3.6 3.6l-3.6 -3.6z", round(y - 3.6)),
        5 => format!("M{} {}l5 5m0 -5l-5 5", round(x - 2.5), round(y - 2.5)),
        _ => format!("M{} {y}h6m-3 -3v6", round(x - 3.0)),
    }
}

impl Scale {
    /// Round steps that hold every number and zero.
    fn of(series: &[Series]) -> Self {
        let known = || series.iter().flat_map(|series| series.values.iter().flatten().copied());
        let (least, most) = (known().fold(0.0, f64::min), known().fold(0.0, f64::max));
        let whole = known().all(|value| value.fract() == 0.0);
        let rough = most / 4.0 - least / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let round = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough);
        let step = round.filter(|step| step.is_normal()).unwrap_or(1.0);
        let step = if whole { step.max(1.0) } else { step };
        let (low, high) = ((least / step).floor() * step, (most / step).ceil() * step);
        Self { low, high: if high > low { high } else { low + step }, step }
    }

    /// The height of a number on the sheet.
    fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        round(BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP))
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        // Steps are a quarter of what is shown or more, and both ends may have a part of one more.
        let steps = (0..=6).map(|step| self.low + self.step * f64::from(step));
        steps.take_while(|at| *at <= self.high + self.step / 2.0).map(|at| (self.y(at), brief(at))).collect()
    }
}

/// A number at the side, in few letters.
fn brief(value: f64) -> String {
    const UNITS: &[(f64, f64, &str)] = &[(1e12, 1e12, "T"), (1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")];
    let size = value.abs();
    if size >= 1e15 || (size > 0.0 && size < 1e-3) {
        return format!("{value:.0e}");
    }
    match UNITS.iter().find(|(from, ..)| size >= *from) {
        Some((_, one, name)) => format!("{}{name}", number(value / one)),
        None => number(value),
    }
}

fn round(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

#[allow(clippy::cast_precision_loss)] // of what fits on a sheet
fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(kind: ChartKind, values: &[Option<f64>]) -> Chart {
        Chart::new("t", kind, (0..values.len()).map(|n| format!("{n:02}:00")).collect())
            .series("s", values.iter().copied())
    }

    #[test]
    fn a_scale_is_round_and_holds_every_number_and_zero() {
        let scale = |values: &[f64]| {
            let values: Vec<_> = values.iter().copied().map(Some).collect();
            draw(&chart(ChartKind::Line, &values)).ticks.into_iter().map(|(_, number)| number).collect::<Vec<_>>()
        };
        assert_eq!(scale(&[0.0, 7.0]), ["0", "2", "4", "6", "8"]);
        assert_eq!(scale(&[2.0]), ["0", "1", "2"]);
        assert_eq!(scale(&[0.0]), ["0", "1"]);
        assert_eq!(scale(&[0.012, 0.03]), ["0", "0.01", "0.02", "0.03"]);
        assert_eq!(scale(&[-3.0, 4.0]), ["-4", "-2", "0", "2", "4"]);
        assert_eq!(scale(&[2.5e9]), ["0", "1G", "2G", "3G"]);
        assert!(scale(&[f64::MAX, f64::MIN]).len() <= 7, "and no number is too large");
    }

    #[test]
    fn a_gap_is_no_zero() {
        let drawn = draw(&chart(ChartKind::Line, &[Some(1.0), Some(2.0), None, Some(1.0), None]));
        assert_eq!(drawn.series[0].line, "M38 81.5h0L106.5 14M243.5 81.5h0");
        assert_eq!(drawn.series[0].marks.len(), 3);
        assert_eq!(draw(&chart(ChartKind::Bar, &[Some(1.0), None])).series[0].bars.len(), 1);
        let nothing = draw(&chart(ChartKind::Line, &[None, None]));
        assert_eq!((nothing.series[0].line.as_str(), nothing.series[0].highest.as_str()), ("", ""));
        assert_eq!(draw(&chart(ChartKind::Line, &[])).labels, []);
    }

    #[test]
    fn bars_stand_on_zero_and_tell_their_number_where_there_is_room() {
        let drawn = draw(&chart(ChartKind::Bar, &[Some(4.0), Some(-2.0), Some(0.0)]));
        let bars = &drawn.series[0].bars;
        assert!((bars[0].y + bars[0].height - drawn.zero).abs() < 0.2 && (bars[1].y - drawn.zero).abs() < 0.2);
        let numbers: Vec<_> = bars.iter().map(|bar| bar.number.as_deref()).collect();
        assert_eq!(numbers, [Some("4"), Some("-2"), None]);
        let many = draw(&chart(ChartKind::Bar, &[Some(1000.0); 60]));
        assert!(many.series[0].bars.iter().all(|bar| bar.number.is_none() && bar.x + bar.width <= RIGHT));
    }

    #[test]
    fn labels_have_room_and_series_differ_in_more_than_colour() {
        let days: Vec<_> = (0..60).map(|n| Some(f64::from(n))).collect();
        let drawn = draw(&chart(ChartKind::Line, &days));
        assert!((3..=8).contains(&drawn.labels.len()), "{:?}", drawn.labels);
        assert_eq!((drawn.series[0].marks.len(), drawn.series[0].highest_at.as_str()), (1, "59:00"));
        let mut many = chart(ChartKind::Line, &[Some(1.0)]);
        for n in 0..9 {
            many = many.series(format!("s{n}"), [Some(1.0)]);
        }
        let drawn = draw(&many);
        assert_eq!((drawn.series.len(), drawn.more), (DRAWN, 10 - DRAWN));
        let signs: std::collections::BTreeSet<_> = drawn.series.iter().map(|series| &series.sign).collect();
        assert_eq!(signs.len(), DRAWN);
    }
}
