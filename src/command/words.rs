//! A line becomes words, as a shell's would but with nothing that a shell does: quotes and backslashes group, and no
//! sign has another meaning. (`shlex::split` takes `#` for a comment, and channels are called `#infra`.)

use super::Unclear;

/// A word, and how much of its beginning was typed without quotes: only there do `=` and `--` mean something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word, without its quotes.
    pub text: String,
    /// The bytes at its beginning that stood outside quotes.
    pub bare: usize,
}

/// The line without what it is addressed with: `/ops`, `ops`, `@sereno`.
pub fn strip(text: &str) -> &str {
    let mut line = text.trim();
    while let Some(rest) = addressed(line) {
        line = rest;
    }
    line
}

fn addressed(line: &str) -> Option<&str> {
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    let name = word.trim_end_matches([':', ',']).to_lowercase();
    matches!(name.as_str(), "/ops" | "ops" | "@sereno" | "/sereno").then(|| rest.trim_start())
}

/// The first word, and the rest of the line as it was typed; none if there is no word.
pub fn first(line: &str) -> Result<Option<(String, &str)>, Unclear> {
    let line = line.trim();
    let mut cursor = Cursor { rest: line };
    Ok(cursor.word()?.map(|word| (word.text, cursor.rest.trim())))
}

/// All words of a line.
pub fn split(line: &str) -> Result<Vec<Word>, Unclear> {
    // Phones turn quotes into curly ones. A line that has straight ones was typed with care and is left alone.
    let straight =
        if line.contains(['"', '\'', '\\']) { line.to_owned() } else { line.replace(['“', '”', '„'], "\"") };
    let mut cursor = Cursor { rest: &straight };
    let mut words = Vec::new();
    while let Some(word) = cursor.word()? {
        words.push(word);
    }
    Ok(words)
}

struct Cursor<'t> {
    rest: &'t str,
}

impl Cursor<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn word(&mut self) -> Result<Option<Word>, Unclear> {
        self.rest = self.rest.trim_start();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut text = String::new();
        let mut bare = None;
        while let Some(c) = self.next() {
            match c {
                _ if c.is_whitespace() => break,
                '\'' | '"' => {
                    bare.get_or_insert(text.len());
                    self.quoted(c, &mut text)?;
                }
                '\\' => {
                    bare.get_or_insert(text.len());
                    text.push(self.next().ok_or(Unclear::Quote)?);
                }
                _ => text.push(c),
            }
        }
        let bare = bare.unwrap_or(text.len());
        Ok(Some(Word { text, bare }))
    }

    fn quoted(&mut self, quote: char, text: &mut String) -> Result<(), Unclear> {
        loop {
            match self.next().ok_or(Unclear::Quote)? {
                c if c == quote => return Ok(()),
                '\\' if quote == '"' => match self.next().ok_or(Unclear::Quote)? {
                    c @ ('"' | '\\' | '$' | '`') => text.push(c),
                    c => text.extend(['\\', c]),
                },
                c => text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn quotes_group_and_nothing_else_means_anything() {
        assert_eq!(
            texts(r#"a "b c" 'd e'f g\ h #infra $(x) `y` "" "#),
            ["a", "b c", "d ef", "g h", "#infra", "$(x)", "`y`", ""]
        );
        assert_eq!(texts("say “hello world”"), ["say", "hello world"]);
        assert_eq!(texts(r#"“x” "y""#), ["“x”", "y"]);
        assert!(matches!(split("it's"), Err(Unclear::Quote)));
        assert_eq!(split("a='b=c'").unwrap(), [Word { text: "a=b=c".into(), bare: 2 }]);
    }

    #[test]
    fn the_address_is_left_out() {
        for line in ["/ops health prod", "ops  health prod", "@sereno: health prod", "@Sereno /ops health prod"] {
            assert_eq!(strip(line), "health prod");
        }
        assert_eq!(strip("opsy health"), "opsy health");
        assert_eq!(strip(" /ops "), "");
    }

    proptest! {
        #[test]
        fn what_shlex_quotes_is_one_word(text in "[^\u{0}]*") {
            let quoted = shlex::try_quote(&text).unwrap().into_owned();
            prop_assert_eq!(texts(&quoted), [text]);
        }

        #[test]
        fn as_shlex_where_there_is_no_comment(line in r#"[a-z "'\\=-]{0,20}"#) {
            let ours = split(&line).ok().map(|words| words.into_iter().map(|word| word.text).collect::<Vec<_>>());
            prop_assert_eq!(ours, shlex::split(&line));
        }
    }
}
