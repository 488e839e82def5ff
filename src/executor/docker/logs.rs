//! `docker` logs: the last lines of each container, redacted before they are split, filtered or cut.

use std::collections::VecDeque;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt as _;
use regex::Regex;

use super::Attempt;
use super::engine::{Container, Engine, Fault, of_one};
use super::look::count;
use crate::clock::Timestamp;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::output::{Pipe, beginning};
use crate::executor::redact::Redactor;

/// Lines that the `lines` fact holds, the newest.
const LINES: usize = 1000;
/// Bytes that they may have together.
const SHOWN: usize = 64 * 1024;
/// Bytes of one line that are kept.
const LINE: usize = 4 * 1024;

/// Which lines.
pub(super) struct Wanted<'w> {
    pub(super) pattern: Option<&'w Regex>,
    /// How many of each container's last lines are read.
    pub(super) tail: u32,
    /// None from before.
    pub(super) since: Option<Timestamp>,
}

/// Reads and filters the lines of every target, in the order of their names.
pub(super) async fn read(
    engine: &Engine,
    targets: &[Container],
    wanted: &Wanted<'_>,
    redactor: &Redactor,
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    let mut lines = Lines::new(wanted.pattern);
    for target in targets {
        lines.prefix = if targets.len() > 1 { format!("{} | ", target.name) } else { String::new() };
        let mut stream = redactor.stream();
        let mut frames = Box::pin(engine.docker.logs(&target.id, Some(options(wanted))));
        while let Some(frame) = frames.next().await {
            let frame = frame.map_err(|error| of_one(target, &error))?;
            lines.bytes += frame.as_ref().len();
            stream.push(frame.as_ref(), &mut |bytes| lines.push(bytes));
        }
        stream.finish(&mut |bytes| lines.push(bytes));
        lines.end_of_target();
    }
    for line in &lines.kept {
        attempt.recorder.push(Pipe::Out, line.as_bytes());
        attempt.recorder.push(Pipe::Out, b"\n");
    }
    let (matches, bytes) = (lines.matches, lines.bytes);
    attempt.found("truncated", lines.kept.len() < matches || lines.cut);
    attempt.found("lines", Vec::from(lines.kept));
    attempt.found("matches", matches);
    attempt.found("bytes", bytes);
    let what = count(targets);
    Ok(match wanted.pattern {
        Some(_) => sentence!("action.docker_matches", count => matches, what),
        None => sentence!("action.docker_lines", count => matches, what),
    })
}

fn options(wanted: &Wanted<'_>) -> bollard::query_parameters::LogsOptions {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&wanted.tail.to_string());
    match wanted.since.map(|since| i32::try_from(since.0.div_euclid(1000))) {
        Some(Ok(since)) => options.since(since).build(),
        _ => options.build(),
    }
}

/// Splits bytes into lines and keeps the newest that match.
struct Lines<'p> {
    pattern: Option<&'p Regex>,
    prefix: String,
    /// The line that has not ended yet.
    open: Vec<u8>,
    kept: VecDeque<String>,
    size: usize,
    matches: usize,
    bytes: usize,
    /// Whether a line was cut.
    cut: bool,
}

impl<'p> Lines<'p> {
    fn new(pattern: Option<&'p Regex>) -> Self {
        let (prefix, open, kept) = (String::new(), Vec::new(), VecDeque::new());
        Self { pattern, prefix, open, kept, size: 0, matches: 0, bytes: 0, cut: false }
    }

    fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            let room = text.len().min(LINE - self.open.len());
            self.open.extend_from_slice(&text[..room]);
            self.cut |= room < text.len();
            if ends {
                self.end();
            }
        }
    }

    fn end_of_target(&mut self) {
        if !self.open.is_empty() {
            self.end();
        }
    }

    fn end(&mut self) {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.open)).into_owned();
        let text = text.trim_end_matches('\r');
        if self.pattern.is_some_and(|pattern| !pattern.is_match(text)) {
            return;
        }
        self.matches += 1;
        let line = beginning(&format!("{}{text}", self.prefix), SHOWN).to_owned();
        self.size += line.len();
        self.kept.push_back(line);
        while self.kept.len() > LINES || self.size > SHOWN {
            self.size -= self.kept.pop_front().map_or(0, |line| line.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_split_over_frames_are_whole_and_the_newest_stay() {
        let pattern = Regex::new("ERROR").unwrap();
        let mut lines = Lines::new(Some(&pattern));
        lines.push(b"INFO up\nERR");
        lines.push(b"OR one\r\nERROR two");
        lines.end_of_target();
        assert_eq!(lines.kept, ["ERROR one", "ERROR two"]);
        let mut lines = Lines::new(None);
        (0..3000).for_each(|n| lines.push(format!("line {n}\n").as_bytes()));
        assert_eq!((lines.kept.len(), lines.matches), (LINES, 3000));
        assert_eq!(lines.kept.back().unwrap(), "line 2999");
    }

    #[test]
    fn one_endless_line_does_not_fill_memory() {
        let mut lines = Lines::new(None);
        (0..1000).for_each(|_| lines.push(&[b'x'; 1000]));
        lines.push(b"\nnext\n");
        assert_eq!((lines.kept[0].len(), lines.kept[1].as_str(), lines.cut), (LINE, "next", true));
    }
}
