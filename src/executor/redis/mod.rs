//! `redis`: a fixed set of looks at a Redis server, or at what speaks like one. Never a command of the author's: none
//! of these changes anything. The crate speaks the protocol on a connection of ours, which is capped.

mod session;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::session::Session;
use super::attempt::{at_least, look, needed, only};
use super::value::{SecretText, Text};
use super::{Action, ActionSpec, StepContext, Tools, listed, read, schema_of};
use crate::domain::figure::Grid;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::domain::text_enum;

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "redis",
    summary: "Looks at a Redis server: whether it answers, its hit rate, memory, settings and size.",
    example: "do: hit_rate\nserver: {secret: shop_redis}\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

text_enum! {
    /// What to look at.
    Verb {
        /// Whether it answers.
        Ping = "ping",
        /// What it says of itself.
        Info = "info",
        /// How often it had what was asked for.
        HitRate = "hit_rate",
        /// How much memory it uses.
        Memory = "memory",
        /// How many keys the database holds.
        Dbsize = "dbsize",
        /// What it is set to.
        ConfigGet = "config_get",
    }
}

/// A look at a Redis server. Facts, by verb: `ping`: `pong`. `info`: `info`, by section and field, as in
/// `info.clients.connected_clients`, numbers as numbers. `hit_rate`: `hits`, `misses`, `percent` (missing before the
/// first look-up). `memory`: `used_bytes`, `peak_bytes`, `rss_bytes`, `limit_bytes` (0 means none), `percent` (of the
/// limit; missing without one), `policy`, `evicted_keys`, `fragmentation`. `dbsize`: `keys`. `config_get`: `config`, by
/// name; passwords are `[set]` or `[not set]`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// What to look at.
    r#do: Verb,
    /// The server, as in `redis://cache:6379/0`, `rediss://…` with TLS, `unix:///run/redis.sock`. One with a password
    /// is a secret.
    server: SecretText,
    /// `info`: the sections, as in `[clients, memory]`. All of the usual ones without.
    #[serde(default)]
    sections: Option<Vec<Text>>,
    /// `config_get`: names of settings, as in `[maxmemory, maxmemory-policy]`; `*` stands for any characters.
    #[serde(default)]
    names: Option<Vec<Text>>,
    /// A PEM file with further certificate authorities to trust, an absolute path.
    #[serde(default)]
    authority: Option<Text>,
}

/// A look that fits together.
struct Redis {
    server: SecretText,
    verb: Verb,
    /// Sections or names.
    which: Vec<String>,
    authority: Option<Text>,
}

impl Fields {
    fn check(self) -> Result<Redis, Sentence> {
        only(
            &self.r#do,
            &[
                (self.sections.is_some(), "sections", &[Verb::Info]),
                (self.names.is_some(), "names", &[Verb::ConfigGet]),
            ],
        )?;
        let which = match self.r#do {
            Verb::ConfigGet => needed(self.names.filter(|names| !names.is_empty()), "names", &self.r#do)?,
            _ => self.sections.unwrap_or_default(),
        };
        if let SecretText::Plain(Text(url)) = &self.server
            && url.contains('@')
        {
            return Err(sentence!("action.net_password"));
        }
        let which = which.into_iter().map(|Text(name)| name).collect();
        Ok(Redis { server: self.server, verb: self.r#do, which, authority: self.authority })
    }
}

#[async_trait]
impl Action for Redis {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Effect::Read, declared)
    }

