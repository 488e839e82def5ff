//! What a saved plan says, read from its JSON: which addresses are created, changed, deleted or replaced. Values of
//! resources stay unread. Knows nothing of the program.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::figure::Grid;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};

/// Addresses that a line or a fact holds of each sort.
const NAMED: usize = 200;

/// What becomes of a resource, in the order in which people want to see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Delete,
    Replace,
    Change,
    Create,
    Forget,
    /// Read while applying, or moved to another address.
    Else,
}

impl Fate {
    fn word(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Replace => "replace",
            Self::Change => "change",
            Self::Create => "create",
            Self::Forget => "forget",
            Self::Else => "else",
        }
    }

    /// None for what stays as it is.
    fn of(change: &ResourceChange) -> Option<Self> {
        let actions: Vec<&str> = change.change.actions.iter().map(String::as_str).collect();
        Some(match actions.as_slice() {
            [] | ["no-op"] if change.previous_address.is_none() => return None,
            ["create"] => Self::Create,
            ["update"] => Self::Change,
            ["forget"] => Self::Forget,
            [] | ["no-op" | "read"] => Self::Else,
            // What is not known is taken for the worst.
            other if other.contains(&"create") => Self::Replace,
            _ => Self::Delete,
        })
    }
}

#[derive(Deserialize)]
struct Written {
    /// There in every plan; without it this is something else.
    #[serde(rename = "format_version")]
    _format: String,
    #[serde(default)]
    resource_changes: Vec<ResourceChange>,
    #[serde(default)]
    resource_drift: Vec<ResourceChange>,
    #[serde(default)]
    output_changes: BTreeMap<String, Change>,
}

#[derive(Deserialize)]
struct ResourceChange {
    address: String,
    #[serde(default)]
    previous_address: Option<String>,
    change: Change,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    actions: Vec<String>,
}

/// What a plan would do.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes {
    by_fate: BTreeMap<&'static str, Vec<String>>,
    rows: Vec<(&'static str, String)>,
    /// Addresses whose world differs from the state.
    drift: Vec<String>,
    outputs: Vec<String>,
}

impl Changes {
    /// Reads what `terraform show -json` says of a plan.
    pub(super) fn read(text: &str) -> Result<Self, Sentence> {
        let written: Written = serde_json::from_str(text)
            .map_err(|error| sentence!("action.terraform_unread", why => error.to_string()))?;
        let mut fates: Vec<(Fate, &str)> = written
            .resource_changes
            .iter()
            .filter_map(|change| Some((Fate::of(change)?, change.address.as_str())))
            .collect();
        fates.sort_unstable();
        let mut changes = Self::default();
        for (fate, address) in fates {
            changes.by_fate.entry(fate.word()).or_default().push(address.to_owned());
            changes.rows.push((fate.word(), address.to_owned()));
        }
        changes.drift = written.resource_drift.into_iter().map(|one| one.address).collect();
        let changed = |change: &Change| change.actions.iter().any(|action| action != "no-op");
        changes.outputs =
            written.output_changes.into_iter().filter(|(_, change)| changed(change)).map(|(name, _)| name).collect();
        Ok(changes)
    }

    fn count(&self, word: &str) -> usize {
        self.by_fate.get(word).map_or(0, Vec::len)
    }

    /// Whether something is lost.
    pub(super) fn destroys(&self) -> bool {
        self.count("delete") + self.count("replace") > 0
    }

    pub(super) fn effect(&self) -> Effect {
        if self.destroys() { Effect::Destroy } else { Effect::Change }
    }

    pub(super) fn facts(&self) -> Map<String, Value> {
        let mut facts = Map::new();
        for word in ["create", "change", "delete", "replace"] {
            facts.insert(word.to_owned(), self.count(word).into());
        }
        let capped = |list: &[String]| json!(list.iter().take(NAMED).collect::<Vec<_>>());
        let addresses: Map<String, Value> =
            self.by_fate.iter().map(|(word, list)| ((*word).to_owned(), capped(list))).collect();
        facts.insert("addresses".to_owned(), addresses.into());
        facts.insert("drift".to_owned(), self.drift.len().into());
        facts.insert("drifted".to_owned(), capped(&self.drift));
        facts.insert("outputs_changed".to_owned(), json!(self.outputs));
        facts.insert("destroys".to_owned(), self.destroys().into());
        facts
    }

