//! SHA-256 over canonical JSON: keys sorted, no spaces; so that equal things have equal digests on every machine.

use serde::Serialize;

/// The lower-case hex SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The canonical JSON text of a value: `serde_json::Value` keeps its keys sorted.
///
/// # Panics
/// If the value cannot be JSON (a map with keys that are not text); our own types always can.
#[must_use]
pub fn canonical(value: &impl Serialize) -> String {
    serde_json::to_value(value).expect("our types are JSON").to_string()
}

/// The digest of a value's canonical JSON.
#[must_use]
pub fn of(value: &impl Serialize) -> String {
    sha256(canonical(value).as_bytes())
}

/// What tells a value from others of the same name: its digest, in short.
#[must_use]
pub fn mark(value: &impl Serialize) -> String {
    short(&of(value)).to_owned()
}

/// A name that means the value with this mark and no other, as in `approve~3f2a91c04b7d`; the name alone without a mark.
#[must_use]
pub fn marked(name: &str, mark: &str) -> String {
    if mark.is_empty() { name.to_owned() } else { format!("{name}~{mark}") }
}

/// The first twelve digits, for people to compare.
#[must_use]
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
