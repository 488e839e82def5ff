//! What came out of the world and goes to people: cleaned, redacted and capped, in memory that does not grow with
//! it. Knows nothing of where bytes come from.

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::StepContext;
use super::live::Live;
use super::redact::{Redactor, Stream};
use crate::domain::digest::hex;
use crate::domain::step::Output;

/// Bytes kept from the beginning, and as many from the end.
const KEPT: usize = 16 * 1024;

/// Which of a program's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pipe {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// The one gate for text from outside: it cannot move a cursor, colour, ring, overwrite, or turn the reading
/// direction. Newlines and tabs stay, `\r` is a newline, colour sequences go, every other control character and
/// every character that hides or reorders text is shown as `\u001b`. Cleaning twice changes nothing.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' if rest.as_str().starts_with('\n') => {}
            '\r' => out.push('\n'),
            '\u{1b}' if let Some(after) = after_sequence(rest.as_str()) => rest = after.chars(),
            c if c.is_control() || deceives(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// What follows `[…m` and its kin, the sequences that colour, erase and move: they carry no text.
fn after_sequence(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('[')?.trim_start_matches(|c: char| matches!(c, '\u{20}'..='\u{3f}'));
    rest.strip_prefix(|c: char| matches!(c, '\u{40}'..='\u{7e}'))
}

/// Marks that reorder text, line separators, and tags that nobody sees.
fn deceives(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Keeps the beginning and the end of a stream, counts and digests all of it.
struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    seen: u64,
    digest: ring::digest::Context,
}

impl Capture {
    fn new() -> Self {
        let digest = ring::digest::Context::new(&ring::digest::SHA256);
        Self { head: Vec::new(), tail: VecDeque::new(), seen: 0, digest }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.seen += bytes.len() as u64;
        let (first, rest) = bytes.split_at(bytes.len().min(KEPT - self.head.len()));
        self.head.extend_from_slice(first);
        let last = &rest[rest.len().saturating_sub(KEPT)..];
        let over = (self.tail.len() + last.len()).saturating_sub(KEPT);
        self.tail.drain(..over);
        self.tail.extend(last);
    }

    fn finish(mut self, bytes: u64) -> Output {
        let left_out = self.seen - (self.head.len() + self.tail.len()) as u64;
        let mut tail = Vec::from(self.tail);
        if left_out == 0 {
            self.head.append(&mut tail);
        } else {
            // The cuts are ours: a character that they split is not shown as broken.
            self.head.truncate(whole_characters(&self.head));
            let broken = tail.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
            tail.drain(..broken);
        }
        Output {
            head: clean(&String::from_utf8_lossy(&self.head)),
            tail: clean(&String::from_utf8_lossy(&tail)),
            left_out,
            bytes,
            sha256: hex(self.digest.finish().as_ref()),
        }
    }
}

/// Length without a last character that is cut off.
fn whole_characters(bytes: &[u8]) -> usize {
    match bytes.utf8_chunks().last() {
        Some(last) if std::str::from_utf8(last.invalid()).is_err_and(|error| error.error_len().is_none()) => {
            bytes.len() - last.invalid().len()
        }
        _ => bytes.len(),
    }
}

/// Records both streams of a program: redacted, together as an [`Output`], and the beginning of standard output
/// by itself for facts.
pub struct Recorder<'r> {
    out: Stream<'r>,
    err: Stream<'r>,
    both: Capture,
    stdout: Vec<u8>,
    stdout_whole: bool,
    bytes: u64,
    limit: usize,
    live: Live,
}

/// What a [`Recorder`] has recorded.
pub struct Recorded {
    /// Both streams as they came.
    pub output: Output,
    /// Standard output's beginning, redacted and cleaned.
    pub stdout: String,
    /// Whether that is all of it.
    pub stdout_whole: bool,
}

impl<'r> Recorder<'r> {
    /// One that keeps `limit` bytes of standard output for facts.
    #[must_use]
    pub fn new(redactor: &'r Redactor, limit: usize) -> Self {
        let (out, err, both) = (redactor.stream(), redactor.stream(), Capture::new());
        Self { out, err, both, stdout: Vec::new(), stdout_whole: true, bytes: 0, limit, live: Live::default() }
    }

    /// One whose bytes people may watch as they come.
    #[must_use]
    pub fn watched(cx: &'r StepContext, limit: usize) -> Self {
        Self { live: cx.live.clone(), ..Self::new(&cx.tools.redactor, limit) }
    }

