//! Takes every known secret out of bytes, text and JSON before anything else sees them: as it is, and as base64,
//! percent-encoding, JSON escapes and hex make it look. Knows nothing of where secrets or bytes come from.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::domain::digest::hex;
use crate::secret::Secret;

/// Secrets shorter than this many bytes are not looked for: they would be found in ordinary words everywhere.
pub const SHORTEST: usize = 6;

/// How what stands in for a secret begins.
pub const REDACTED: &str = "[redacted ";

/// A line of a secret of several lines (a key file) is looked for by itself from this many bytes on.
const SHORTEST_LINE: usize = 16;

/// Replaces every known secret by `[redacted NAME]`. The default one knows none.
#[derive(Default)]
pub struct Redactor {
    machine: Option<AhoCorasick>,
    /// What stands in for each pattern.
    labels: Vec<String>,
    patterns: Vec<Vec<u8>>,
    /// Length of the longest pattern, in bytes.
    longest: usize,
}

impl Redactor {
    /// One that knows these secrets by name.
    pub fn new<'s>(secrets: impl Iterator<Item = (&'s str, &'s Secret)>) -> Self {
        Self::default().knowing(secrets)
    }

    /// One that knows these, too.
    #[must_use]
    pub fn knowing<'s>(&self, secrets: impl Iterator<Item = (&'s str, &'s Secret)>) -> Self {
        let (mut patterns, mut labels) = (self.patterns.clone(), self.labels.clone());
        for (name, secret) in secrets {
            let mut forms = forms(secret.reveal());
            forms.retain(|form| !patterns.contains(form));
            labels.resize(labels.len() + forms.len(), format!("{REDACTED}{name}]"));
            patterns.extend(forms);
        }
        let longest = patterns.iter().map(Vec::len).max().unwrap_or(0);
        // Without regard to case: it takes hex and percent-encoding in either spelling, and a secret that a
        // program printed in capitals.
        let machine = AhoCorasickBuilder::new()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(&patterns)
            .expect("secrets are far under the limit of 2^31 states");
        Self { machine: (longest > 0).then_some(machine), labels, patterns, longest }
    }

    /// Whether these bytes are the beginning of a pattern that goes on.
    fn may_begin(&self, bytes: &[u8]) -> bool {
        let mut longer = self.patterns.iter().filter(|pattern| pattern.len() > bytes.len());
        longer.any(|pattern| pattern[..bytes.len()].eq_ignore_ascii_case(bytes))
    }

    /// A redacted copy of a text.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        match &self.machine {
            Some(machine) => machine.replace_all(text, &self.labels),
            None => text.to_owned(),
        }
    }

    /// A redacted copy of a value: every text in it, keys too.
    #[must_use]
    pub fn value(&self, value: &Value) -> Value {
        if self.machine.is_none() {
            return value.clone();
        }
        map_text(value, &|text| self.text(text))
    }

    /// Starts on a stream of bytes.
    #[must_use]
    pub fn stream(&self) -> Stream<'_> {
        Stream { redactor: self, held: Vec::new() }
    }
}

/// A copy of a value with `change` applied to every text in it, keys too.
pub(super) fn map_text(value: &Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(text)),
        Value::Array(items) => items.iter().map(|item| map_text(item, change)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, field)| (change(key), map_text(field, change)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// A stream of bytes that is redacted as it passes. Holds back an end that may be the beginning of a secret, and
/// nothing else: people watch it.
pub struct Stream<'r> {
    redactor: &'r Redactor,
    held: Vec<u8>,
}

impl Stream<'_> {
    /// Takes the next bytes and gives on what is decided.
    pub fn push(&mut self, bytes: &[u8], give: &mut dyn FnMut(&[u8])) {
        let Some(machine) = &self.redactor.machine else { return give(bytes) };
        self.held.extend_from_slice(bytes);
        // A pattern that starts before this place has been seen whole.
        let far = (self.held.len() + 1).saturating_sub(self.redactor.longest);
        let begins = |at: &usize| self.redactor.may_begin(&self.held[*at..]);
        let decided = (far..self.held.len()).find(begins).unwrap_or(self.held.len());
        let done = replace(machine, &self.redactor.labels, &self.held, decided, give);
        self.held.drain(..done);
    }

    /// Gives on what is left.
    pub fn finish(self, give: &mut dyn FnMut(&[u8])) {
        if let Some(machine) = &self.redactor.machine {
            replace(machine, &self.redactor.labels, &self.held, self.held.len(), give);
        }
    }
}

/// Gives on everything before `decided`, patterns that start there replaced. Returns how many bytes are done with.
fn replace(
    machine: &AhoCorasick,
    labels: &[String],
    bytes: &[u8],
    decided: usize,
    give: &mut dyn FnMut(&[u8]),
) -> usize {
    let mut done = 0;
    for found in machine.find_iter(bytes).take_while(|found| found.start() < decided) {
        give(&bytes[done..found.start()]);
        give(labels[found.pattern().as_usize()].as_bytes());
        done = found.end();
    }
    if done < decided {
        give(&bytes[done..decided]);
        done = decided;
    }
    done
}