    /// In one line: counts, and what would be lost by name.
    pub(super) fn line(&self) -> Sentence {
        let [create, change, delete, replace] = ["create", "change", "delete", "replace"].map(|word| self.count(word));
        let lost: Vec<&str> = ["delete", "replace"]
            .iter()
            .flat_map(|word| self.by_fate.get(word).into_iter().flatten())
            .map(String::as_str)
            .collect();
        let drift = self.drift.len();
        match lost.is_empty() {
            true => sentence!("action.terraform_changes", create, change, drift),
            false => {
                let more = lost.len().saturating_sub(20);
                let names = lost.into_iter().take(20).collect::<Vec<_>>().join(", ");
                let names = if more > 0 { format!("{names} (+{more})") } else { names };
                sentence!("action.terraform_changes_lose", create, change, delete, replace, names)
            }
        }
    }

    pub(super) fn table(&self) -> Option<Grid> {
        let columns = ["action.terraform_column_does", "action.terraform_column_address"].map(Sentence::new).to_vec();
        let changes = self.rows.iter().map(|(word, address)| vec![(*word).to_owned(), address.clone()]);
        let drift = self.drift.iter().map(|address| vec!["drift".to_owned(), address.clone()]);
        let grid = Grid::new(columns, changes.chain(drift));
        (!grid.rows.is_empty()).then_some(grid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(address: &str, actions: &[&str]) -> Value {
        json!({"address": address, "mode": "managed", "type": "aws_instance", "name": "x", "provider_name": "…",
            "change": {"actions": actions, "before": {"password": "hunter2hunter2"}, "after": null,
                "after_unknown": {}, "before_sensitive": {"password": true}, "after_sensitive": false}})
    }

    /// As terraform 1.11 writes it (format 1.2), with what is not read left out.
    fn recorded(changes: &[Value]) -> Changes {
        let plan = json!({"format_version": "1.2", "terraform_version": "1.11.4", "variables": {},
            "planned_values": {"root_module": {}}, "resource_changes": changes,
            "resource_drift": [change("aws_instance.drifted", &["update"])],
            "output_changes": {"url": {"actions": ["update"], "before": "a", "after": "b"},
                "same": {"actions": ["no-op"]}},
            "prior_state": {}, "configuration": {}, "errored": false});
        Changes::read(&plan.to_string()).unwrap()
    }

    #[test]
    fn counts_and_addresses_are_those_of_the_plan() {
        let all = [
            change("aws_instance.same", &["no-op"]),
            change("data.aws_ami.x", &["read"]),
            change("aws_instance.new", &["create"]),
            change("aws_instance.bigger", &["update"]),
            change("aws_instance.gone", &["delete"]),
            change("aws_instance.swap", &["delete", "create"]),
            change("aws_instance.swap_safe", &["create", "delete"]),
            change("aws_instance.left_alone", &["forget"]),
        ];
        let changes = recorded(&all);
        let facts = changes.facts();
        let count = ["create", "change", "delete", "replace", "drift"].map(|fact| facts[fact].as_u64().unwrap());
        assert_eq!(count, [1, 1, 1, 2, 1]);
        assert_eq!(facts["addresses"]["replace"], json!(["aws_instance.swap", "aws_instance.swap_safe"]));
        assert_eq!(facts["outputs_changed"], json!(["url"]));
        assert_eq!((changes.effect(), facts["destroys"].clone()), (Effect::Destroy, json!(true)));
        assert_eq!(changes.table().unwrap().rows[0], ["delete", "aws_instance.gone"], "the worst first");
        assert!(!format!("{changes:?}").contains("hunter2"), "values are not read");
    }

    #[test]
    fn only_what_loses_something_destroys() {
        for (actions, effect) in [
            (&["create"][..], Effect::Change),
            (&["update"], Effect::Change),
            (&["read"], Effect::Change),
            (&["forget"], Effect::Change),
            (&["delete"], Effect::Destroy),
            (&["delete", "create"], Effect::Destroy),
            (&["create", "delete"], Effect::Destroy),
            (&["something-new"], Effect::Destroy),
        ] {
            assert_eq!(recorded(&[change("a.b", actions)]).effect(), effect, "{actions:?}");
        }
        let mut moved = change("aws_instance.new_name", &["no-op"]);
        moved["previous_address"] = json!("aws_instance.old_name");
        assert_eq!(recorded(&[moved]).effect(), Effect::Change);
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        for text in ["", "{", "{}", "[]", r#"{"resource_changes": [{"address": 1}]}"#] {
            assert!(Changes::read(text).is_err(), "{text}");
        }
    }
}
