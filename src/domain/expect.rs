//! What a step's facts must be: the expected result apart from the exit code, and the condition of a branch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sentence::{Sentence, sentence};
use super::template::lookup;

/// One expectation of one fact. Exactly one test field is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Dotted path in the step's facts, as in `status`, `json.status`, `rows.0.count`.
    pub fact: String,
    /// What to call it in the verdict table; the path without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Equal to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Value>,
    /// Not equal to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_not: Option<Value>,
    /// A number not under this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// A number not over this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// A text, or list, that contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// A text that this regular expression finds something in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// There, or not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

/// Characters of an observed text that a verdict shows.
const SHOWN: usize = 100;

/// One line of a verdict table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was looked at.
    pub what: String,
    /// What it should be.
    pub expected: Sentence,
    /// What it was.
    pub observed: Sentence,
    /// Whether it holds.
    pub holds: bool,
}

impl Expect {
    /// How many test fields are set; anything but one is a mistake in the runbook.
    #[must_use]
    pub fn tests(&self) -> usize {
        [
            self.is.is_some(),
            self.is_not.is_some(),
            self.at_least.is_some(),
            self.at_most.is_some(),
            self.contains.is_some(),
            self.matches.is_some(),
            self.exists.is_some(),
        ]
        .into_iter()
        .filter(|set| *set)
        .count()
    }

    /// Judges a step's facts. A fact that is not there fails every test but `exists: false`.
    #[must_use]
    pub fn judge(&self, facts: &Value) -> Verdict {
        let observed = lookup(facts, &self.fact);
        let (expected, holds) = self.test(observed);
        let observed = match observed {
            Some(value) => Sentence::Plain(self.relevant(&show(value))),
            None => sentence!("card.observed_nothing"),
        };
        Verdict { what: self.label.clone().unwrap_or_else(|| self.fact.clone()), expected, observed, holds }
    }

    /// The part of a long text that a person wants to see: what the pattern found, or else the first line.
    fn relevant(&self, text: &str) -> String {
        let pattern = self.matches.as_ref().and_then(|pattern| regex::Regex::new(pattern).ok());
        let found = pattern.and_then(|pattern| pattern.find(text)).map_or(text, |found| found.as_str()).trim();
        let line = found.lines().next().unwrap_or_default();
        let mut cut: String = line.chars().take(SHOWN).collect();
        if cut.len() < found.len() {
            cut.push('…');
        }
        cut
    }

    fn test(&self, observed: Option<&Value>) -> (Sentence, bool) {
        let number = observed.and_then(|value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()));
        if let Some(want) = &self.is {
            (Sentence::Plain(show(want)), observed.is_some_and(|got| same(got, want)))
        } else if let Some(not) = &self.is_not {
            let holds = observed.is_some_and(|got| !same(got, not));
            (sentence!("card.expected_not", value => show(not)), holds)
        } else if let Some(least) = self.at_least {
            let holds = number.is_some_and(|got| got >= least);
            (sentence!("card.expected_at_least", value => least.to_string()), holds)
        } else if let Some(most) = self.at_most {
            let holds = number.is_some_and(|got| got <= most);
            (sentence!("card.expected_at_most", value => most.to_string()), holds)
        } else if let Some(part) = &self.contains {
            (sentence!("card.expected_contains", value => part), observed.is_some_and(|got| holds_part(got, part)))
        } else if let Some(pattern) = &self.matches {
            let found = regex::Regex::new(pattern).is_ok_and(|re| observed.is_some_and(|got| re.is_match(&show(got))));
            (sentence!("card.expected_matches", pattern), found)
        } else {
            let wanted = self.exists.unwrap_or(true);
            let expected = if wanted { sentence!("card.expected_there") } else { sentence!("card.expected_absent") };
            (expected, observed.is_some_and(|got| !got.is_null()) == wanted)
        }
    }
}

/// A value for people: text without quotes, the rest as JSON.
#[must_use]
pub fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Equal, also across `3` and `"3"`: a placeholder in text and a number mean the same to a person.
fn same(left: &Value, right: &Value) -> bool {
    left == right || (left.as_f64().is_some() && left.as_f64() == right.as_f64()) || show(left) == show(right)
}

fn holds_part(got: &Value, part: &str) -> bool {
    match got {
        Value::Array(items) => items.iter().any(|item| show(item) == part),
        other => show(other).contains(part),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expect(text: Value) -> Expect {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn each_test_judges_its_fact() {
        let facts = json!({"status": 200, "json": {"status": "ok"}, "names": ["api", "db"], "days": "41"});
        for (test, holds) in [
            (json!({"fact": "status", "is": 200}), true),
            (json!({"fact": "status", "is": "200"}), true),
            (json!({"fact": "status", "is": 503}), false),
            (json!({"fact": "json.status", "is_not": "error"}), true),
            (json!({"fact": "days", "at_least": 30.0}), true),
            (json!({"fact": "days", "at_most": 30.0}), false),
            (json!({"fact": "names", "contains": "db"}), true),
            (json!({"fact": "names", "contains": "d"}), false),
            (json!({"fact": "json.status", "matches": "^(ok|degraded)$"}), true),
            (json!({"fact": "nope", "exists": false}), true),
            (json!({"fact": "nope", "is_not": "x"}), false),
        ] {
            assert_eq!(expect(test.clone()).judge(&facts).holds, holds, "{test}");
        }
    }

    #[test]
    fn a_long_text_is_shown_by_what_matters_in_it() {
        let facts = json!({"stdout": "MemTotal: 1 kB\nMemAvailable: 2290 kB\nBuffers: 3 kB\n"});
        let found = expect(json!({"fact": "stdout", "matches": "MemAvailable: *\\d+ kB"})).judge(&facts);
        assert_eq!(found.observed, Sentence::plain("MemAvailable: 2290 kB"));
        let missed = expect(json!({"fact": "stdout", "matches": "Swap"})).judge(&facts);
        assert_eq!(missed.observed, Sentence::plain("MemTotal: 1 kB…"));
    }
}
