//! The last lines of a log file, or the last that match: read in one go through its end, kept as few. Knows nothing of
//! what logs say.

use std::collections::VecDeque;
use std::io::{Read as _, Seek as _, SeekFrom};

use regex::Regex;
use serde_json::json;

use super::place::{Place, unreadable};
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;
use crate::executor::StepContext;
use crate::executor::attempt::Fault;
use crate::executor::output::{Pipe, Recorder, beginning};

/// Bytes of a file's end that are read.
const READ: u64 = 64 * 1024 * 1024;
/// Bytes of one line that are kept.
const LINE: usize = 4 * 1024;
/// Bytes of all lines that are facts.
const ALL: usize = 64 * 1024;
/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// Reads and filters. Redacted before it is split, filtered or cut.
pub(super) async fn report(
    place: &Place,
    name: &str,
    (pattern, last, among): (Option<&Regex>, u32, Option<u32>),
    cx: &StepContext,
) -> Result<Report, Fault> {
    let no = |error: std::io::Error| unreadable(name, &error);
    let mut file = place.open(name)?;
    let length = file.metadata().map_err(no)?.len();
    let skipped = length.saturating_sub(READ);
    file.seek(SeekFrom::Start(skipped)).map_err(no)?;
    let mut found = Lines { pattern, last: last as usize, among: among.map(u64::from), ..Lines::default() };
    let mut stream = cx.tools.redactor.stream();
    // What is written meanwhile belongs to the next look.
    let mut rest = file.take(length - skipped);
    loop {
        // Read aside, a part at a time: whoever cancels is heard in between, and a disk that hangs holds up nobody.
        let (read, back) = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; CHUNK];
            let read = rest.read(&mut chunk);
            (
                read.map(|read| {
                    chunk.truncate(read);
                    chunk
                }),
                rest,
            )
        })
        .await
        .map_err(Sentence::plain)?;
        rest = back;
        let chunk = read.map_err(no)?;
        if chunk.is_empty() {
            break;
        }
        stream.push(&chunk, &mut |bytes| found.push(bytes));
    }
    stream.finish(&mut |bytes| found.push(bytes));
    found.end_open();
    found.forget();
    let mut recorder = Recorder::watched(cx, 0);
    for (_, line) in &found.kept {
        recorder.push(Pipe::Out, line.as_bytes());
        recorder.push(Pipe::Out, b"\n");
    }
    let matches = if among.is_some() { found.matched.len() } else { found.matches };
    let kept: Vec<String> = found.kept.into_iter().map(|(_, line)| line).collect();
    let line = match pattern {
        Some(_) => sentence!("action.file_matches", count => matches),
        None => sentence!("action.file_lines", count => kept.len()),
    };
    let output = (!kept.is_empty()).then(|| recorder.finish().output);
    let truncated = skipped > 0 || kept.len() < matches;
    let facts = json!({
        "lines": kept, "matches": matches, "scanned_bytes": length - skipped, "truncated": truncated,
    });
    Ok(Report { output, ..Report::new(facts, line) })
}

/// Splits bytes into lines and keeps the last that match.
#[derive(Default)]
struct Lines<'p> {
    pattern: Option<&'p Regex>,
    last: usize,
    /// Among how many of the last lines.
    among: Option<u64>,
    /// The line that has not ended yet.
    open: Vec<u8>,
    /// How many lines there were.
    number: u64,
    /// With their numbers.
    kept: VecDeque<(u64, String)>,
    matches: usize,
    /// The numbers of those that match, where only some of the last lines count.
    matched: VecDeque<u64>,
    size: usize,
}

impl Lines<'_> {
    fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let room = text.len().min(LINE - self.open.len());
            self.open.extend_from_slice(&text[..room]);
            if text.len() < part.len() {
                self.end();
            }
        }
    }

    fn end_open(&mut self) {
        if !self.open.is_empty() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.number += 1;
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.open)).into_owned();
        let text = text.trim_end_matches('\r');
        if self.pattern.is_some_and(|pattern| !pattern.is_match(text)) {
            return;
        }
        self.matches += 1;
        if self.among.is_some() {
            self.matched.push_back(self.number);
        }
        let line = beginning(text, LINE).to_owned();
        self.size += line.len();
        self.kept.push_back((self.number, line));
        while self.kept.len() > self.last || self.size > ALL {
            self.size -= self.kept.pop_front().map_or(0, |(_, line)| line.len());
        }
        self.forget();
    }

    /// Leaves out what lies before the lines that count.
    fn forget(&mut self) {
        let Some(among) = self.among else { return };
        let first = self.number.saturating_sub(among) + 1;
        while self.matched.front().is_some_and(|number| *number < first) {
            self.matched.pop_front();
        }
        while self.kept.front().is_some_and(|(number, _)| *number < first) {
            self.size -= self.kept.pop_front().map_or(0, |(_, line)| line.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_count_where_that_is_said() {
        let pattern = Regex::new("ERROR").unwrap();
        let count = |text: &str, among: Option<u64>| {
            let mut lines = Lines { pattern: Some(&pattern), last: 10, among, ..Lines::default() };
            lines.push(text.as_bytes());
            lines.end_open();
            lines.forget();
            (if among.is_some() { lines.matched.len() } else { lines.matches }, lines.kept.len())
        };
        let text = format!("ERROR old\n{}ERROR new\nok\n", "ok\n".repeat(200));
        assert_eq!(count(&text, None), (2, 2));
        assert_eq!(count(&text, Some(50)), (1, 1));
        assert_eq!(count(&text, Some(1)), (0, 0));
        assert_eq!(count("ERROR without an end", Some(1)), (1, 1));
    }
}
