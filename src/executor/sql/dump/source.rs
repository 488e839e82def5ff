//! A backup read from its beginning to its end, once: unpacked, hashed and judged as it passes, in memory that does not
//! grow with it. A plain dump loses the lines that only `psql` gave a meaning, and what would follow its end.

use std::fs::File;
use std::io::{self, Read, Seek as _};

use flate2::read::MultiGzDecoder;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::domain::digest::hex;
use crate::domain::sentence::{Sentence, sentence};

/// Bytes that are handed on at a time.
const CHUNK: usize = 128 * 1024;
/// Bytes at the end of a plain dump that are looked at before they are handed on, and most of its header.
const MARGIN: usize = 2 * 1024;
/// Chunks that wait for whoever reads them.
const WAITING: usize = 4;
/// The lines that a plain dump of one database begins and ends with.
const BEGIN: &[u8] = b"-- PostgreSQL database dump\n";
const END: &[u8] = b"\n-- PostgreSQL database dump complete\n--\n";

/// How a backup is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::executor::sql) enum Format {
    /// PostgreSQL's own archive, compressed.
    Custom,
    /// SQL.
    Plain,
}

impl Format {
    pub(in crate::executor::sql) fn as_str(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Plain => "plain",
        }
    }
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::executor::sql) struct Kind {
    pub(in crate::executor::sql) format: Format,
    pub(in crate::executor::sql) gzip: bool,
}

/// What was seen of a file that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::executor::sql) struct Seen {
    /// Of the file as it lies there.
    pub(in crate::executor::sql) bytes: u64,
    pub(in crate::executor::sql) sha256: String,
}

/// Looks at a file's first bytes.
pub(in crate::executor::sql) fn kind(file: &mut File) -> Result<Kind, Sentence> {
    let said = |error: io::Error| sentence!("action.sql_broken_archive", why => error.to_string());
    file.rewind().map_err(said)?;
    let mut magic = Vec::new();
    Read::by_ref(file).take(2).read_to_end(&mut magic).map_err(said)?;
    file.rewind().map_err(said)?;
    let gzip = magic == [0x1f, 0x8b];
    let mut head = Vec::new();
    let limit = MARGIN as u64;
    let read = match gzip {
        true => MultiGzDecoder::new(&*file).take(limit).read_to_end(&mut head),
        false => Read::by_ref(file).take(limit).read_to_end(&mut head),
    };
    read.map_err(said)?;
    file.rewind().map_err(said)?;
    match () {
        () if head.starts_with(b"PGDMP") => Ok(Kind { format: Format::Custom, gzip }),
        () if position(&head, BEGIN).is_some() => Ok(Kind { format: Format::Plain, gzip }),
        () => Err(sentence!("action.sql_no_dump")),
    }
}

/// A file that is being read on a thread of its own, until this is dropped.
pub(in crate::executor::sql) struct Reading {
    chunks: Option<mpsc::Receiver<Vec<u8>>>,
    task: JoinHandle<Result<Seen, Sentence>>,
    _stop: DropGuard,
}

impl Reading {
    /// Starts to read; `first` is handed on before the file.
    pub(in crate::executor::sql) fn start(file: File, kind: Kind, first: Vec<u8>) -> Self {
        let (sender, chunks) = mpsc::channel(WAITING);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::task::spawn_blocking(move || {
            // Whoever reads may have read enough before the end; the digest is of the whole file.
            let mut give = |chunk: Vec<u8>| {
                let _ = sender.blocking_send(chunk);
                !stopped.is_cancelled()
            };
            give(first);
            read(file, kind, &mut give)
        });
        Self { chunks: Some(chunks), task, _stop: stop.drop_guard() }
    }

    /// What a program is to read. Once.
    pub(in crate::executor::sql) fn chunks(&mut self) -> Option<mpsc::Receiver<Vec<u8>>> {
        self.chunks.take()
    }

    /// What was seen. What nobody took is read all the same.
    pub(in crate::executor::sql) async fn seen(mut self) -> Result<Seen, Sentence> {
        if let Some(mut chunks) = self.chunks.take() {
            while chunks.recv().await.is_some() {}
        }
        (&mut self.task).await.unwrap_or_else(|error| Err(Sentence::plain(error)))
    }
}

/// Hashes and counts what passes.
struct Hashed {
    file: File,
    hash: Context,
    bytes: u64,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Reads a whole file; `give` says whether to go on.
fn read(mut file: File, kind: Kind, give: &mut dyn FnMut(Vec<u8>) -> bool) -> Result<Seen, Sentence> {
    let said = |error: io::Error| sentence!("action.sql_broken_archive", why => error.to_string());
    file.rewind().map_err(said)?;
    let mut raw = Hashed { file, hash: Context::new(&SHA256), bytes: 0 };
    let mut plain = (kind.format == Format::Plain).then(Plain::default);
    let mut pass = |unpacked: &mut dyn Read| {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = unpacked.take(CHUNK as u64).read_to_end(&mut chunk).map_err(said)?;
            if read == 0 {
                return Ok(());
            }
            let chunk = match &mut plain {
                Some(plain) => plain.push(chunk),
                None => chunk,
            };
            if !give(chunk) {
                return Err(sentence!("action.cancelled"));
            }
        }
    };
    match kind.gzip {
        true => pass(&mut MultiGzDecoder::new(&mut raw))?,
        false => pass(&mut raw)?,
    }
    if let Some(plain) = plain {
        give(plain.end()?);
    }
    Ok(Seen { bytes: raw.bytes, sha256: hex(raw.hash.finish().as_ref()) })
}

