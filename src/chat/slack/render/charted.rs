//! A chart at each of its limits: what fits is drawn, what does not is joined or left out and said, and what cannot be
//! drawn truly is a list with the same numbers.

use serde_json::{Value, json};
use sereno_fakes::slack::blocks::{Surface, check};

use super::Rendered;
use super::budget::*;
use super::golden::rendered;
use crate::chat::card::Card;
use crate::domain::chart::{Chart, ChartKind};
use crate::domain::settings::Language;

fn letters(count: usize) -> String {
    "x".repeat(count)
}

fn labels(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("l{n}")).collect()
}

/// So many series of so many points.
fn chart(kind: ChartKind, series: usize, points: usize) -> Chart {
    let values = || (0..points).map(|n| Some(f64::from(u32::try_from(n).unwrap())));
    (0..series).fold(Chart::new("t", kind, labels(points)), |chart, n| chart.series(format!("s{n}"), values()))
}

/// A card with it as it is seen, which the strict fake takes, and which never loses a number.
fn shown(chart: Chart) -> Rendered {
    let card = Card { title: "t".into(), chart: Some(chart), ..Card::default() };
    let seen = rendered(&card, Language::En);
    check(&json!(seen.blocks), Surface::Message, "/blocks", &mut 0).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let whole = seen.overflow.as_ref().map_or(&seen.text, |file| &file.content);
    assert!(whole.contains(&card.text()), "{whole}");
    seen
}

fn block(seen: &Rendered) -> Value {
    json!(seen.blocks[1])
}

fn is_drawn(seen: &Rendered) -> bool {
    block(seen)["type"] == "data_visualization"
}

#[test]
fn points_and_series_are_whole_at_their_limit_and_told_over_it() {
    let whole = shown(chart(ChartKind::Line, CHART_SERIES, CHART_POINTS));
    let series = block(&whole)["chart"]["series"].as_array().unwrap().clone();
    assert_eq!((series.len(), series[0]["data"].as_array().unwrap().len()), (CHART_SERIES, CHART_POINTS));
    assert_eq!((whole.blocks.len(), whole.overflow), (2, None));

    let more = shown(chart(ChartKind::Line, CHART_SERIES + 1, CHART_POINTS));
    assert_eq!(block(&more)["chart"]["series"].as_array().unwrap().len(), CHART_SERIES);
    assert_eq!(json!(more.blocks[2])["elements"][0]["text"], "One more series is not drawn.");
    assert!(more.overflow.unwrap().content.contains("s5 | s6"));

    let longer = shown(chart(ChartKind::Line, 1, CHART_POINTS + 1));
    let points = block(&longer)["chart"]["series"][0]["data"].clone();
    assert_eq!((points.as_array().unwrap().len(), &points[0]), (11, &json!({"label": "l0", "value": 1})));
    assert_eq!(
        json!(longer.blocks[2])["elements"][0]["text"],
        "Each point of the chart is the highest of 2, from its label on."
    );
    assert!(longer.overflow.unwrap().content.contains("l20 | 20"));
    let added = shown(chart(ChartKind::Bar, 1, 61));
    assert_eq!(block(&added)["chart"]["series"][0]["data"][0], json!({"label": "l0", "value": 6}));
    assert_eq!(json!(added.blocks[2])["elements"][0]["text"], "Each bar of the chart adds up 4, from its label on.");
}

#[test]
fn texts_of_a_chart_are_whole_at_their_limit_and_end_with_what_is_missing_over_it() {
    let one = |title: usize, label: usize, name: usize, unit: usize| {
        let chart = Chart::new(letters(title), ChartKind::Bar, vec![letters(label)]).unit(letters(unit));
        let seen = shown(chart.series(letters(name), [Some(1.5)]));
        let block = block(&seen);
        let axis = &block["chart"]["axis_config"];
        let texts = [&block["title"], &axis["categories"][0], &block["chart"]["series"][0]["name"], &axis["y_label"]];
        assert_eq!(&block["chart"]["series"][0]["data"][0], &json!({"label": texts[1], "value": 1.5}));
        (texts.map(|text| text.as_str().unwrap().to_owned()), seen.overflow)
    };
    let most = [CHART_TITLE, CHART_LABEL, CHART_LABEL, CHART_AXIS];
    let (whole, overflow) = one(most[0], most[1], most[2], most[3]);
    assert_eq!((whole, overflow), (most.map(letters), None));
    for over in 0..4 {
        let mut lengths = most;
        lengths[over] += 1;
        let (texts, overflow) = one(lengths[0], lengths[1], lengths[2], lengths[3]);
        assert!(texts[over].contains("… +") && texts[over].chars().count() <= most[over], "{texts:?}");
        assert!(overflow.expect("a file").content.contains(&letters(lengths[over])), "the file has all of it");
    }
}

#[test]
fn what_slack_would_draw_wrong_or_refuse_is_a_list_with_every_number() {
    let gap = Chart::new("t", ChartKind::Line, labels(3)).series("s", [Some(1.0), None, Some(3.0)]);
    let twice = Chart::new("t", ChartKind::Line, vec!["09:00".into(); 2]).series("s", [Some(1.0), Some(2.0)]);
    let alike = [1, 2].map(|n| format!("{}{n}", letters(30))).to_vec();
    let alike = Chart::new("t", ChartKind::Line, alike).series("s", [Some(1.0), Some(2.0)]);
    let namesakes = chart(ChartKind::Bar, 1, 2).series("s0", [Some(1.0), Some(2.0)]);
    let nothing = Chart::new("t", ChartKind::Bar, Vec::new());
    for chart in [gap, twice, alike, namesakes, nothing, chart(ChartKind::Bar, 0, 2)] {
        let seen = shown(chart);
        assert_eq!(block(&seen)["type"], "rich_text", "{:?}", seen.blocks);
        assert_eq!(seen.overflow, None);
    }
    assert!(block(&shown(Chart::new("t", ChartKind::Line, labels(1)).series("s", [None]))).to_string().contains('–'));
    // A gap beside a number, where both are one point, is none.
    let long = (0..40).map(|n| (n % 2 == 0).then_some(1.0));
    assert!(is_drawn(&shown(Chart::new("t", ChartKind::Line, labels(40)).series("s", long))));
}

#[test]
fn a_chart_without_room_is_cut_and_told_like_everything_else() {
    let card = Card {
        title: "t".into(),
        body: vec![letters(2900); 3],
        chart: Some(chart(ChartKind::Line, CHART_SERIES, CHART_POINTS)),
        ..Card::default()
    };
    let seen = rendered(&card, Language::En);
    let blocks = json!(seen.blocks).to_string();
    assert!(!blocks.contains("data_visualization") || seen.overflow.is_none(), "{blocks}");
    let full = Card { body: vec![letters(2900), letters(2900), letters(2900), letters(880)], ..card };
    let seen = rendered(&full, Language::En);
    assert!(!json!(seen.blocks).to_string().contains("data_visualization"));
    assert!(seen.overflow.expect("a file").content.contains("l19 | 19"));
}

#[test]
fn a_page_with_several_cards_lists_its_numbers() {
    let card = Card { title: "t".into(), chart: Some(chart(ChartKind::Line, 1, 2)), ..Card::default() };
    let page = json!(super::home(crate::words::Words(Language::En), &[(None, card)]));
    check(&page["blocks"], Surface::Home, "/blocks", &mut 0).unwrap();
    assert!(page.to_string().contains("l1"), "{page}");
}