    fn secrets(&self) -> Vec<String> {
        self.server.secret().map(str::to_owned).into_iter().collect()
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let of = self.server.named();
        let which = listed(&self.which);
        let line = match self.verb {
            Verb::Ping => sentence!("action.redis_ping"),
            Verb::Info => sentence!("action.redis_info"),
            Verb::HitRate => sentence!("action.redis_hit_rate"),
            Verb::Memory => sentence!("action.redis_memory"),
            Verb::Dbsize => sentence!("action.redis_dbsize"),
            Verb::ConfigGet => sentence!("action.redis_config", which),
        };
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read,
            target: sentence!("action.redis_server", of),
            line,
            exact: json!({
                "do": self.verb, "server": self.server.shown(), "which": self.which,
                "authority": self.authority.as_ref().map(|path| &path.0),
            }),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        look(cx, async {
            let address = self.server.reveal(&cx.tools)?;
            let mut session = Session::open(address.trim(), self.authority.as_ref()).await?;
            self.report(&mut session).await
        })
        .await
    }
}

impl Redis {
    async fn report(&self, session: &mut Session) -> Result<Report, Sentence> {
        let number = |info: &Value, name: &str| info[name].as_f64().unwrap_or_default();
        match self.verb {
            Verb::Ping => {
                let said: String = session.ask("PING", &[]).await?;
                let pong = said == "PONG";
                Ok(Report::new(json!({ "pong": pong }), sentence!("action.redis_said", said)))
            }
            Verb::Info => {
                let info = Info::read(&session.ask::<String>("INFO", &self.which).await?);
                let line = sentence!("action.redis_fields", count => info.fields());
                Ok(Report { table: Some(info.table()), ..Report::new(json!({ "info": info.0 }), line) })
            }
            Verb::HitRate => {
                let stats = Info::read(&session.ask::<String>("INFO", &["stats".to_owned()]).await?).section("stats");
                Ok(hit_rate(number(&stats, "keyspace_hits"), number(&stats, "keyspace_misses")))
            }
            Verb::Memory => {
                let info = Info::read(&session.ask::<String>("INFO", &["all".to_owned()]).await?);
                Ok(memory(&info.section("memory"), &info.section("stats")))
            }
            Verb::Dbsize => {
                let keys: u64 = session.ask("DBSIZE", &[]).await?;
                Ok(Report::new(json!({ "keys": keys }), sentence!("action.redis_keys", count => keys)))
            }
            Verb::ConfigGet => {
                let mut get = vec!["GET".to_owned()];
                get.extend(self.which.iter().cloned());
                Ok(config(session.ask("CONFIG", &get).await?))
            }
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counters of the server, never negative
fn hit_rate(hits: f64, misses: f64) -> Report {
    let mut facts = json!({ "hits": hits as u64, "misses": misses as u64 });
    if hits + misses < 1.0 {
        return Report::new(facts, sentence!("action.redis_no_lookups"));
    }
    let percent = percent(hits, hits + misses);
    facts["percent"] = json!(percent);
    let line = sentence!("action.redis_hits", percent => percent.to_string(), total => (hits + misses) as u64);
    Report::new(facts, line)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // bytes, never negative
fn memory(memory: &Value, stats: &Value) -> Report {
    let number = |name: &str| memory[name].as_f64().unwrap_or_default();
    let (used, limit) = (number("used_memory"), number("maxmemory"));
    let mut facts = json!({
        "used_bytes": used as u64,
        "peak_bytes": number("used_memory_peak") as u64,
        "rss_bytes": number("used_memory_rss") as u64,
        "limit_bytes": limit as u64,
        "policy": memory["maxmemory_policy"],
        "fragmentation": memory["mem_fragmentation_ratio"],
        "evicted_keys": stats["evicted_keys"],
    });
    let mebibytes = (used / 1024.0 / 1024.0).ceil() as u64;
    if limit < 1.0 {
        return Report::new(facts, sentence!("action.redis_unlimited", mebibytes));
    }
    let percent = percent(used, limit);
    facts["percent"] = json!(percent);
    Report::new(facts, sentence!("action.redis_used", mebibytes, percent => percent.to_string()))
}

/// With one decimal.
fn percent(part: f64, whole: f64) -> f64 {
    (part / whole * 1000.0).round() / 10.0
}

fn config(found: BTreeMap<String, String>) -> Report {
    let hide = |(name, value): (String, String)| {
        let secret = ["pass", "auth", "secret"].iter().any(|word| name.contains(word));
        let value = match (secret, value.is_empty()) {
            (true, true) => "[not set]".to_owned(),
            (true, false) => "[set]".to_owned(),
            (false, _) => value,
        };
        (name, value)
    };
    let found: BTreeMap<String, String> = found.into_iter().map(hide).collect();
    let columns = vec![sentence!("action.column_name"), sentence!("action.column_value")];
    let table = Grid::new(columns, found.iter().map(|(name, value)| vec![name.clone(), value.clone()]));
    let line = sentence!("action.redis_settings", count => found.len());
    let facts: Map<String, Value> = found.into_iter().map(|(name, value)| (name, number_or_text(&value))).collect();
    Report { table: Some(table), ..Report::new(json!({ "config": facts }), line) }
}

/// What `INFO` says, by section.
struct Info(Map<String, Value>);

impl Info {
    fn read(text: &str) -> Self {
        let mut sections = Map::new();
        let mut section = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("# ") {
                section = name.trim().to_lowercase();
            } else if let Some((name, value)) = line.split_once(':') {
                let fields = sections.entry(section.clone()).or_insert_with(|| json!({}));
                fields[name] = parts(value).unwrap_or_else(|| number_or_text(value));
            }
        }
        Self(sections)
    }

    fn section(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or_default()
    }

    fn fields(&self) -> usize {
        self.0.values().filter_map(Value::as_object).map(Map::len).sum()
    }

    fn table(&self) -> Grid {
        let columns = vec![sentence!("action.column_name"), sentence!("action.column_value")];
        let fields = self.0.iter().flat_map(|(section, fields)| {
            let fields = fields.as_object().into_iter().flatten();
            fields.map(move |(name, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                vec![format!("{section}.{name}"), value]
            })
        });
        Grid::new(columns, fields)
    }
}

/// Fields in a field, as in `keys=3,expires=0`.
fn parts(value: &str) -> Option<Value> {
    let part = |part: &str| part.split_once('=').map(|(name, value)| (name.to_owned(), number_or_text(value)));
    value.split(',').map(part).collect::<Option<Map<_, _>>>().map(Value::Object)
}

fn number_or_text(text: &str) -> Value {
    let whole = text.parse::<i64>().map(Value::from);
    whole.or_else(|_| text.parse::<f64>().map(Value::from)).unwrap_or_else(|_| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_info_says_is_read_by_section() {
        let info = Info::read("# Clients\r\nconnected_clients:3\r\n\r\n# Keyspace\r\ndb0:keys=12,expires=1\r\n");
        assert_eq!(
            Value::Object(info.0),
            json!({ "clients": { "connected_clients": 3 }, "keyspace": { "db0": { "keys": 12, "expires": 1 } } })
        );
    }

    #[test]
    fn a_rate_of_nothing_is_no_number() {
        assert_eq!(hit_rate(0.0, 0.0).facts, json!({ "hits": 0, "misses": 0 }));
        assert_eq!(hit_rate(2.0, 1.0).facts["percent"], 66.7);
    }

    #[test]
    fn a_field_of_another_verb_is_refused_by_name() {
        for (with, says) in [
            (json!({"do": "ping", "server": "redis://x", "names": ["a"]}), "names"),
            (json!({"do": "config_get", "server": "redis://x"}), "names"),
            (json!({"do": "config_get", "server": "redis://x", "names": []}), "names"),
            (json!({"do": "flushall", "server": "redis://x"}), "flushall"),
            (json!({"do": "ping", "server": "redis://:hunter2@x"}), "net_password"),
        ] {
            let error = format!("{:?}", read::<Fields>(&with).and_then(Fields::check).map(|_| ()).unwrap_err());
            assert!(error.contains(says), "{with}: {error}");
        }
    }
}
