//! `docker` logs: the last lines of each container and, for a while, those that come; redacted before they are split,
//! filtered or cut.

use std::collections::VecDeque;
use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt as _;
use regex::Regex;

use super::Attempt;
use super::engine::{Container, Engine, Fault, of_one};
use super::look::count;
use crate::clock::Timestamp;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::output::{Pipe, beginning};
use crate::executor::redact::{Redactor, Stream};

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
    /// How long to go on with what comes; not at all without.
    pub(super) follow: Option<Duration>,
}

/// Reads and filters the lines of every target: in the order of their names, or as they come where they are followed.
pub(super) async fn read(
    engine: &Engine,
    targets: &[Container],
    wanted: &Wanted<'_>,
    redactor: &Redactor,
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    let mut lines = Lines::new(wanted.pattern);
    let prefix = |target: &Container| match targets.len() {
        1 => String::new(),
        _ => format!("{} | ", target.name),
    };
    let mut feeds: Vec<Feed<'_>> = targets
        .iter()
        .map(|target| Feed { prefix: prefix(target), stream: redactor.stream(), open: Vec::new() })
        .collect();
    let streams = targets.iter().enumerate().map(|(at, target)| {
        engine.docker.logs(&target.id, Some(options(wanted))).map(move |frame| (at, frame)).boxed()
    });
    // One after the other, or all at once.
    let mut frames = match wanted.follow {
        None => futures_util::stream::iter(streams.collect::<Vec<_>>()).flatten().boxed(),
        Some(_) => futures_util::stream::select_all(streams).boxed(),
    };
    // A year and more: what is not followed ends by itself.
    let end = tokio::time::sleep(wanted.follow.unwrap_or(Duration::from_hours(24 * 365)));
    tokio::pin!(end);
    loop {
        let next = tokio::select! {
            next = frames.next() => next,
            () = &mut end => None,
        };
        let Some((at, frame)) = next else { break };
        let frame = frame.map_err(|error| of_one(&targets[at], &error))?;
        lines.bytes += frame.as_ref().len();
        feeds[at].push(frame.as_ref(), &mut lines);
        lines.show(attempt);
    }
    for feed in feeds {
        feed.finish(&mut lines);
        lines.show(attempt);
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
    let options = options.follow(wanted.follow.is_some());
    match wanted.since.map(|since| i32::try_from(since.0.div_euclid(1000))) {
        Some(Ok(since)) => options.since(since).build(),
        _ => options.build(),
    }
}

/// What comes from one container: redacted, then split into lines.
struct Feed<'r> {
    prefix: String,
    stream: Stream<'r>,
    /// The line that has not ended yet.
    open: Vec<u8>,
}

impl Feed<'_> {
    fn push(&mut self, bytes: &[u8], lines: &mut Lines<'_>) {
        let (open, prefix) = (&mut self.open, &self.prefix);
        self.stream.push(bytes, &mut |bytes| lines.push(bytes, open, prefix));
    }

    fn finish(mut self, lines: &mut Lines<'_>) {
        let (open, prefix) = (&mut self.open, &self.prefix);
        self.stream.finish(&mut |bytes| lines.push(bytes, open, prefix));
        if !self.open.is_empty() {
            lines.end(&self.open, &self.prefix);
        }
    }
}

/// Keeps the newest lines that match.
struct Lines<'p> {
    pattern: Option<&'p Regex>,
    kept: VecDeque<String>,
    /// Those of them that have not been shown.
    fresh: usize,
    size: usize,
    matches: usize,
    bytes: usize,
    /// Whether a line was cut.
    cut: bool,
}

impl<'p> Lines<'p> {
    fn new(pattern: Option<&'p Regex>) -> Self {
        Self { pattern, kept: VecDeque::new(), fresh: 0, size: 0, matches: 0, bytes: 0, cut: false }
    }

    fn push(&mut self, bytes: &[u8], open: &mut Vec<u8>, prefix: &str) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            let room = text.len().min(LINE - open.len());
            open.extend_from_slice(&text[..room]);
            self.cut |= room < text.len();
            if ends {
                self.end(&std::mem::take(open), prefix);
            }
        }
    }

    fn end(&mut self, line: &[u8], prefix: &str) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches('\r');
        if self.pattern.is_some_and(|pattern| !pattern.is_match(text)) {
            return;
        }
        self.matches += 1;
        let line = beginning(&format!("{prefix}{text}"), SHOWN).to_owned();
        self.size += line.len();
        self.kept.push_back(line);
        self.fresh += 1;
        while self.kept.len() > LINES || self.size > SHOWN {
            self.size -= self.kept.pop_front().map_or(0, |line| line.len());
        }
    }

    /// Gives on what is new.
    fn show(&mut self, attempt: &mut Attempt<'_>) {
        for line in self.kept.iter().skip(self.kept.len().saturating_sub(self.fresh)) {
            attempt.recorder.push(Pipe::Out, line.as_bytes());
            attempt.recorder.push(Pipe::Out, b"\n");
        }
        self.fresh = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(redactor: &Redactor) -> Feed<'_> {
        Feed { prefix: String::new(), stream: redactor.stream(), open: Vec::new() }
    }

    #[test]
    fn lines_split_over_frames_are_whole_and_the_newest_stay() {
        let (pattern, redactor) = (Regex::new("ERROR").unwrap(), Redactor::default());
        let (mut lines, mut one) = (Lines::new(Some(&pattern)), feed(&redactor));
        one.push(b"INFO up\nERR", &mut lines);
        one.push(b"OR one\r\nERROR two", &mut lines);
        one.finish(&mut lines);
        assert_eq!(lines.kept, ["ERROR one", "ERROR two"]);
        let (mut lines, mut one) = (Lines::new(None), feed(&redactor));
        (0..3000).for_each(|n| one.push(format!("line {n}\n").as_bytes(), &mut lines));
        assert_eq!((lines.kept.len(), lines.matches), (LINES, 3000));
        assert_eq!(lines.kept.back().unwrap(), "line 2999");
    }

    #[test]
    fn one_endless_line_does_not_fill_memory() {
        let redactor = Redactor::default();
        let (mut lines, mut one) = (Lines::new(None), feed(&redactor));
        (0..1000).for_each(|_| one.push(&[b'x'; 1000], &mut lines));
        one.push(b"\nnext\n", &mut lines);
        assert_eq!((lines.kept[0].len(), lines.kept[1].as_str(), lines.cut), (LINE, "next", true));
    }
}
