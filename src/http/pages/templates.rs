//! The console's templates and assets, part of the binary, and how a page is made of them.

use std::sync::OnceLock;

use minijinja::value::{Kwargs, Serde};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, context, escape_formatter};

use super::drawing;
use crate::domain::chart::Chart;
use crate::domain::digest;
use crate::domain::settings::Language;
use crate::domain::text::{is_hidden, visible};
use crate::words::Words;

/// Templates by name.
const TEMPLATES: &[(&str, &str)] = &[
    ("again.html", include_str!("../console/again.html")),
    ("base.html", include_str!("../console/base.html")),
    ("bare.html", include_str!("../console/bare.html")),
    ("card.html", include_str!("../console/card.html")),
    ("chart.html", include_str!("../console/chart.html")),
    ("channel.html", include_str!("../console/channel.html")),
    ("composer.html", include_str!("../console/composer.html")),
    ("fault.html", include_str!("../console/fault.html")),
    ("incident.html", include_str!("../console/incident.html")),
    ("incidents.html", include_str!("../console/incidents.html")),
    ("inputs.html", include_str!("../console/inputs.html")),
    ("run.html", include_str!("../console/run.html")),
    ("runbook.html", include_str!("../console/runbook.html")),
    ("runbooks.html", include_str!("../console/runbooks.html")),
    ("runs.html", include_str!("../console/runs.html")),
    ("sign_in.html", include_str!("../console/sign_in.html")),
    ("table.html", include_str!("../console/table.html")),
    ("thread.html", include_str!("../console/thread.html")),
    ("waiting.html", include_str!("../console/waiting.html")),
];

/// Assets by name, with their media types.
const ASSETS: &[(&str, &str, &str)] = &[
    ("console.css", "text/css; charset=utf-8", include_str!("../console/console.css")),
    ("console.js", "text/javascript; charset=utf-8", include_str!("../console/console.js")),
    ("lantern.svg", "image/svg+xml", include_str!("../console/lantern.svg")),
];

/// States that are shown as a word beside the title. Others are for programs: the title says what they mean.
const STATES: &[&str] = &[
    "active",
    "cancelling",
    "done",
    "failed",
    "refused",
    "cancelled",
    "waiting",
    "awaiting_approval",
    "ready",
    "running",
    "holding",
    "unknown",
    "skipped",
    "open",
    "acknowledged",
    "resolved",
    "pending",
    "granted",
    "expired",
    "void",
    "broken_glass",
    "firing",
];

/// An asset's media type and content.
pub(super) fn asset(name: &str) -> Option<(&'static str, &'static str)> {
    ASSETS.iter().find(|(known, _, _)| *known == name).map(|(_, kind, content)| (*kind, *content))
}

/// Makes a page.
///
/// # Errors
/// A template's own mistake.
pub(super) fn render(words: Words, template: &str, values: Value) -> Result<String, Error> {
    let frame = context! { lang => words.0.as_str(), assets => assets_version() };
    environment(words.0).get_template(template)?.render(context! { ..values, ..frame })
}

/// Changes with the assets, so that browsers may keep them for ever.
fn assets_version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let all: String = ASSETS.iter().map(|(_, _, content)| *content).collect();
        digest::short(&digest::sha256(all.as_bytes())).to_owned()
    })
}

fn environment(language: Language) -> &'static Environment<'static> {
    static ENGLISH: OnceLock<Environment<'static>> = OnceLock::new();
    static SPANISH: OnceLock<Environment<'static>> = OnceLock::new();
    let place = match language {
        Language::En => &ENGLISH,
        Language::Es => &SPANISH,
    };
    place.get_or_init(|| build(Words(language)))
}

fn build(words: Words) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // Whatever page it gets onto, a text from outside must not turn the reading direction.
    environment.set_formatter(|out, state, value| match value.as_str().filter(|text| text.contains(is_hidden)) {
        Some(text) if !value.is_safe() => escape_formatter(out, state, &visible(text, &['\n', '\t']).into()),
        _ => escape_formatter(out, state, value),
    });
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).expect("templates are tested");
    }
    environment
        .add_function("t", move |key: &str, values: Kwargs| words.say(&format!("console.{key}"), Value::from(values)));
    environment.add_function("state_word", move |state: &str| {
        let known = STATES.contains(&state);
        if known { words.get(&format!("console.state_{state}")) } else { String::new() }
    });
    environment.add_function("channel_path", |channel: &str| super::path_of(channel));
    environment.add_function("new_key", || crate::id::DeliveryId::new().to_string());
    environment.add_function("drawing", |chart: &Value| {
        let chart = serde_json::to_value(chart).and_then(serde_json::from_value::<Chart>);
        let chart = chart.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
        Ok::<_, Error>(Value::from(Serde(drawing::draw(&chart))))
    });
    environment.add_filter("moment", |at: &str| Value::from_safe_string(moment(at)));
    environment.add_filter("pretty", |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default());
    environment
}

/// A time that programs and people can read; the script shows it in the reader's own zone.
fn moment(at: &str) -> String {
    let Ok(instant) = at.parse::<jiff::Timestamp>() else { return String::new() };
    format!("<time datetime=\"{instant}\">{}</time>", instant.strftime("%Y-%m-%d %H:%M UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timeline::EntryKind;

    #[test]
    fn every_word_that_a_template_or_a_list_names_exists_in_both_languages() {
        let words = include_str!("../../words/console.yaml");
        for (name, source) in TEMPLATES {
            for key in source.split(" t(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                // A key that ends so is the beginning of several, whose ends are lists of ours.
                let end = if key.ends_with('_') { "" } else { ": " };
                assert!(words.contains(&format!("\n{key}{end}")), "{name} says {key}");
            }
        }
        for language in Language::ALL {
            for state in STATES {
                let _ = Words(*language).get(&format!("console.state_{state}"));
            }
            for kind in EntryKind::ALL {
                let _ = Words(*language).get(&format!("console.kind_{kind}"));
            }
        }
    }

    #[test]
    fn a_time_is_for_programs_and_for_people() {
        let html = moment("2026-03-01T03:12:00.5Z");
        assert_eq!(html, "<time datetime=\"2026-03-01T03:12:00.5Z\">2026-03-01 03:12 UTC</time>");
        assert_eq!(moment("\"><script>"), "");
    }
}
