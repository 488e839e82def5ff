//! What a `mongo` step may say: one look, and the fields of that look and no other. Knows nothing of connections.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;
use crate::executor::attempt::{needed, only};
use crate::executor::value::{SecretRef, Text};

/// Documents that are found where nothing is said.
const LIMIT: u32 = 10;
/// Most that may be asked for.
const MOST: u32 = 100;
/// What would run a script on the server, or write.
const REFUSED: &[&str] = &["$where", "$function", "$accumulator", "$out", "$merge"];

text_enum! {
    /// What to look at.
    Verb {
        /// Whether it answers.
        Ping = "ping",
        /// Which collections there are.
        Collections = "collections",
        /// How many documents match.
        Count = "count",
        /// The first of them.
        Find = "find",
    }
}

/// A look at a MongoDB database. Facts, by verb: `ping`: `pong`. `collections`: `names`, `count`. `count`: `count`.
/// `find`: `rows` (documents; ids and dates as texts), `count` (of them), `truncated`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// What to look at.
    r#do: Verb,
    /// The server, a secret of the configuration that holds a `mongodb://` or `mongodb+srv://` address.
    server: SecretRef,
    /// The database. The one that the address names without.
    #[serde(default)]
    database: Option<Text>,
    /// `count`, `find`: the collection.
    #[serde(default)]
    collection: Option<Text>,
    /// `count`, `find`: which documents, as in `{state: pending}`. All without.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    filter: Option<Value>,
    /// `find`: which fields, as in `{state: 1, _id: 0}`.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    projection: Option<Value>,
    /// `find`: in which order, as in `{created: -1}`.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    sort: Option<Value>,
    /// `find`: how many. 10 without.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    /// `find`: fields with personal data, at any depth: they are shown as `[hidden]`.
    #[serde(default)]
    hide: Option<Vec<Text>>,
}

/// A look that fits together.
pub(super) struct Mongo {
    /// The secret's name.
    pub(super) server: String,
    pub(super) database: Option<String>,
    pub(super) job: Job,
}

/// What to look at.
pub(super) enum Job {
    Ping,
    Collections,
    Count { collection: String, filter: Value },
    Find { collection: String, filter: Value, projection: Value, sort: Value, limit: u32, hide: Vec<String> },
}

impl Fields {
    /// The look, if the fields fit together.
    pub(super) fn check(self) -> Result<Mongo, Sentence> {
        let verb = self.r#do;
        let both: &[Verb] = &[Verb::Count, Verb::Find];
        only(
            &verb,
            &[
                (self.collection.is_some(), "collection", both),
                (self.filter.is_some(), "filter", both),
                (self.projection.is_some(), "projection", &[Verb::Find]),
                (self.sort.is_some(), "sort", &[Verb::Find]),
                (self.limit.is_some(), "limit", &[Verb::Find]),
                (self.hide.is_some(), "hide", &[Verb::Find]),
            ],
        )?;
        if !self.server.prefix.is_empty() {
            return Err(sentence!("action.mongo_no_address", secret => self.server.secret));
        }
        let text = |field: Option<Text>| field.map(|Text(text)| text);
        let collection = || needed(text(self.collection.clone()), "collection", &verb);
        let job = match verb {
            Verb::Ping => Job::Ping,
            Verb::Collections => Job::Collections,
            Verb::Count => Job::Count { collection: collection()?, filter: checked(self.filter)? },
            Verb::Find => {
                let limit = self.limit.unwrap_or(LIMIT);
                if !(1..=MOST).contains(&limit) {
                    return Err(sentence!("action.limit", field => "limit", most => MOST));
                }
                Job::Find {
                    collection: collection()?,
                    filter: checked(self.filter)?,
                    projection: checked(self.projection)?,
                    sort: checked(self.sort)?,
                    limit,
                    hide: self.hide.unwrap_or_default().into_iter().map(|Text(name)| name).collect(),
                }
            }
        };
        Ok(Mongo { server: self.server.secret, database: text(self.database), job })
    }
}

/// An object in which no script hides.
fn checked(value: Option<Value>) -> Result<Value, Sentence> {
    let value = value.unwrap_or_else(|| json!({}));
    if let Some(operator) = script(&value) {
        return Err(sentence!("action.mongo_script", operator));
    }
    document(&value)?;
    Ok(value)
}

fn script(value: &Value) -> Option<&'static str> {
    match value {
        Value::Object(fields) => {
            let own = fields.keys().find_map(|key| REFUSED.iter().copied().find(|refused| refused == key));
            own.or_else(|| fields.values().find_map(script))
        }
        Value::Array(items) => items.iter().find_map(script),
        _ => None,
    }
}

/// A value as the driver takes it. `{"$oid": …}` and `{"$date": …}` are read.
pub(super) fn document(value: &Value) -> Result<bson::Document, Sentence> {
    match bson::Bson::try_from(value.clone()) {
        Ok(bson::Bson::Document(document)) => Ok(document),
        Ok(_) => Err(sentence!("action.mongo_no_object")),
        Err(error) => Err(sentence!("action.field", why => error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_fields_of_other_verbs_are_refused() {
        for (mut with, says) in [
            (json!({"do": "ping", "collection": "a"}), "collection"),
            (json!({"do": "count", "collection": "a", "limit": 1}), "limit"),
            (json!({"do": "find"}), "collection"),
            (json!({"do": "find", "collection": "a", "limit": 101}), "action.limit"),
            (json!({"do": "find", "collection": "a", "filter": {"$or": [{"$where": "1"}]}}), "$where"),
            (json!({"do": "count", "collection": "a", "filter": [1]}), "mongo_no_object"),
            (json!({"do": "drop", "collection": "a"}), "drop"),
        ] {
            with["server"] = json!({"secret": "m"});
            let error = crate::executor::read::<Fields>(&with).and_then(Fields::check).map(|_| ()).unwrap_err();
            assert!(format!("{error:?}").contains(says), "{with}: {error:?}");
        }
        let plain = json!({"do": "ping", "server": "mongodb://ana:hunter2@m/shop"});
        assert!(serde_json::from_value::<Fields>(plain).is_err(), "an address in the open is no secret");
    }
}
