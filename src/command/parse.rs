//! Words after a runbook's name become arguments: by position, as `name=value`, as `--name value`. An environment may
//! stand anywhere among them.

use std::sync::Arc;

use serde_json::Value;

use super::params::{self, Typed};
use super::words::Word;
use super::{Accepts, Request, Scene, Unclear};
use crate::domain::runbook::Runbook;

/// The name under which an environment is given.
const ENV: &str = "env";

/// Reads the words after the runbook's name.
pub fn arguments(book: &Arc<Runbook>, words: &[Word], scene: Scene<'_>) -> Result<Request, Unclear> {
    let mut reader = Reader { book, typed: Typed::default(), positional: Vec::new() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match named(word) {
            Some((name, Some(value))) => reader.name(word, name, value)?,
            Some((name, None)) => {
                let value = words.next().ok_or_else(|| reader.unexpected(&word.text))?;
                reader.name(word, name, &value.text)?;
            }
            None => reader.positional.push(&word.text),
        }
    }
    reader.positions()?;
    params::settle(book, reader.typed, scene)
}

/// `--name`, `--name=value` or `name=value`, as far as it was typed without quotes. Phones make one long dash of two.
fn named(word: &Word) -> Option<(&str, Option<&str>)> {
    let bare = &word.text[..word.bare];
    let start = ["--", "—"].iter().find(|dashes| bare.starts_with(**dashes)).map_or(0, |dashes| dashes.len());
    match bare[start..].find('=').map(|at| start + at) {
        Some(equals) => Some((&word.text[start..equals], Some(&word.text[equals + 1..]))),
        None => (start > 0).then(|| (&word.text[start..], None)),
    }
}

struct Reader<'a> {
    book: &'a Arc<Runbook>,
    typed: Typed,
    positional: Vec<&'a str>,
}

impl Reader<'_> {
    fn unexpected(&self, got: &str) -> Unclear {
        Unclear::Unexpected { book: Arc::clone(self.book), got: got.to_owned() }
    }

    fn name(&mut self, word: &Word, name: &str, value: &str) -> Result<(), Unclear> {
        let known = self.book.params.iter().any(|param| param.name == name);
        let again = if known {
            self.typed.values.insert(name.to_owned(), Value::String(value.to_owned())).is_some()
        } else if name == ENV && !self.book.environments.is_empty() {
            self.typed.env.replace(value.to_owned()).is_some()
        } else {
            return Err(self.unexpected(&word.text));
        };
        if again { Err(self.unexpected(&word.text)) } else { Ok(()) }
    }

    /// The last word that names an environment is the environment; the others fill parameters in their order.
    fn positions(&mut self) -> Result<(), Unclear> {
        let is_env = |word: &&str| self.book.environments.iter().any(|env| env == word);
        if self.typed.env.is_none()
            && let Some(at) = self.positional.iter().rposition(is_env)
        {
            self.typed.env = Some(self.positional.remove(at).to_owned());
        }
        let mut free = self.book.params.iter().filter(|param| !self.typed.values.contains_key(&param.name));
        let mut filled = Vec::new();
        for word in &self.positional {
            let Some(param) = free.next() else {
                return Err(if self.typed.env.is_none() { self.wrong_env(word) } else { self.unexpected(word) });
            };
            filled.push((param.name.clone(), Value::String((*word).to_owned())));
        }
        self.typed.values.extend(filled);
        Ok(())
    }

    /// One word more than there are parameters can only have been meant for the environment.
    fn wrong_env(&self, word: &str) -> Unclear {
        if self.book.environments.is_empty() {
            return self.unexpected(word);
        }
        let accepts = Accepts::OneOf(self.book.environments.clone());
        Unclear::Wrong { book: Arc::clone(self.book), name: ENV.to_owned(), got: word.to_owned(), accepts }
    }
}
