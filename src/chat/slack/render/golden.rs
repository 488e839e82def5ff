//! What Slack sees of the sample cards, forms and pages, in both languages, beside what was agreed on in
//! `tests/golden/slack`. Run with `SERENO_TEST_UPDATE=1` to write it anew.

use std::path::Path;

use serde_json::{Value, json};

use super::budget::LIMITS;
use super::{chooser, home, message, modal};
use crate::chat::card::Card;
use crate::chat::cards::samples;
use crate::chat::{Filling, Outgoing};
use crate::domain::actor::{Place, Platform};
use crate::domain::settings::Language;
use crate::id::MessageId;
use crate::words::Words;

/// A card as a message in `#infra` that calls those whom it mentions.
pub fn rendered(card: &Card, language: Language) -> super::Rendered {
    let settings = samples::settings();
    let (id, place) = (MessageId::from("01MESSAGE"), Place::channel(Platform::Slack, "#infra"));
    let called: Vec<String> = card
        .mentions
        .iter()
        .filter_map(|person| settings.identity(Platform::Slack, person).map(str::to_owned))
        .collect();
    let link = card.link.as_ref().map(|path| format!("https://sereno.example{path}"));
    message(&Outgoing {
        id: &id,
        place: &place,
        channel: "C1",
        thread: None,
        whisper_to: None,
        mentions: &called,
        card,
        link: link.as_deref(),
        words: Words(language),
        again: false,
    })
}

#[allow(clippy::disallowed_methods)] // a switch for the person at the keyboard, not a setting
fn same_as(name: &str, fresh: &Value) {
    let path = Path::new("tests/golden/slack").join(format!("{name}.json"));
    let fresh = serde_json::to_string_pretty(fresh).unwrap() + "\n";
    if std::env::var("SERENO_TEST_UPDATE").is_ok() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == fresh, "{} is old: run SERENO_TEST_UPDATE=1 cargo nextest run golden", path.display());
}

#[test]
fn cards_look_as_agreed_in_both_languages() {
    for language in Language::ALL {
        for (name, card) in samples::all(*language) {
            let seen = rendered(&card, *language);
            assert_eq!(seen.overflow, None, "{name} fits");
            same_as(&format!("{name}.{language}"), &json!({ "text": seen.text, "blocks": seen.blocks }));
        }
    }
}

#[test]
fn forms_and_pages_look_as_agreed_in_both_languages() {
    let place = Place::channel(Platform::Slack, "#infra");
    for language in Language::ALL {
        let (words, cards) = (Words(*language), samples::all(*language));
        let of = |name: &str| cards.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        for (name, card, button) in [
            ("missing", of("missing"), "fill"),
            ("break_glass", of("run_break_glass"), "break-glass"),
            ("refuse", of("run_waiting"), "refuse"),
        ] {
            let filling = Filling::Button { message: "01MESSAGE".into(), button: button.to_owned() };
            let button = card.button(button).unwrap();
            let view = modal(words, &filling, button.asks.as_ref().unwrap(), Some(&button.label));
            same_as(&format!("form_{name}.{language}"), &json!({ "view": view }));
        }
        let filling = Filling::Runbook { name: "shop/rollback".to_owned(), place: place.clone() };
        let view = modal(words, &filling, &samples::form("service"), None);
        same_as(&format!("form_every_field.{language}"), &json!({ "view": view }));
        same_as(&format!("chooser.{language}"), &json!({ "view": chooser(words, &place) }));
        let page = [
            (None, of("on_call")),
            (Some("01MESSAGE".into()), of("run_waiting")),
            (None, of("incidents")),
            (None, of("help")),
        ];
        same_as(&format!("home.{language}"), &json!({ "view": home(words, &page) }));
        same_as(&format!("home_stranger.{language}"), &json!({ "view": home(words, &[]) }));
    }
}

/// For those who compare them with somebody else's.
#[test]
fn the_limits_are_written_down() {
    let limits = LIMITS.iter().map(|(name, most, page)| (name.to_lowercase(), json!({ "most": most, "page": page })));
    same_as("limits", &Value::Object(limits.collect()));
}
