//! Texts of query languages (PromQL, LogQL) with values: `$name` in the author's text becomes the value as a quoted
//! string, so that nothing typed in chat is ever part of a query. Knows nothing of the languages.

use std::collections::BTreeMap;

use super::value::Text;
use crate::domain::sentence::{Sentence, sentence};

/// Fills a query's `$name`s.
///
/// # Errors
/// When a name has no value, or a value is not used.
pub(super) fn fill(query: &str, values: &BTreeMap<String, Text>) -> Result<String, Sentence> {
    let mut filled = String::new();
    let mut unused: Vec<&str> = values.keys().map(String::as_str).collect();
    let mut rest = query;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            // An end of line in a regular expression, not a name.
            filled.push('$');
            rest = after;
            continue;
        }
        let Text(value) = values.get(name).ok_or_else(|| sentence!("action.query_no_value", name))?;
        filled.push_str(&serde_json::Value::from(value.as_str()).to_string());
        unused.retain(|unused| *unused != name);
        rest = tail;
    }
    filled.push_str(rest);
    match unused.first() {
        Some(name) => Err(sentence!("action.query_not_used", name => *name)),
        None if filled.trim().is_empty() => Err(sentence!("action.query_empty")),
        None => Ok(filled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_never_part_of_the_query() {
        let values = |value: &str| [("service".to_owned(), Text(value.to_owned()))].into();
        let query = r#"up{service=$service, job=~"a.*$"}"#;
        assert_eq!(fill(query, &values("api")).unwrap(), r#"up{service="api", job=~"a.*$"}"#);
        assert_eq!(
            fill(query, &values(r#"x"} or vector(1) or up{a=""#)).unwrap(),
            r#"up{service="x\"} or vector(1) or up{a=\"", job=~"a.*$"}"#
        );
        assert!(fill("up", &values("api")).is_err() && fill("up{a=$b}", &values("api")).is_err());
        assert!(fill(" ", &BTreeMap::new()).is_err());
    }
}
