//! Texts as Slack takes them. Almost all are plain text or literal rich text, in which nothing is read as markup; what
//! must be markup is made here, and nothing else of it is ever ours to write.

use slack_morphism::prelude::*;

use super::budget::shorten;

/// People who are called by name in one message; the others are counted.
const CALLED: usize = 50;

/// A text as it is: no markup, no links, `:words:` stay words. Slack takes no empty text, and so a dash stands for one.
pub fn plain(text: impl Into<String>) -> SlackBlockPlainText {
    let text = text.into();
    SlackBlockPlainText { text: if text.trim().is_empty() { "–".to_owned() } else { text }, emoji: Some(false) }
}

/// The same where Slack's models want nothing but plain text.
pub fn only(text: impl Into<String>) -> SlackBlockPlainTextOnly {
    plain(text).into()
}

/// Markup of ours, in which Slack must not look for names, channels and addresses.
pub fn markup(text: String) -> SlackBlockMarkDownText {
    SlackBlockMarkDownText { text, verbatim: Some(true) }
}

/// A run of literal text.
pub fn run(text: impl Into<String>, bold: bool) -> SlackRichTextInlineElement {
    let run = SlackRichTextText::new(plain(text).text);
    SlackRichTextInlineElement::Text(if bold { run.bold() } else { run })
}

/// A rich text of one element.
pub fn rich(element: impl Into<SlackRichTextElement>) -> SlackBlock {
    SlackRichTextBlock::new(vec![element.into()]).into()
}

/// The three characters that begin or end Slack's markup, as text.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A text escaped, in at most `most` characters after that.
#[must_use]
pub fn escape_within(text: &str, most: usize) -> String {
    let mut kept = text.chars().count().min(most);
    loop {
        let escaped = escape(&shorten(text, kept));
        let over = escaped.chars().count().saturating_sub(most);
        if over == 0 || kept == 0 {
            return escaped;
        }
        kept = kept.saturating_sub(over.div_ceil(5).max(1)); // an escape is five characters at most
    }
}

/// Live mentions of people by their identities, as in `T0123/U0456`; none where nobody is called. What is no user's id
/// is left out, and can so never become anything else.
#[must_use]
pub fn mentions(identities: &[String]) -> Option<String> {
    let users = identities.iter().filter_map(|identity| identity.split_once('/')).map(|(_, user)| user);
    let mut users: Vec<&str> = users.filter(|user| is_user(user)).collect();
    let more = users.len().saturating_sub(CALLED);
    users.truncate(CALLED);
    let mut live: Vec<String> = users.iter().map(|user| format!("<@{user}>")).collect();
    live.extend((more > 0).then(|| format!("… +{more}")));
    (!live.is_empty()).then(|| live.join(" "))
}

fn is_user(id: &str) -> bool {
    id.starts_with(['U', 'W']) && id.len() > 1 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// A link to a page of ours; none where the address is none.
#[must_use]
pub fn link(address: &str, label: &str) -> Option<SlackBlockMarkDownText> {
    let sound = address.starts_with("http://") || address.starts_with("https://");
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '|');
    (sound && !address.contains(forbidden)).then(|| markup(format!("<{}|{}>", escape(address), escape(label))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_users_are_called() {
        let called = |ids: &[&str]| mentions(&ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        assert_eq!(called(&["T1/U2", "T1/W3"]).unwrap(), "<@U2> <@W3>");
        for nobody in ["U2", "T1/!channel", "T1/S4", "T1/U2> <!here", "T1/", "T1/U", "T1/u2"] {
            assert_eq!(called(&[nobody]), None, "{nobody}");
        }
        let crowd: Vec<String> = (0..60).map(|n| format!("T1/U{n}")).collect();
        assert!(mentions(&crowd).unwrap().ends_with("<@U49> … +10"));
    }

    #[test]
    fn an_escaped_text_fits_and_no_escape_is_torn() {
        for most in 20..60 {
            let text = escape_within(&"<&>a".repeat(20), most);
            assert!(text.chars().count() <= most, "{most}: {text}");
            assert_eq!(text.matches('&').count(), text.matches(';').count(), "{text}");
            assert!(text.contains("… +"), "{text}");
        }
        assert_eq!(escape_within("<b>", 9), "&lt;b&gt;");
    }

    #[test]
    fn a_link_is_an_address_of_the_web_and_nothing_more() {
        assert_eq!(link("https://a.b/r?x=1&y", "A > B").unwrap().text, "<https://a.b/r?x=1&amp;y|A &gt; B>");
        for wrong in ["javascript:x", "https://a|b", "https://a> <!here", "https://a b", ""] {
            assert!(link(wrong, "x").is_none(), "{wrong}");
        }
    }
}
