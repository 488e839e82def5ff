//! Collects everything that is wrong with a configuration, each with its place, so that all of it is told at once.
//! Draws only from a copy of the file in which secrets are masked.

use std::ops::Range;

use minijinja::Value;

use super::tree::{Content, Node, Origin};
use crate::problem::Problem;
use crate::words::Words;

/// Problems and warnings, and what is needed to place them.
pub struct Findings {
    words: Words,
    file: String,
    text: String,
    root: Node,
    /// What keeps Sereno from starting.
    pub problems: Vec<Problem>,
    /// What is let pass, and said.
    pub warnings: Vec<Problem>,
}

impl Findings {
    /// Nothing found yet in this file; the tree is the file's with the environment laid over it.
    pub fn new(words: Words, file: &str, text: &str, root: Node) -> Self {
        Self { words, file: file.to_owned(), text: text.to_owned(), root, problems: Vec::new(), warnings: Vec::new() }
    }

    /// The tree as read.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// From now on these bytes of the file are never shown.
    pub fn mask(&mut self, spans: &[Range<usize>]) {
        self.text = masked(&self.text, |at| spans.iter().any(|span| span.contains(&at)));
    }

    /// A problem at the value under a path, or at the nearest thing above it.
    pub fn error(&mut self, path: &[&str], key: &str, values: Value) {
        let origin = self.value_at(path);
        self.error_at(&origin, key, values);
    }

    /// A problem at the key that a path ends with.
    pub fn error_key(&mut self, path: &[&str], key: &str, values: Value) {
        let origin = self.key_at(path);
        self.error_at(&origin, key, values);
    }

    /// A problem at this place.
    pub fn error_at(&mut self, origin: &Origin, key: &str, values: Value) {
        let problem = self.problem(origin, key, values);
        self.problems.push(problem);
    }

    /// A warning at the value under a path.
    pub fn warn(&mut self, path: &[&str], key: &str, values: Value) {
        let problem = self.problem(&self.value_at(path), key, values);
        self.warnings.push(problem);
    }

    fn problem(&self, origin: &Origin, key: &str, values: Value) -> Problem {
        let message = self.words.say(&format!("config.{key}"), values.clone());
        let hint = Some(self.words.say(&format!("config.{key}_hint"), values));
        match origin {
            Origin::File(at) => Problem::at(&self.file, &self.text, at.clone(), message, hint),
            Origin::Env(name) => Problem {
                file: name.clone(),
                line: 1,
                column: 1,
                message,
                hint,
                picture: format!(" --> {}", self.words.say("config.variable", minijinja::context! { name => name })),
            },
        }
    }

    fn value_at(&self, path: &[&str]) -> Origin {
        let mut at = &self.root;
        for step in path {
            let Some(next) = at.child(step) else { break };
            at = next;
        }
        at.origin.clone()
    }

    fn key_at(&self, path: &[&str]) -> Origin {
        let Some((last, above)) = path.split_last() else { return self.root.origin.clone() };
        let parent = above.iter().try_fold(&self.root, |at, step| at.child(step));
        let entry = parent.and_then(|node| match &node.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == *last),
            _ => None,
        });
        entry.map_or_else(|| self.value_at(path), |entry| entry.at.clone())
    }
}

/// A text that shows its layout and keys only: for a file that could not be read, in which no secret can be told from
/// another value.
pub fn keys_only(text: &str) -> String {
    let mut hide = vec![false; text.len()];
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        let value = line.find(':').filter(|at| line[at + 1..].trim_start().len() < line[at + 1..].len());
        let value = value.map_or(0, |colon| colon + 1);
        let key = line[..value].trim().trim_start_matches("- ").trim_end_matches(':');
        let plain = key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '#' | '"'));
        let start = if plain { value } else { 0 };
        for (at, c) in line[start..].char_indices() {
            if c.is_alphanumeric() {
                hide[from + start + at..from + start + at + c.len_utf8()].fill(true);
            }
        }
        from += line.len();
    }
    masked(text, |at| hide[at])
}

/// Every hidden byte becomes an asterisk, so that positions stay.
fn masked(text: &str, hidden: impl Fn(usize) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if hidden(at) && c != '\n' { (0..c.len_utf8()).for_each(|_| out.push('*')) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_shows_its_keys_and_no_value() {
        let text = "people:\n  - { id: ana, console: { token: \"hünter2 }\n    secret: abc\n    - plainword\n";
        let shown = keys_only(text);
        assert_eq!(shown.len(), text.len());
        assert_eq!(shown, "people:\n  - { **: ***, *******: { *****: \"******** }\n    secret: ***\n    - *********\n");
    }
}
