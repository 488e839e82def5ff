//! Amounts of memory and of processors as people write them. Knows nothing of the engine.

use crate::domain::sentence::{Sentence, sentence};

/// The least memory that the engine gives a container, in bytes.
const LEAST: i64 = 6 * 1024 * 1024;

/// Memory that a container can have, in bytes.
pub(super) fn memory(text: &str) -> Result<i64, Sentence> {
    bytes(text).filter(|bytes| *bytes >= LEAST).ok_or_else(|| sentence!("action.docker_memory", text))
}

/// `512m`, `1g` or plain bytes, as bytes.
fn bytes(text: &str) -> Option<i64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &lower[digits.len()..] {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

/// Processors in billionths.
pub(super) fn nano_cpus(text: &str) -> Result<i64, Sentence> {
    let wrong = || sentence!("action.docker_cpus", text);
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 9 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    let part: i64 = format!("{part:0<9}").parse().map_err(|_| wrong())?;
    match whole.checked_mul(1_000_000_000).and_then(|nano| nano.checked_add(part)) {
        Some(nano) if whole >= 0 && nano > 0 => Ok(nano),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let read = ["512m", "1g", "1GiB", "64k", "1000", "1.5g", "", "g", "9999999999g"].map(bytes);
        let (k, m, g) = (1 << 10, 1 << 20, 1 << 30);
        let known = [Some(512 * m), Some(g), Some(g), Some(64 * k), Some(1000), None, None, None, None];
        assert_eq!(read, known);
        assert_eq!(
            ["1.5", "2", "0.25"].map(|text| nano_cpus(text).ok()),
            [1_500_000_000, 2_000_000_000, 250_000_000].map(Some)
        );
        assert!(["0", "-1", "1.2.3", "x", "0.0000000001"].iter().all(|text| nano_cpus(text).is_err()));
    }
}