/// Every spelling of one secret that is looked for.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    let lines = secret.lines().filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with("-----"));
    let whole = [secret, secret.trim()].into_iter().filter(|text| text.len() >= SHORTEST);
    for text in whole.chain(lines.filter(|_| secret.trim().contains('\n'))) {
        let bytes = text.as_bytes();
        forms.push(bytes.to_vec());
        forms.push(hex(bytes).into_bytes());
        forms.extend(percent_encoded(bytes));
        forms.extend(json_escaped(text));
        for whole in [STANDARD, URL_SAFE, STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            forms.push(whole.encode(bytes).into_bytes());
        }
        for before in 0..3 {
            forms.extend([STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|base64| inside_base64(&base64, bytes, before)));
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

/// The digits that depend on the secret alone when `before` other bytes (modulo 3) come first in the encoded data.
fn inside_base64(base64: &impl base64::Engine, secret: &[u8], before: usize) -> Vec<u8> {
    let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(secret.iter().copied()).collect();
    let digits = base64.encode(&padded).into_bytes();
    let first = (before * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    digits[first..end].to_vec()
}

/// As in a URL's path, and as in a form (a space is `+`).
fn percent_encoded(bytes: &[u8]) -> [Vec<u8>; 2] {
    [false, true].map(|form| {
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes {
            match byte {
                b' ' if form => out.push(b'+'),
                byte if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) => out.push(*byte),
                byte => out.extend(format!("%{byte:02X}").into_bytes()),
            }
        }
        out
    })
}

/// As in JSON: the least escapes, and those of encoders that keep to ASCII or escape slashes.
fn json_escaped(text: &str) -> [Vec<u8>; 3] {
    let plain = Value::from(text).to_string();
    let plain = &plain[1..plain.len() - 1];
    let ascii = plain.chars().fold(String::new(), |mut out, c| {
        match c {
            c if c.is_ascii() => out.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
        out
    });
    [plain.to_owned(), ascii.clone(), ascii.replace('/', "\\/")].map(String::into_bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redactor() -> Redactor {
        let secrets = [("db", "p@ss w/ö\"rd+42"), ("token", "xoxb-1234567890"), ("short", "abc")]
            .map(|(name, text)| (name, Secret::new(text)));
        Redactor::new(secrets.iter().map(|(name, secret)| (*name, secret)))
    }

    fn streamed(redactor: &Redactor, bytes: &[u8], chunk: usize) -> String {
        let (mut out, mut stream) = (Vec::new(), redactor.stream());
        for part in bytes.chunks(chunk) {
            stream.push(part, &mut |bytes| out.extend_from_slice(bytes));
        }
        stream.finish(&mut |bytes| out.extend_from_slice(bytes));
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn every_spelling_is_taken_out_however_it_is_split() {
        let redactor = redactor();
        let secret = "p@ss w/ö\"rd+42";
        let mut spellings = vec![secret.to_owned(), hex(secret.as_bytes()), hex(secret.as_bytes()).to_uppercase()];
        spellings.extend(percent_encoded(secret.as_bytes()).map(|form| String::from_utf8(form).unwrap()));
        spellings.extend(json_escaped(secret).map(|form| String::from_utf8(form).unwrap()));
        for spelling in spellings {
            let text = format!("before {spelling} after");
            for chunk in 1..=text.len() {
                assert_eq!(streamed(&redactor, text.as_bytes(), chunk), "before [redacted db] after");
            }
        }
    }

    #[test]
    fn base64_is_found_at_every_alignment_with_and_without_padding() {
        let redactor = redactor();
        for before in ["", "u", "us", "user:", "user:x"] {
            for after in ["", "!", "!!", "!!!"] {
                let data = format!("{before}xoxb-1234567890{after}");
                for base64 in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
                    let encoded = base64.encode(&data);
                    let out = streamed(&redactor, encoded.as_bytes(), 5);
                    assert!(out.contains("[redacted token]"), "{data} {encoded} {out}");
                    // What stays of the first and last digits tells less than one byte each.
                    assert!(out.len() - "[redacted token]".len() <= encoded.len() - 18, "{encoded} {out}");
                }
            }
        }
        assert_eq!(redactor.text(&STANDARD.encode("xoxb-1234567890")), "[redacted token]");
    }

    #[test]
    fn a_stream_is_the_text_when_there_is_nothing_to_hide() {
        let text = "xoxb-123456789 xoxb-12345678 xoxb-xoxb-xoxb abc p@ss w";
        for chunk in 1..=text.len() {
            assert_eq!(streamed(&redactor(), text.as_bytes(), chunk), text);
        }
        assert_eq!(streamed(&Redactor::default(), text.as_bytes(), 3), text);
    }

    #[test]
    fn only_what_may_be_the_beginning_of_a_secret_is_held_back() {
        let redactor = redactor();
        let (mut out, mut stream) = (Vec::new(), redactor.stream());
        stream.push(b"done: 3 of 9\n", &mut |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"done: 3 of 9\n", "it is seen as it comes");
        stream.push(b"key XOXB-12", &mut |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"done: 3 of 9\nkey ", "the rest may be a secret");
        stream.push(b"34567890\n", &mut |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"done: 3 of 9\nkey [redacted token]\n");
    }

    #[test]
    fn keys_and_texts_of_a_value_are_redacted() {
        let value = json!({"xoxb-1234567890": ["a XOXB-1234567890 b", 7, {"x": "fine"}]});
        assert_eq!(redactor().value(&value), json!({"[redacted token]": ["a [redacted token] b", 7, {"x": "fine"}]}));
    }

    #[test]
    fn each_line_of_a_key_file_is_a_secret_and_its_frame_is_not() {
        let key =
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcwggSj\n-----END PRIVATE KEY-----\n";
        let secret = Secret::new(key);
        let redactor = Redactor::new([("key", &secret)].into_iter());
        assert_eq!(redactor.text("| 9w0BAQEFAASCBKcwggSj\n"), "| [redacted key]\n");
        assert_eq!(redactor.text("-----BEGIN PRIVATE KEY-----"), "-----BEGIN PRIVATE KEY-----");
        assert_eq!(redactor.text(key.trim()), "[redacted key]");
    }
}