    /// Takes the next bytes of one stream.
    pub fn push(&mut self, pipe: Pipe, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        match pipe {
            Pipe::Err => self.err.push(bytes, &mut |bytes| {
                self.live.push(bytes);
                self.both.push(bytes);
            }),
            Pipe::Out => self.out.push(bytes, &mut |bytes| {
                self.live.push(bytes);
                self.both.push(bytes);
                keep(&mut self.stdout, &mut self.stdout_whole, bytes, self.limit);
            }),
        }
    }

    /// Ends both streams.
    #[must_use]
    pub fn finish(mut self) -> Recorded {
        self.out.finish(&mut |bytes| {
            self.both.push(bytes);
            keep(&mut self.stdout, &mut self.stdout_whole, bytes, self.limit);
        });
        self.err.finish(&mut |bytes| self.both.push(bytes));
        let stdout = clean(&String::from_utf8_lossy(&self.stdout));
        Recorded { output: self.both.finish(self.bytes), stdout, stdout_whole: self.stdout_whole }
    }
}

fn keep(kept: &mut Vec<u8>, whole: &mut bool, bytes: &[u8], limit: usize) {
    let room = bytes.len().min(limit - kept.len());
    kept.extend_from_slice(&bytes[..room]);
    *whole &= room == bytes.len();
}

/// The beginning of a text, at most `limit` bytes, cut between characters.
#[must_use]
pub fn beginning(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::digest::sha256;

    fn recorded(parts: &[&[u8]]) -> Output {
        let redactor = Redactor::default();
        let mut recorder = Recorder::new(&redactor, 100);
        parts.iter().for_each(|part| recorder.push(Pipe::Out, part));
        recorder.finish().output
    }

    #[test]
    fn text_from_outside_cannot_act_on_a_terminal_or_deceive_a_reader() {
        for (dirty, clean_text) in [
            ("plain\ttext\nñ 日本 🚨", "plain\ttext\nñ 日本 🚨"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("50%\r100%\r\n", "50%\n100%\n"),
            ("\u{1b}]0;title\u{7}", "\\u001b]0;title\\u0007"),
            ("\u{1b}[31", "\\u001b[31"),
            ("\u{9b}31m", "\\u009b31m"),
            ("a\u{202e}b\u{2066}c", "a\\u202eb\\u2066c"),
            ("nul\0del\u{7f}", "nul\\u0000del\\u007f"),
            ("\u{2028}\u{feff}\u{e0041}", "\\u2028\\ufeff\\ue0041"),
        ] {
            assert_eq!(clean(dirty), clean_text);
            assert_eq!(clean(clean_text), clean_text, "cleaning twice changes nothing");
        }
    }

    #[test]
    fn a_short_output_is_kept_whole() {
        let output = recorded(&[b"one\n", b"two\n"]);
        assert_eq!((output.head.as_str(), output.tail.as_str(), output.left_out), ("one\ntwo\n", "", 0));
        assert_eq!((output.bytes, output.sha256), (8, sha256(b"one\ntwo\n")));
    }

    #[test]
    fn a_long_output_keeps_both_ends_and_the_digest_of_all() {
        let all: Vec<u8> = (0..200_000u32).flat_map(|n| format!("{n} é\n").into_bytes()).collect();
        for chunk in [1000, 7, 70_000] {
            let output = recorded(&all.chunks(chunk).collect::<Vec<_>>());
            assert!(output.head.starts_with("0 é\n") && output.tail.ends_with("199999 é\n"));
            assert!(!output.head.contains('\u{fffd}') && !output.tail.contains('\u{fffd}'));
            assert_eq!(output.left_out as usize, all.len() - 2 * KEPT);
            assert_eq!((output.bytes as usize, output.sha256), (all.len(), sha256(&all)));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        assert_eq!(recorded(&[b"a\xff\xfeb"]).head, "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn a_secret_split_over_chunks_stays_in_on_either_stream() {
        let secret = crate::secret::Secret::new("hunter2hunter2");
        let redactor = Redactor::new([("db", &secret)].into_iter());
        let mut recorder = Recorder::new(&redactor, 100);
        for byte in b"x hunter2hunter2 y" {
            recorder.push(Pipe::Out, &[*byte]);
            recorder.push(Pipe::Err, &[*byte]);
        }
        let recorded = recorder.finish();
        assert_eq!(recorded.stdout, "x [redacted db] y");
        assert!(!recorded.output.head.contains("hunter2"), "{}", recorded.output.head);
        assert_eq!(recorded.output.head.matches("[redacted db]").count(), 2);
        assert_eq!(recorded.output.bytes, 36);
    }
}
