//! Collects everything that is wrong with a configuration, each with its place, so that all of it is told at once.
//! Draws only from a copy of the file in which secrets are masked.

use minijinja::Value;

use super::tree::{Node, Origin};
use super::veil::Veil;
use crate::problem::Problem;
use crate::words::Words;

/// Problems and warnings, and what is needed to place them.
pub struct Findings {
    words: Words,
    file: String,
    text: String,
    veil: Veil,
    root: Node,
    /// What keeps Sereno from starting.
    pub problems: Vec<Problem>,
    /// What is let pass, and said.
    pub warnings: Vec<Problem>,
}

impl Findings {
    /// Nothing found yet in this file, of which only what the veil lets through is told; the tree is the file's with the
    /// environment laid over it.
    pub fn new(words: Words, file: &str, text: &str, veil: Veil, root: Node) -> Self {
        let (file, text) = (file.to_owned(), veil.over(text));
        Self { words, file, text, veil, root, problems: Vec::new(), warnings: Vec::new() }
    }

    /// The tree as read.
    pub fn root(&self) -> &Node {
        &self.root
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
        let message = self.veil.hush(self.words.say(&format!("config.{key}"), values.clone()));
        let hint = Some(self.veil.hush(self.words.say(&format!("config.{key}_hint"), values)));
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
        self.root.nearest(path).1.at.clone()
    }

    fn key_at(&self, path: &[&str]) -> Origin {
        let key = path.split_last().and_then(|(last, above)| {
            let parent = above.iter().try_fold(&self.root, |at, step| at.child(step))?;
            parent.under(last)?.0.cloned()
        });
        key.unwrap_or_else(|| self.value_at(path))
    }
}
