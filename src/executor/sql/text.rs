//! As much of SQL's spelling as is needed to tell an author about mistakes when a runbook is read: where strings and
//! comments end. The server's own protocol is what refuses a second statement; nothing is ever put together here.

use crate::domain::sentence::{Sentence, sentence};

/// A statement as its author wrote it, without a last semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) text: String,
    /// Its first word in lower case; `(` stands for itself.
    pub(super) first: String,
    /// The highest `$n` in it; 0 without.
    pub(super) values: usize,
    /// The text in lower case without comments and strings; quoted names stand as they are.
    names: String,
}

impl Statement {
    /// Reads one statement.
    ///
    /// # Errors
    /// When it is none or several.
    pub(super) fn new(text: &str) -> Result<Self, Sentence> {
        let bare = bare(text);
        let end = bare.trim_end().trim_end_matches(|c: char| c == ';' || c.is_whitespace()).len();
        let (text, bare) = (&text[..end], &bare[..end]);
        let start = bare.trim_start();
        let first = match start.chars().next() {
            None => return Err(sentence!("action.sql_empty")),
            Some('(') => "(".to_owned(),
            Some(_) => {
                start.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_lowercase()
            }
        };
        if bare.contains(';') {
            return Err(sentence!("action.sql_several"));
        }
        let names = blanked(text, true).to_lowercase();
        Ok(Self { text: text.trim().to_owned(), first, values: highest(bare), names })
    }

    /// Whether a function of this name is called in it, quoted or not.
    pub(super) fn calls(&self, function: &str) -> bool {
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        self.names.match_indices(function).any(|(at, _)| {
            let after = &self.names[at + function.len()..];
            !self.names[..at].ends_with(word)
                && !after.starts_with(word)
                && after.trim_start_matches('"').trim_start().starts_with('(')
        })
    }
}

/// The text, byte for byte, with comments blanked, and a mark for every byte of strings and quoted names.
fn bare(text: &str) -> String {
    blanked(text, false)
}

/// As [`bare`]; quoted names may be left as they are.
fn blanked(text: &str, names: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let escapes = out.ends_with(['e', 'E']) && !out[..out.len() - 1].ends_with(|c: char| c.is_alphanumeric());
        let (length, mark) = match c {
            '\'' => (quoted(rest, '\'', escapes), '?'),
            '"' if !names => (quoted(rest, '"', false), '?'),
            '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), ' '),
            '/' if rest.starts_with("/*") => (comment(rest), ' '),
            '$' if !after_word => (dollar_quoted(rest).unwrap_or(0), '?'),
            _ => (0, c),
        };
        match length {
            0 => out.push(c),
            length => out.extend(std::iter::repeat_n(mark, length)),
        }
        rest = &rest[length.max(c.len_utf8())..];
    }
    out
}

/// Length of what begins with a quote, both quotes included. A doubled quote is one that does not end it.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut rest = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = rest.next() {
        if escapes && c == '\\' {
            rest.next();
        } else if c == quote && rest.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    text.len()
}

/// Length of `/* … */`, which may hold others.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        match () {
            () if rest.starts_with(b"/*") => (depth, at) = (depth + 1, at + 2),
            () if rest.starts_with(b"*/") => (depth, at) = (depth - 1, at + 2),
            () => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Length of `$tag$ … $tag$`; none where it is no such thing, as in `$1`.
fn dollar_quoted(text: &str) -> Option<usize> {
    let name = text[1..].find('$').map(|end| &text[1..=end])?;
    let named = |c: char| c.is_alphanumeric() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(named) {
        return None;
    }
    let tag = &text[..name.len() + 2];
    Some(text[tag.len()..].find(tag).map_or(text.len(), |end| end + 2 * tag.len()))
}

/// The highest number after a `$`.
fn highest(bare: &str) -> usize {
    let number = |part: &str| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse().ok()
    };
    bare.split('$').skip(1).filter_map(number).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, usize), Sentence> {
        Statement::new(text).map(|statement| (statement.first, statement.values))
    }

    #[test]
    fn strings_and_comments_hide_semicolons_and_numbers() {
        for (text, first, values) in [
            ("SELECT 1", "select", 0),
            ("  -- a; $9\n/* b; /* $8 */ ; */ select $1, ';$7' ; ; ", "select", 1),
            ("(select 1)", "(", 0),
            ("SELECT 'it''s; $5', \"a;\"\"b\" FROM t WHERE x = $2 AND y = $1", "select", 2),
            (r"SELECT E'it\'s; $5', name'\' FROM t", "select", 0),
            ("DO $body$ BEGIN; PERFORM $$;$$; END $body$", "do", 0),
            ("SELECT $$;$3$$, a$1 FROM t", "select", 1),
            ("select 'ñ;', $1;", "select", 1),
        ] {
            assert_eq!(read(text), Ok((first.to_owned(), values)), "{text}");
        }
    }

    #[test]
    fn a_second_statement_is_refused() {
        for text in ["SELECT 1; DROP TABLE t", "select ''; select 2", r"select '\'; select 2 --'", "BEGIN; x"] {
            assert_eq!(read(text), Err(sentence!("action.sql_several")), "{text}");
        }
        for text in ["", " ; ", "-- nothing"] {
            assert_eq!(read(text), Err(sentence!("action.sql_empty")), "{text}");
        }
    }

    #[test]
    fn the_text_stays_as_it_was_written() {
        let statement = Statement::new("SELECT 'a;b' -- note\n ;\n").unwrap();
        assert_eq!(statement.text, "SELECT 'a;b'");
    }
}
