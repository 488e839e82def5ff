//! `{{ name }}` in a runbook's fields: a typed value fills a typed field. No logic, so nothing in an argument
//! or an alert can ever be evaluated. A field that is one placeholder keeps the value's type; text around
//! placeholders makes text. Values are inserted once and never read again as templates.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sentence::{Sentence, sentence};

/// A dotted path: `service`, `env`, `steps.check.status`.
pub type Path = String;

/// A text with placeholders, as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Template(pub String);

/// One part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'t> {
    /// Plain text.
    Text(&'t str),
    /// A placeholder's path.
    Path(&'t str),
}

/// Why a template cannot be read or filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// `{{` without `}}`.
    Unclosed,
    /// Something else than a dotted path between the braces.
    NotAName(String),
    /// Nothing has that name.
    Unknown(Path),
}

impl TemplateError {
    /// What to tell people.
    #[must_use]
    pub fn said(&self) -> Sentence {
        match self {
            Self::Unclosed => sentence!("action.placeholder_open"),
            Self::NotAName(text) => sentence!("action.placeholder_name", text),
            Self::Unknown(path) => sentence!("action.placeholder_unknown", path),
        }
    }
}

/// Splits a text into its parts.
///
/// # Errors
/// An unclosed placeholder, or one that is not a dotted name.
pub fn parts(text: &str) -> Result<Vec<Part<'_>>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        if open > 0 {
            parts.push(Part::Text(&rest[..open]));
        }
        let inner = &rest[open + 2..];
        let close = inner.find("}}").ok_or(TemplateError::Unclosed)?;
        let path = inner[..close].trim();
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if path.is_empty() || !path.chars().all(named) {
            return Err(TemplateError::NotAName(path.to_owned()));
        }
        parts.push(Part::Path(path));
        rest = &inner[close + 2..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// Every path that a value's texts refer to, in order of appearance.
///
/// # Errors
/// As [`parts`].
pub fn paths(value: &Value) -> Result<Vec<Path>, TemplateError> {
    let mut found = Vec::new();
    match value {
        Value::String(text) => {
            for part in parts(text)? {
                if let Part::Path(path) = part {
                    found.push(path.to_owned());
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                found.extend(paths(item)?);
            }
        }
        Value::Object(fields) => {
            for field in fields.values() {
                found.extend(paths(field)?);
            }
        }
        _ => {}
    }
    Ok(found)
}

/// Fills every placeholder in a value from `scope`.
///
/// # Errors
/// As [`parts`], and [`TemplateError::Unknown`] for a path that leads nowhere.
pub fn fill(value: &Value, scope: &Value) -> Result<Value, TemplateError> {
    Ok(match value {
        Value::String(text) => fill_text(text, scope)?,
        Value::Array(items) => Value::Array(items.iter().map(|item| fill(item, scope)).collect::<Result<_, _>>()?),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, field)| Ok((key.clone(), fill(field, scope)?)))
                .collect::<Result<_, TemplateError>>()?,
        ),
        other => other.clone(),
    })
}

fn fill_text(text: &str, scope: &Value) -> Result<Value, TemplateError> {
    let parts = parts(text)?;
    if let [Part::Path(path)] = parts.as_slice() {
        return lookup(scope, path).cloned().ok_or_else(|| TemplateError::Unknown((*path).to_owned()));
    }
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Path(path) => match lookup(scope, path) {
                Some(Value::String(text)) => out.push_str(text),
                Some(other) => out.push_str(&other.to_string()),
                None => return Err(TemplateError::Unknown(path.to_owned())),
            },
        }
    }
    Ok(Value::String(out))
}

/// Follows a dotted path; a number picks an element of a list.
#[must_use]
pub fn lookup<'v>(scope: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(scope, |at, key| match at {
        Value::Object(fields) => fields.get(key),
        Value::Array(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_field_keeps_its_type_and_mixed_text_is_text() {
        let scope = json!({"replicas": 3, "service": "api", "steps": {"check": {"rows": [{"id": 7}]}}});
        let spec = json!({"n": "{{ replicas }}", "t": "scale {{ service }} to {{replicas}}", "r": "{{ steps.check.rows.0.id }}"});
        assert_eq!(fill(&spec, &scope).unwrap(), json!({"n": 3, "t": "scale api to 3", "r": 7}));
    }

    #[test]
    fn a_value_that_looks_like_a_template_stays_text() {
        let scope = json!({"service": "{{ env }}", "env": "prod"});
        assert_eq!(fill(&json!("x {{ service }}"), &scope).unwrap(), json!("x {{ env }}"));
    }

    #[test]
    fn logic_is_refused() {
        for text in ["{{ 7*7 }}", "{{ a|b }}", "{{ a() }}", "{{", "{{ }}"] {
            assert!(parts(text).is_err(), "{text}");
        }
        assert_eq!(parts("${x} {%x%}").unwrap(), vec![Part::Text("${x} {%x%}")]);
    }

    #[test]
    fn an_unknown_name_is_an_error_not_an_empty_text() {
        assert_eq!(fill(&json!("{{ nope }}"), &json!({})), Err(TemplateError::Unknown("nope".into())));
    }
}
