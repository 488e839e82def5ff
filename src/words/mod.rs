//! Every sentence that Sereno says, English beside Spanish, in the YAML files of this folder. Knows nothing of what
//! it speaks about: callers hand in values, which are only ever inserted as text.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use minijinja::{Environment, UndefinedBehavior, Value};

use crate::domain::sentence::{Part, Sentence};
use crate::domain::settings::Language;

/// The files, by area; a large area has several. A key is `area.key`.
const FILES: &[(&str, &str)] = &[
    ("action", include_str!("action.yaml")),
    ("action", include_str!("action_docker.yaml")),
    ("action", include_str!("action_net.yaml")),
    ("action", include_str!("action_terraform.yaml")),
    ("aws", include_str!("aws.yaml")),
    ("card", include_str!("card.yaml")),
    ("command", include_str!("command.yaml")),
    ("check", include_str!("check.yaml")),
    ("cli", include_str!("cli.yaml")),
    ("config", include_str!("config.yaml")),
    ("console", include_str!("console.yaml")),
    ("http", include_str!("http.yaml")),
    ("slack", include_str!("slack.yaml")),
];

/// One sentence in both languages.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    en: String,
    es: String,
}

/// Says things in one language. Free to copy.
#[derive(Debug, Clone, Copy)]
pub struct Words(pub Language);

impl Words {
    /// The sentence `key` with these values, made by `minijinja::context!`.
    ///
    /// # Panics
    /// In tests and debug builds if there is no such sentence or a value is missing; in a release the key is said.
    #[must_use]
    pub fn say(self, key: &str, values: Value) -> String {
        let name = format!("{}:{key}", self.0);
        match environment().get_template(&name).and_then(|template| template.render(values)) {
            Ok(text) => text,
            Err(error) => {
                debug_assert!(false, "{name}: {error:#}");
                key.to_owned()
            }
        }
    }

    /// A sentence without values.
    #[must_use]
    pub fn get(self, key: &str) -> String {
        self.say(key, minijinja::context! {})
    }

    /// A sentence that others left to be said: with the sentences that it quotes in the same language, and what came
    /// from outside as it is.
    #[must_use]
    pub fn tell(self, sentence: &Sentence) -> String {
        let part = |part: &Part| match part {
            Part::Number(number) => Value::from(*number),
            Part::Sentence(sentence) => Value::from(self.tell(sentence)),
        };
        match sentence {
            Sentence::Plain(text) => text.clone(),
            Sentence::Ours { key, with } => {
                let values: BTreeMap<&str, Value> =
                    with.iter().map(|(name, value)| (name.as_ref(), part(value))).collect();
                self.say(key, values.into())
            }
        }
    }
}

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        for (key, sentence) in sentences() {
            for (language, text) in [(Language::En, sentence.en), (Language::Es, sentence.es)] {
                environment.add_template_owned(format!("{language}:{key}"), text).expect("sentences are tested");
            }
        }
        environment
    })
}

fn sentences() -> BTreeMap<String, Written> {
    FILES
        .iter()
        .flat_map(|(area, text)| {
            let file: BTreeMap<String, Written> = serde_saphyr::from_str(text).expect("word files are tested");
            file.into_iter().map(move |(key, sentence)| (format!("{area}.{key}"), sentence))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_use_the_same_values() {
        for (key, _) in sentences() {
            let of = |language: Language| {
                environment().get_template(&format!("{language}:{key}")).unwrap().undeclared_variables(true)
            };
            assert_eq!(of(Language::En), of(Language::Es), "{key}");
        }
    }

    #[test]
    fn no_sentence_is_empty() {
        for (key, sentence) in sentences() {
            assert!(!sentence.en.trim().is_empty() && !sentence.es.trim().is_empty(), "{key}");
        }
    }

    #[test]
    fn a_value_is_inserted_as_text_and_never_read_again() {
        let hostile = "{{ 7*7 }}";
        let said = Words(Language::En).say("card.unknown_command", minijinja::context! { word => hostile });
        assert!(said.contains(hostile));
    }
}
