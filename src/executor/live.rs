//! What an attempt prints while it still runs, for people who watch. Nothing depends on it: the outcome says it all
//! again. Knows nothing of chat.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::output::clean;

/// Last lines that are kept.
const KEPT: usize = 20;
/// Bytes of a line that are kept.
const LINE: usize = 400;

/// Where an attempt puts what it prints as it comes. Cheap to clone; whoever has none to watch it costs nothing.
#[derive(Clone, Default)]
pub struct Live(Option<Arc<watch::Sender<Recent>>>);

/// The last lines so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recent {
    lines: VecDeque<String>,
    /// What has come of the line that is not over yet.
    open: Vec<u8>,
    /// How many lines came in all.
    pub total: u64,
}

impl Live {
    /// One that is watched.
    #[must_use]
    pub fn watched() -> (Self, watch::Receiver<Recent>) {
        let (sender, receiver) = watch::channel(Recent::default());
        (Self(Some(Arc::new(sender))), receiver)
    }

    /// Takes the next bytes, redacted already.
    pub fn push(&self, bytes: &[u8]) {
        if let Some(sender) = &self.0 {
            sender.send_modify(|recent| recent.push(bytes));
        }
    }
}

impl Recent {
    fn push(&mut self, bytes: &[u8]) {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        if let Some(first) = parts.next() {
            self.grow(first);
        }
        for part in parts {
            self.end_line();
            self.grow(part);
        }
    }

    fn grow(&mut self, bytes: &[u8]) {
        let room = LINE.saturating_sub(self.open.len()).min(bytes.len());
        self.open.extend_from_slice(&bytes[..room]);
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.open);
        self.total += 1;
        self.lines.push_back(clean(&String::from_utf8_lossy(&line)));
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }

    /// The last lines, one under the other, with the one that is not over yet.
    #[must_use]
    pub fn text(&self) -> String {
        let open = clean(&String::from_utf8_lossy(&self.open));
        let lines = self.lines.iter().map(String::as_str).chain((!open.is_empty()).then_some(open.as_str()));
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_however_they_come() {
        let (live, watch) = Live::watched();
        let all: String = (1..=50).map(|n| format!("line {n}\n")).collect();
        for chunk in format!("{all}half").as_bytes().chunks(7) {
            live.push(chunk);
        }
        let recent = watch.borrow().clone();
        assert_eq!(recent.total, 50);
        assert!(
            recent.text().starts_with("line 31\n") && recent.text().ends_with("line 50\nhalf"),
            "{}",
            recent.text()
        );
    }

    #[test]
    fn a_line_without_end_takes_no_room() {
        let (live, watch) = Live::watched();
        (0..10_000).for_each(|_| live.push(&[b'x'; 1000]));
        assert_eq!(watch.borrow().text().len(), LINE);
        Live::default().push(b"nobody watches");
    }
}
