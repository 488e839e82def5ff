//! Spans of time as people write them: `90s`, `15m`, `2h`, `1d`; a bare number is seconds.

/// The seconds of a span; none if it is no span.
#[must_use]
pub fn seconds(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A span as people write it, in the largest unit that fits it whole.
#[must_use]
pub fn show(seconds: u64) -> String {
    match seconds {
        0 => "0s".to_owned(),
        whole if whole % 86_400 == 0 => format!("{}d", whole / 86_400),
        whole if whole % 3600 == 0 => format!("{}h", whole / 3600),
        whole if whole % 60 == 0 => format!("{}m", whole / 60),
        other => format!("{other}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        for span in [0, 1, 90, 900, 7200, 86_400, 86_401, u64::MAX] {
            assert_eq!(seconds(&show(span)), Some(span));
        }
    }

    #[test]
    fn anything_else_is_no_span() {
        for text in ["", "m", "-5m", "1.5h", "5 m", "5M", "99999999999999999999", "99999999999999999d", "१s"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