/// A plain dump as it passes. Its end is held back until it is known to be the end.
#[derive(Default)]
struct Plain {
    held: Vec<u8>,
    begun: bool,
}

impl Plain {
    fn push(&mut self, chunk: Vec<u8>) -> Vec<u8> {
        self.held.extend(chunk);
        if !self.begun && self.held.len() >= 2 * MARGIN {
            self.begin();
        }
        let ready = self.held.len().saturating_sub(MARGIN);
        if self.begun { self.held.drain(..ready).collect() } else { Vec::new() }
    }

    /// Takes out the header's own `\restrict`, which would be refused under ours.
    fn begin(&mut self) {
        self.begun = true;
        const WORD: &[u8] = b"\n\\restrict ";
        let head = &self.held[..self.held.len().min(MARGIN)];
        let Some(at) = position(head, WORD) else { return };
        let commented = head[..at].split(|byte| *byte == b'\n').all(|line| line.is_empty() || line.starts_with(b"--"));
        if commented && let Some(length) = head[at + 1..].iter().position(|byte| *byte == b'\n') {
            self.held.drain(at + 1..at + 1 + length);
        }
    }

    /// What is left, if the dump is complete.
    fn end(mut self) -> Result<Vec<u8>, Sentence> {
        if !self.begun {
            self.begin();
        }
        let at = position(&self.held, END).ok_or_else(|| sentence!("action.sql_cut_off"))?;
        let rest = self.held.split_off(at + END.len());
        let nothing = |line: &[u8]| line.is_empty() || line.starts_with(b"\\unrestrict ");
        match rest.split(|byte| *byte == b'\n').all(nothing) {
            true => Ok(self.held),
            false => Err(sentence!("action.sql_goes_on")),
        }
    }
}

fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|part| part == word)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const HEAD: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict KEY\n\n-- Dumped from version 15\n\n";
    const TAIL: &str = "\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict KEY\n\n";

    fn passed(bytes: &[u8]) -> Result<String, Sentence> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let kind = kind(&mut file)?;
        let mut out = Vec::new();
        let seen = read(file, kind, &mut |chunk| {
            out.extend(chunk);
            true
        })?;
        assert_eq!((seen.bytes as usize, seen.sha256), (bytes.len(), crate::domain::digest::sha256(bytes)));
        Ok(String::from_utf8(out).unwrap())
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_plain_dump_passes_without_what_only_its_own_psql_would_read() {
        for body in ["SELECT 1;\n".to_owned(), "SELECT 'ñ';\n".repeat(100_000), "x\n".repeat(2 * MARGIN / 2 - 90)] {
            let text = format!("{HEAD}{body}{TAIL}");
            let wanted = text.replace("\\restrict KEY", "").replace("\n\\unrestrict KEY\n\n", "");
            assert_eq!(passed(text.as_bytes()).unwrap(), wanted);
            assert_eq!(passed(&packed(&text)).unwrap(), wanted, "packed");
        }
        // Only the header's own line: a program's text that looks like it stays.
        let late = format!("--\n-- PostgreSQL database dump\n--\nSELECT 1;\n\\restrict x\n{TAIL}");
        assert!(passed(late.as_bytes()).unwrap().contains("\\restrict x"));
    }

    #[test]
    fn a_dump_that_is_cut_or_goes_on_is_none() {
        let text = format!("{HEAD}{}{TAIL}", "SELECT 1;\n".repeat(10_000));
        for at in [HEAD.len() + 5, text.len() / 2, text.len() - 40] {
            assert_eq!(passed(&text.as_bytes()[..at]), Err(sentence!("action.sql_cut_off")), "{at}");
        }
        let more = format!("{text}DROP TABLE orders;\n");
        assert_eq!(passed(more.as_bytes()), Err(sentence!("action.sql_goes_on")));
        for other in ["", "hello", "--\n-- PostgreSQL database cluster dump\n--\n"] {
            assert_eq!(passed(other.as_bytes()), Err(sentence!("action.sql_no_dump")), "{other}");
        }
    }

    /// D17: `gunzip | psql` hides a broken archive.
    #[test]
    fn a_broken_archive_is_found() {
        let text = format!("{HEAD}{}{TAIL}", (0..50_000).map(|n| format!("SELECT {n};\n")).collect::<String>());
        let packed = packed(&text);
        let mut flipped = packed.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x55;
        for broken in [&packed[..packed.len() - 4], &packed[..packed.len() / 2], &flipped] {
            let why = format!("{:?}", passed(broken).unwrap_err());
            assert!(why.contains("sql_broken_archive"), "{why}");
        }
    }
}
