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
    (pattern, last): (Option<&Regex>, u32),
    cx: &StepContext,
) -> Result<Report, Fault> {
    let no = |error: std::io::Error| unreadable(name, &error);
    let mut file = place.open(name)?;
    let length = file.metadata().map_err(no)?.len();
    let skipped = length.saturating_sub(READ);
    file.seek(SeekFrom::Start(skipped)).map_err(no)?;
    let mut found =
        Lines { pattern, last: last as usize, open: Vec::new(), kept: VecDeque::new(), matches: 0, size: 0 };
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
    let mut recorder = Recorder::watched(cx, 0);
    for line in &found.kept {
        recorder.push(Pipe::Out, line.as_bytes());
        recorder.push(Pipe::Out, b"\n");
    }
    let (kept, matches) = (found.kept, found.matches);
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
struct Lines<'p> {
    pattern: Option<&'p Regex>,
    last: usize,
    /// The line that has not ended yet.
    open: Vec<u8>,
    kept: VecDeque<String>,
    matches: usize,
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
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.open)).into_owned();
        let text = text.trim_end_matches('\r');
        if self.pattern.is_some_and(|pattern| !pattern.is_match(text)) {
            return;
        }
        self.matches += 1;
        let line = beginning(text, LINE).to_owned();
        self.size += line.len();
        self.kept.push_back(line);
        while self.kept.len() > self.last || self.size > ALL {
            self.size -= self.kept.pop_front().map_or(0, |line| line.len());
        }
    }
}
