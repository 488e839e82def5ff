//! Why a line is no command, in words: what happened and the nearest form that would be one.

use minijinja::context;

use super::{Accepts, Unclear};
use crate::domain::span;
use crate::words::Words;

/// One or two sentences for the person who typed the line.
#[must_use]
pub fn explain(unclear: &Unclear, words: Words) -> String {
    match unclear {
        Unclear::Aside(inner) => explain(inner, words),
        Unclear::Empty => words.get("command.empty"),
        Unclear::Unknown(word, near) => words.say("command.unknown", context! { word, near }),
        Unclear::Ambiguous(word, names) => words.say("command.ambiguous", context! { word, names }),
        Unclear::Missing { book, missing, env_missing, .. } => {
            let mut names: Vec<String> = missing.iter().map(|param| param.name.clone()).collect();
            names.extend(env_missing.then(|| "env".to_owned()));
            words.say("command.missing", context! { names, usage => book.usage() })
        }
        Unclear::Wrong { name, got, accepts, .. } => {
            let accepted = accepted(accepts, words);
            words.say("command.wrong", context! { name, got, accepted, near => accepts.near(got) })
        }
        Unclear::Unexpected { book, got } => words.say("command.unexpected", context! { got, usage => book.usage() }),
        Unclear::Quote => words.get("command.quote"),
        Unclear::Usage(usage) => words.say("command.usage", context! { usage => *usage }),
    }
}

/// What is accepted, as it follows "must be".
fn accepted(accepts: &Accepts, words: Words) -> String {
    let span = |seconds: &u64| span::written(*seconds);
    match accepts {
        Accepts::Pattern(pattern) => words.say("command.a_pattern", context! { pattern }),
        Accepts::Text(most) => words.say("command.a_text", context! { most }),
        Accepts::Integer(least, most) => words.say("command.an_integer", context! { least, most }),
        Accepts::OneOf(choices) => words.say("command.one_of", context! { choices }),
        Accepts::Duration(least, most) => {
            words.say("command.a_span", context! { least => span(least), most => span(most) })
        }
        Accepts::FileIn(dir) => words.say("command.a_file", context! { dir }),
    }
}
