//! What of a configuration may be drawn and said. Only what is known to be harmless is: the keys of the file's shape and
//! their values that are no secrets. A comment, or a value that a slip of the hand made a key, stays hidden.

use std::ops::Range;

use super::fit::takes;
use super::shape::Shape;
use super::tree::{Content, Entry, Node, Origin};

/// Shorter texts stand in any sentence by chance, in bytes.
const SAID_BY_CHANCE: usize = 4;

/// What may be shown, and what may not be said.
#[derive(Default)]
pub struct Veil {
    shown: Vec<Range<usize>>,
    covered: Vec<Range<usize>>,
    secrets: Vec<String>,
}

impl Veil {
    /// Looks through a tree. Looking through several adds up.
    pub fn look(&mut self, node: &Node, shape: Option<&Shape>) {
        match (&node.content, shape) {
            (Content::Null, _) => {}
            (content, Some(Shape::Any(options))) => {
                self.look(node, options.iter().find(|option| takes(option, content)));
            }
            (Content::Map(entries), Some(Shape::Struct(fields, _))) => {
                for entry in entries {
                    self.key(entry, fields.contains_key(&entry.key) || is_slip(&entry.key));
                    self.look(&entry.value, fields.get(&entry.key));
                }
            }
            (Content::Map(entries), Some(Shape::Map(inner))) => {
                for entry in entries {
                    self.key(entry, entry.key.chars().all(is_of_a_name));
                    self.look(&entry.value, Some(inner));
                }
            }
            (Content::Map(entries), _) => {
                for entry in entries {
                    self.key(entry, false);
                    self.look(&entry.value, None);
                }
            }
            (Content::List(items), shape) => {
                let inner = if let Some(Shape::List(inner)) = shape { Some(inner.as_ref()) } else { None };
                items.iter().for_each(|item| self.look(item, inner));
            }
            (Content::Scalar(..), Some(Shape::List(inner))) => self.look(node, Some(inner)),
            (Content::Scalar(..), Some(Shape::Text(_) | Shape::Whole | Shape::Flag)) => self.show(&node.at),
            (Content::Scalar(text, _), _) => self.cover(&node.at, text),
        }
    }

    fn key(&mut self, entry: &Entry, harmless: bool) {
        if harmless { self.show(&entry.at) } else { self.cover(&entry.at, &entry.key) }
    }

    fn show(&mut self, origin: &Origin) {
        if let Origin::File(at) = origin {
            self.shown.push(at.clone());
        }
    }

    fn cover(&mut self, origin: &Origin, text: &str) {
        if let Origin::File(at) = origin {
            self.covered.push(at.clone());
        }
        self.secrets.push(text.to_owned());
    }

    /// The file with everything else masked: a secret whole, the rest but for its layout.
    pub fn over(&self, text: &str) -> String {
        let marks = |spans: &[Range<usize>]| {
            let mut marks = vec![false; text.len()];
            for span in spans {
                marks[span.start.min(text.len())..span.end.min(text.len())].fill(true);
            }
            marks
        };
        let (shown, covered) = (marks(&self.shown), marks(&self.covered));
        masked(text, |at, c| covered[at] || !shown[at] && is_of_a_value(c))
    }

    /// The sentence without any secret: a value that stands where a name belongs would be said as a name.
    pub fn hush(&self, sentence: String) -> String {
        let secrets = self.secrets.iter().filter(|text| text.len() >= SAID_BY_CHANCE);
        secrets.fold(sentence, |sentence, text| sentence.replace(text, "…"))
    }
}

/// Whether an unknown key is a key misspelt, and not a value.
fn is_slip(key: &str) -> bool {
    key.len() < 24 && key.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'))
}

/// Whether a character stands in names that people choose: `{ token:"…" }` without a space is one key.
fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '#' | '@' | '/')
}

/// A text that shows its layout and keys only: for a file that could not be read, in which no secret can be told from
/// another value.
pub fn keys_only(text: &str) -> String {
    let mut shown = vec![false; text.len()];
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        let colon = line.find(':').filter(|at| line[at + 1..].starts_with(char::is_whitespace)).unwrap_or(0);
        let key = line[..colon].trim_start().trim_start_matches("- ");
        if key.chars().all(|c| is_of_a_name(c) || c == '"') {
            shown[from..from + colon].fill(true);
        }
        from += line.len();
    }
    masked(text, |at, c| !shown[at] && is_of_a_value(c))
}

/// Whether a character is more than layout.
fn is_of_a_value(c: char) -> bool {
    !c.is_ascii_punctuation()
}

/// Every hidden character becomes asterisks, one a byte, so that positions stay.
fn masked(text: &str, hidden: impl Fn(usize, char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if hidden(at, c) && !c.is_whitespace() {
            (0..c.len_utf8()).for_each(|_| out.push('*'));
        } else {
            out.push(c);
        }
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
