//! Text from outside made safe to show: control and direction characters become visible, long texts are cut and say
//! so. Knows nothing of where the text goes.

use std::fmt::Write as _;

/// Whether a character could move a terminal's cursor, start a new line or turn the reading direction.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{061c}' | '\u{feff}')
}

/// The text with every hidden character written as `\u001b`, except those in `keep`.
#[must_use]
pub fn visible(text: &str, keep: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) && !keep.contains(&character) {
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

/// The first `most` characters, and how many more there were, as in `… +120`.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => {
            let more = text.get(end..).map_or(0, |rest| rest.chars().count());
            format!("{}… +{more}", text.get(..end).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_visible_and_letters_stay() {
        assert_eq!(visible("ñ\u{1b}[31m\r\n\u{202e}x", &['\n']), "ñ\\u001b[31m\\u000d\n\\u202ex");
    }

    #[test]
    fn a_cut_text_says_how_much_is_missing() {
        assert_eq!(cut("añb", 3), "añb");
        assert_eq!(cut("añbcd", 2), "añ… +3");
    }
}
