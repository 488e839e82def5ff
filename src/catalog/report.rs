//! Problems: found at a place of a file, said in the installation's language, drawn with a caret, rendered for
//! people, programs and GitHub.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use minijinja::{Value, context};

use crate::domain::runbook::ParamKind;
use crate::domain::sentence::Sentence;
use crate::domain::span;
use crate::domain::text::visible;
use crate::problem::Problem;
use crate::words::Words;
use crate::yaml::{Content, Node};

/// One file under inspection: its text, its places, and what was found wrong.
pub struct Sheet {
    /// The file, as people name it.
    pub file: String,
    text: String,
    tree: Node<Range<usize>>,
    bad: BTreeSet<String>,
    problems: Vec<Problem>,
    words: Words,
}

impl Sheet {
    /// A file with nothing wrong yet.
    #[must_use]
    pub fn new(file: String, text: String, words: Words) -> Self {
        Self { file, text, tree: Node::default(), bad: BTreeSet::new(), problems: Vec::new(), words }
    }

    /// Gives the places that later problems are pointed at, and the content.
    pub fn place(&mut self, tree: Node<Range<usize>>) -> serde_json::Value {
        self.tree = tree;
        self.tree.to_json()
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reports `check.<what>` at the value with this pointer, or at the nearest thing around it.
    pub fn value(&mut self, at: &str, what: &str, values: Value) {
        let (key, value) = self.tree.nearest(steps(at));
        // The key of a list, of a map or of nothing is easier to see than where it starts.
        let key = key.filter(|_| shown(value).is_empty());
        self.report(at, key.cloned().unwrap_or_else(|| shown(value)), what, values);
    }

    /// Reports `check.<what>` at the key of the value with this pointer.
    pub fn key(&mut self, at: &str, what: &str, values: Value) {
        let (key, value) = self.tree.nearest(steps(at));
        self.report(at, key.cloned().unwrap_or_else(|| shown(value)), what, values);
    }

    /// Reports `check.<what>` at a range of the text.
    pub fn range(&mut self, range: Range<usize>, what: &str, values: Value) {
        self.report("", range, what, values);
    }

    /// Whether nothing was found wrong at or above this place.
    #[must_use]
    pub fn sound(&self, at: &str) -> bool {
        let mut at = at;
        loop {
            if self.bad.contains(at) {
                return false;
            }
            let Some((above, _)) = at.rsplit_once('/') else { return true };
            at = above;
        }
    }

    /// Marks a place as bad, so that nothing more is said about it.
    pub fn spoil(&mut self, at: &str) {
        self.bad.insert(at.to_owned());
    }

    /// Kinds of values in words: `a whole number, a list`. Words that are no kinds are left as they are.
    #[must_use]
    pub fn kinds(&self, kinds: &[String]) -> String {
        let said = kinds.iter().map(|kind| match kind.as_str() {
            "string" | "integer" | "number" | "boolean" | "array" | "object" => {
                self.words.get(&format!("check.kind_{kind}"))
            }
            word => word.to_owned(),
        });
        said.collect::<Vec<_>>().join(", ")
    }

    /// What others found, in the language of this report.
    #[must_use]
    pub fn tell(&self, found: &Sentence) -> String {
        self.words.tell(found)
    }

    /// What a parameter accepts, in words that follow "takes".
    #[must_use]
    pub fn accepts(&self, kind: &ParamKind) -> String {
        match kind {
            ParamKind::Text { pattern, max } => self.words.say("check.accepts_text", context! { pattern, max }),
            ParamKind::Integer { min, max } => self.words.say("check.accepts_integer", context! { min, max }),
            ParamKind::Choice(words) => self.words.say("check.accepts_choice", context! { words => words.join(", ") }),
            ParamKind::Duration { min, max } => {
                let (min, max) = (span::written(*min), span::written(*max));
                self.words.say("check.accepts_span", context! { min, max })
            }
            ParamKind::File { dir, pattern } => self.words.say("check.accepts_file", context! { dir, pattern }),
            ParamKind::From { step, .. } => self.words.say("check.accepts_from", context! { step }),
        }
    }

    /// What was found, in the order of the lines.
    #[must_use]
    pub fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        self.problems
    }

    fn report(&mut self, at: &str, range: Range<usize>, what: &str, values: Value) {
        if !self.sound(at) {
            return;
        }
        let problem = self.problem(range, what, values);
        // One mistake can be found from two sides.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn problem(&self, range: Range<usize>, what: &str, values: Value) -> Problem {
        // Names in a file are quoted in messages; no file may steer the terminal that they are printed on.
        let say = |key: String| visible(&self.words.say(&key, values.clone()), &['\n']);
        let message = say(format!("check.{what}"));
        let hint = Some(say(format!("check.{what}_hint")));
        let problem = Problem::at(&self.file, &self.text, range, message, hint);
        // Where nothing could be read, there is nothing to draw.
        if self.text.is_empty() { Problem { picture: String::new(), ..problem } } else { problem }
    }
}

/// The pointer of a field or an element.
#[must_use]
pub fn child(at: &str, key: impl fmt::Display) -> String {
    let key = key.to_string().replace('~', "~0").replace('/', "~1");
    format!("{at}/{key}")
}

/// The keys and numbers of a pointer.
fn steps(at: &str) -> impl Iterator<Item = String> {
    at.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"))
}

/// The range that is pointed at for a value: of a list or a map, where it starts.
fn shown(value: &Node<Range<usize>>) -> Range<usize> {
    match value.content {
        Content::List(_) | Content::Map(_) => value.at.start..value.at.start,
        Content::Null | Content::Scalar(..) => value.at.clone(),
    }
}

/// How problems are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON list.
    Json,
    /// Annotations of GitHub Actions.
    Github,
}

/// Prints problems; empty for people and GitHub when there are none.
#[must_use]
pub fn render(problems: &[Problem], format: Format) -> String {
    match format {
        Format::Text => problems.iter().map(text).collect(),
        Format::Json => serde_json::to_string_pretty(problems).unwrap_or_default() + "\n",
        Format::Github => problems.iter().map(github).collect(),
    }
}

fn text(problem: &Problem) -> String {
    let mut out = format!("error: {}\n", problem.message);
    if problem.picture.is_empty() {
        out.push_str(&format!(" --> {}\n", problem.file));
    } else {
        out.push_str(&format!("{}\n", problem.picture));
    }
    if let Some(hint) = &problem.hint {
        out.push_str(&format!("  = help: {hint}\n"));
    }
    out.push('\n');
    out
}

fn github(problem: &Problem) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let hint = problem.hint.as_deref().map(|hint| format!("\n{hint}")).unwrap_or_default();
    let message = escape(&format!("{}{hint}", problem.message));
    format!("::error file={},line={},col={}::{message}\n", property(&problem.file), problem.line, problem.column)
}
