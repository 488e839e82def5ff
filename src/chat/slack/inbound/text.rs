//! What people typed, out of what Slack made of it: entities, links, mentions of people and channels. Pure: who and what
//! is behind an id is asked of the caller.

/// What stands behind the ids in a text.
pub(super) trait Names {
    /// How a person is written, by Slack's id.
    fn person(&self, id: &str) -> Option<String>;
    /// How a channel is written, by Slack's id.
    fn channel(&self, id: &str) -> Option<String>;
}

/// The line as it was typed. Slack writes `<…>` only for what it made itself: a `<` of the sender's is an entity.
pub(super) fn typed(text: &str, names: &impl Names) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let made = from.find('>').and_then(|end| Some((unmade(from.get(1..end)?, names)?, end)));
        match made {
            Some((typed, end)) => {
                out.push_str(&typed);
                rest = &from[end + 1..];
            }
            None => {
                out.push('<');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    entities(&out).trim().to_owned()
}

/// What was typed where Slack now has `<inside>`; none where that is nothing of Slack's.
fn unmade(inside: &str, names: &impl Names) -> Option<String> {
    let (target, label) = inside.split_once('|').map_or((inside, None), |(target, label)| (target, Some(label)));
    let or_label = |name: Option<String>, id: &str| name.unwrap_or_else(|| label.unwrap_or(id).to_owned());
    if let Some(id) = target.strip_prefix('@') {
        let name = or_label(names.person(id), id);
        return Some(format!("@{}", name.trim_start_matches('@')));
    }
    if let Some(id) = target.strip_prefix('#') {
        let name = or_label(names.channel(id), id);
        return Some(format!("#{}", name.trim_start_matches('#')));
    }
    if let Some(special) = target.strip_prefix('!') {
        let word = label.or_else(|| special.split('^').next()).unwrap_or(special);
        return Some(format!("@{}", word.trim_start_matches('@')));
    }
    let (scheme, address) = target.split_once(':')?;
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
        return None;
    }
    // A label that only repeats the address is what was typed; any other one hides where it leads.
    let bare = |text: &str| text.trim_start_matches('/').trim_end_matches('/').to_owned();
    let same = label.filter(|label| bare(address) == bare(label) || *label == target);
    Some(same.unwrap_or(target).to_owned())
}

/// `&lt;`, `&gt;` and `&amp;`, each once: what was an entity in the typed text stays one.
pub(super) fn entities(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// What is said to the bot: after the mention of it, or before where nothing follows.
pub(super) fn addressed<'a>(text: &'a str, bot: &str) -> &'a str {
    let Some(at) = text.find(&format!("<@{bot}")) else { return text.trim() };
    let (before, from) = text.split_at(at);
    let after = from.split_once('>').map_or("", |(_, after)| after);
    // `@sereno: rollback` and `@sereno, rollback` are how one writes to somebody.
    let after = after.trim_start_matches([':', ',']).trim();
    if after.is_empty() { before.trim() } else { after }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Town;

    impl Names for Town {
        fn person(&self, id: &str) -> Option<String> {
            (id == "U1").then(|| "ana".to_owned())
        }
        fn channel(&self, id: &str) -> Option<String> {
            (id == "C1").then(|| "#infra".to_owned())
        }
    }

    #[test]
    fn what_slack_made_of_a_line_is_undone() {
        for (sent, was_typed) in [
            ("rollback api prod", "rollback api prod"),
            ("note a &lt;b&gt; &amp;&amp; c", "note a <b> && c"),
            ("note &amp;lt; stays", "note &lt; stays"),
            ("why <@U1> health prod", "why @ana health prod"),
            ("why <@U7|sam> health", "why @sam health"),
            ("look at <#C1|whatever> and <#C9|other> and <#C9>", "look at #infra and #other and #C9"),
            ("get <http://shop.example|shop.example>", "get shop.example"),
            ("get <https://shop.example/a?b=1&amp;c=2>", "get https://shop.example/a?b=1&c=2"),
            ("get <https://evil.example|shop.example>", "get https://evil.example"),
            ("tell <mailto:a@b.example|a@b.example>", "tell a@b.example"),
            ("<!here> <!subteam^S1|@oncall> <!subteam^S1>", "@here @oncall @subteam"),
            ("a < b and <b> and <", "a < b and <b> and <"),
            ("ñ <", "ñ <"),
            ("", ""),
        ] {
            assert_eq!(typed(sent, &Town), was_typed, "{sent}");
        }
    }

    #[test]
    fn what_is_said_to_the_bot_follows_its_name() {
        for (text, line) in [
            ("<@UBOT> rollback api", "rollback api"),
            ("hey <@UBOT>: rollback api", "rollback api"),
            ("rollback api <@UBOT>", "rollback api"),
            ("<@UBOT|sereno>, why <@U1> health", "why <@U1> health"),
            ("<@UBOT>", ""),
        ] {
            assert_eq!(addressed(text, "UBOT"), line, "{text}");
        }
    }
}
