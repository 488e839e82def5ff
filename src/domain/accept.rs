//! What a parameter accepts, whoever gives the value: a file's default, a schedule, a form, a typed word. Pure; that a
//! named file is there is looked up where it is used.

use regex::Regex;
use serde_json::Value;

use super::expect::show;
use super::runbook::ParamKind;
use super::span;

impl ParamKind {
    /// The value as steps get it, if it is acceptable: a number typed as text becomes a number, a span becomes whole
    /// seconds. A value that was accepted is accepted again, unchanged.
    #[must_use]
    pub fn accept(&self, value: &Value) -> Option<Value> {
        match self {
            Self::Text { pattern, max } => plain(value, *max).filter(|text| fits(pattern.as_deref(), text)),
            Self::Integer { min, max } => {
                let number = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
                return (*min..=*max).contains(&number).then(|| number.into());
            }
            Self::Choice(words) => words.contains(&show(value)).then(|| show(value)),
            Self::Duration { min, max } => {
                let seconds = value.as_u64().or_else(|| span::seconds(value.as_str()?))?;
                return (*min..=*max).contains(&seconds).then(|| seconds.into());
            }
            Self::File { pattern, .. } => {
                plain(value, 255).filter(|name| is_file_name(name) && fits(pattern.as_deref(), name))
            }
            Self::From { .. } => plain(value, 1_000),
        }
        .map(Value::String)
    }
}

/// Text or a number, as text: not empty, not too long, no control characters, nothing that reads as an option.
fn plain(value: &Value, max: usize) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let sound = !text.is_empty() && !text.starts_with('-') && !text.chars().any(char::is_control);
    (sound && text.chars().count() <= max).then_some(text)
}

fn is_file_name(name: &str) -> bool {
    !name.starts_with('.') && !name.contains(['/', '\\'])
}

fn fits(pattern: Option<&str>, text: &str) -> bool {
    pattern.is_none_or(|pattern| whole(pattern).is_ok_and(|re| re.is_match(text)))
}

/// A pattern over the whole text.
///
/// # Errors
/// What is wrong with the pattern.
pub fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    // Compiled by itself first: `a)|(b` must not become sound by being wrapped.
    Regex::new(pattern)?;
    Regex::new(&format!("^(?:{pattern})$"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(pattern: &str) -> ParamKind {
        ParamKind::Text { pattern: Some(pattern.into()), max: 8 }
    }

    #[test]
    fn each_kind_takes_what_it_should_and_nothing_else() {
        let replicas = ParamKind::Integer { min: 1, max: 9 };
        let since = ParamKind::Duration { min: 60, max: 7_200 };
        let size = ParamKind::Choice(vec!["s".into(), "m".into()]);
        let dump = ParamKind::File { dir: "/var/backups".into(), pattern: Some(r".*\.dump".into()) };
        for (kind, given, want) in [
            (&text("[a-z]+"), json!("api"), Some(json!("api"))),
            (&text("[a-z]+"), json!("api1"), None),
            (&text("[a-z]+"), json!("abcdefghi"), None),
            (&text(".*"), json!("--force"), None),
            (&text(".*"), json!("a\nb"), None),
            (&text("[0-9]+"), json!(42), Some(json!("42"))),
            (&replicas, json!("3"), Some(json!(3))),
            (&replicas, json!(10), None),
            (&replicas, json!("3; ls"), None),
            (&since, json!("15m"), Some(json!(900))),
            (&since, json!("3h"), None),
            (&size, json!("m"), Some(json!("m"))),
            (&size, json!("xl"), None),
            (&dump, json!("monday.dump"), Some(json!("monday.dump"))),
            (&dump, json!("../monday.dump"), None),
            (&dump, json!(".dump"), None),
        ] {
            let got = kind.accept(&given);
            assert_eq!(got, want, "{kind:?} {given}");
            if let Some(value) = got {
                assert_eq!(kind.accept(&value), Some(value.clone()), "accepted twice: {value}");
            }
        }
    }

    #[test]
    fn a_pattern_cannot_break_out_of_the_whole() {
        assert!(whole("a)|(b").is_err());
        assert!(!whole("a|b").unwrap().is_match("xb"));
    }
}
