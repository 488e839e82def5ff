//! Something wrong in a file that a person wrote: where, what, and what to do about it, with a drawing. Knows nothing
//! of what the files mean.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Something wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The drawing: the lines around it and a caret. Empty for what cannot be read at all.
    pub picture: String,
}

impl Problem {
    /// A problem at these bytes of a text, drawn with its line and a caret. A span outside the text is moved into it.
    #[must_use]
    pub fn at(file: &str, text: &str, span: Range<usize>, message: String, hint: Option<String>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let from = text[..start].rfind('\n').map_or(0, |end| end + 1);
        let to = text[start..].find('\n').map_or(text.len(), |end| start + end);
        let end = text.floor_char_boundary(span.end).clamp(start, to);
        let line = text[..from].matches('\n').count() + 1;
        let snippet = Snippet::source(&text[from..to])
            .line_start(line)
            .path(file)
            .annotation(AnnotationKind::Primary.span(start - from..end.max(start) - from));
        let group = Group::with_level(Level::ERROR).element(snippet);
        let picture = Renderer::plain().render(&[group]);
        Self { file: file.to_owned(), line, column: text[from..start].chars().count() + 1, message, hint, picture }
    }
}

/// As people read it: what, where, and what to do.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}", self.message, self.picture)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n   = {hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_span() {
        let text = "a: 1\nlanguage: inglés\nb: 2\n";
        let start = text.find("inglés").unwrap();
        let problem = Problem::at("x.yaml", text, start..start + 7, "wrong".into(), Some("write en".into()));
        assert_eq!((problem.line, problem.column), (2, 11));
        insta::assert_snapshot!(problem, @r"
        wrong
         --> x.yaml:2:11
          |
        2 | language: inglés
          |           ^^^^^^
           = write en
        ");
    }

    #[test]
    fn a_span_outside_the_text_is_harmless() {
        for span in [0..0, 1..2, Range { start: 3, end: 2 }, 7..900] {
            assert!(!Problem::at("x.yaml", "é\n", span, String::new(), None).picture.is_empty());
        }
    }
}
