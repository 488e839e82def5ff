//! Spans of time as people write them: a whole number and one unit, as in `90s`, `15m`, `2h`, `1d`.

/// The seconds of a written span; none when it is not one, or longer than an unsigned 64-bit number holds.
#[must_use]
pub fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.len().checked_sub(1)?.min(text.find(|c: char| !c.is_ascii_digit())?));
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// Seconds as people write them, in the largest unit that says it exactly.
#[must_use]
pub fn written(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let fits = units.iter().find(|(scale, _)| seconds > 0 && seconds.is_multiple_of(*scale));
    fits.map_or_else(|| format!("{seconds}s"), |(scale, unit)| format!("{}{unit}", seconds / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        for (text, want) in [
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("2h", Some(7_200)),
            ("1d", Some(86_400)),
            ("0s", Some(0)),
            ("", None),
            ("s", None),
            ("15", None),
            ("-1s", None),
            ("1.5h", None),
            ("5µ", None),
            ("5 m", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(seconds(text), want, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for span in [0, 1, 59, 60, 90, 3_600, 5_400, 86_400, 90_000] {
            assert_eq!(seconds(&written(span)), Some(span));
        }
    }
}
