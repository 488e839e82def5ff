//! What a `lambda` step may say: one verb, and the fields of that verb and no other. Knows nothing of AWS.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;
use crate::executor::aws::Place;
use crate::executor::listed;
use crate::executor::value::{SecretText, Span, Text};

/// Variables that Lambda sets itself and lets nobody else set.
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

text_enum! {
    /// What to do with a function.
    Verb {
        /// Lists functions.
        List = "list",
        /// Reads a function's configuration; of its variables the names alone.
        Configuration = "configuration",
        /// Lists a function's versions, the newest first.
        Versions = "versions",
        /// Reads where an alias leads.
        Alias = "alias",
        /// Has an alias lead to a version, all of it or a part.
        Shift = "shift",
        /// Makes a version of the code and configuration as they are now.
        Publish = "publish",
        /// Puts new code in.
        UpdateCode = "update_code",
        /// Changes variables, timeout or memory.
        UpdateConfiguration = "update_configuration",
        /// Reserves concurrency; 0 turns the function off.
        Concurrency = "concurrency",
        /// Calls it, and waits for its answer.
        Invoke = "invoke",
    }
}

/// A Lambda function. Facts, by verb: `list`: `functions` (name, runtime, memory, timeout, modified), `names`, `count`.
/// `configuration`: `runtime`, `memory`, `timeout`, `state`, `update`, `version`, `code_sha256`, `sha256` (the same in
/// hexadecimal), `code_bytes`, `modified`, `role`, `log_group`, `variables` (names), `reserved` (a number, or `none`).
/// `versions`: `versions`, `latest`, `count`. `alias`: `version`, `weights`, `revision`. `shift`: `before`, `after`,
/// `revision`. `publish`: `version`, `code_sha256`. `update_code`: `before`, `after` (digests of the code, as Lambda
/// writes them), `before_sha256` and `sha256` (of the zip that was there and of this one), `version` (if published).
/// `update_configuration`: `before` and `after` (timeout, memory, variables by name). `concurrency`: `before`, `after`
/// (a number, or `none`). `invoke`: `status`, `function_error`, `payload`, `truncated`, `lines` (the log's end).
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// What to do.
    r#do: Verb,
    /// The function's name or ARN.
    #[serde(default)]
    function: Option<Text>,
    /// `list`: what their names begin with.
    #[serde(default)]
    prefix: Option<Text>,
    /// `alias`, `shift`: the alias.
    #[serde(default)]
    alias: Option<Text>,
    /// `shift`: the version that it is to lead to. `alias`: the one that it must lead to, all of it.
    #[serde(default)]
    version: Option<Text>,
    /// `shift`: the version that all of it must lead to before. Such a plan can be made before that is so, as that of an undo.
    #[serde(default)]
    from: Option<Text>,
    /// `shift`: only this many calls of a hundred; the others go where they went. All without.
    #[serde(default)]
    #[schemars(range(min = 1, max = 99))]
    percent: Option<u8>,
    /// `update_code`: the absolute path of a zip file.
    #[serde(default)]
    zip: Option<Text>,
    /// `configuration`: the SHA-256 of the zip file that its code must be, in hexadecimal.
    #[serde(default)]
    sha256: Option<Text>,
    /// `update_code`: whether to publish a version of it.
    #[serde(default)]
    publish: Option<bool>,
    /// `update_configuration`: variables to set; the others stay.
    #[serde(default)]
    variables: Option<BTreeMap<String, SecretText>>,
    /// `update_configuration`: names of variables to remove.
    #[serde(default)]
    remove: Option<Vec<String>>,
    /// `update_configuration`: take variables, timeout and memory as this version has them, which undoes a change.
    #[serde(default)]
    from_version: Option<Text>,
    /// `update_configuration`: how long a call may take.
    #[serde(default)]
    timeout: Option<Span>,
    /// `update_configuration`: its memory in MB.
    #[serde(default)]
    #[schemars(range(min = 128, max = 10240))]
    memory: Option<u16>,
    /// `concurrency`: how many calls at a time, 0 for off, `none` for no reservation.
    #[serde(default)]
    reserved: Option<Text>,
    /// `invoke`: what it is called with; JSON.
    #[serde(default)]
    payload: Option<Value>,
    /// `invoke`, `configuration`: a version or an alias; the newest code without.
    #[serde(default)]
    qualifier: Option<Text>,
    /// The region; the configuration's without.
    #[serde(default)]
    region: Option<Text>,
    /// The account that it must be; in another one nothing is done.
    #[serde(default)]
    account: Option<Text>,
}

/// A verb with its own fields.
#[derive(Debug)]
pub(super) enum Job {
    List { prefix: String },
    Configuration { qualifier: Option<String>, sha256: Option<String> },
    Versions,
    Alias { alias: String, version: Option<String> },
    Shift { alias: String, version: String, from: Option<String>, percent: Option<u8> },
    Publish,
    UpdateCode { zip: String, publish: bool },
    UpdateConfiguration(Changes),
    Concurrency { reserved: Option<i32> },
    Invoke { payload: Option<Value>, qualifier: Option<String> },
}

/// What to change of a configuration.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) variables: BTreeMap<String, SecretText>,
    pub(super) remove: Vec<String>,
    pub(super) from_version: Option<String>,
    pub(super) timeout: Option<i32>,
    pub(super) memory: Option<i32>,
}

/// A step, its fields checked.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) function: String,
    pub(super) verb: Verb,
    pub(super) job: Job,
    pub(super) place: Place,
}

impl Verb {
    /// What it may do at least; none where only the author knows.
    pub(super) fn effect(self) -> Option<Effect> {
        match self {
            Self::List | Self::Configuration | Self::Versions | Self::Alias => Some(Effect::Read),
            Self::Invoke => None,
            _ => Some(Effect::Change),
        }
    }
}

impl Fields {
    /// The step, if the fields fit together.
    pub(super) fn check(self) -> Result<Step, Sentence> {
        self.strays()?;
        let place = Place::new(self.region.as_ref(), self.account.as_ref());
        let function = text(self.function.as_ref());
        if function.is_none() && self.r#do != Verb::List {
            return Err(self.missing("function"));
        }
        let (verb, function) = (self.r#do, function.unwrap_or_default());
        Ok(Step { function, verb, job: self.job()?, place })
    }

    /// A field of another verb.
    fn strays(&self) -> Result<(), Sentence> {
        let of = |given: bool, field: &'static str, verbs: &'static [Verb]| (given, field, verbs);
        let configure: &[Verb] = &[Verb::UpdateConfiguration];
        let fields = [
            of(self.function.is_some() && self.r#do == Verb::List, "function", &[]),
            of(self.prefix.is_some(), "prefix", &[Verb::List]),
            of(self.alias.is_some(), "alias", &[Verb::Alias, Verb::Shift]),
            of(self.version.is_some(), "version", &[Verb::Alias, Verb::Shift]),
            of(self.from.is_some(), "from", &[Verb::Shift]),
            of(self.percent.is_some(), "percent", &[Verb::Shift]),
            of(self.zip.is_some(), "zip", &[Verb::UpdateCode]),
            of(self.publish.is_some(), "publish", &[Verb::UpdateCode]),
            of(self.sha256.is_some(), "sha256", &[Verb::Configuration]),
            of(self.variables.is_some(), "variables", configure),
            of(self.remove.is_some(), "remove", configure),
            of(self.from_version.is_some(), "from_version", configure),
            of(self.timeout.is_some(), "timeout", configure),
            of(self.memory.is_some(), "memory", configure),
            of(self.reserved.is_some(), "reserved", &[Verb::Concurrency]),
            of(self.payload.is_some(), "payload", &[Verb::Invoke]),
            of(self.qualifier.is_some(), "qualifier", &[Verb::Invoke, Verb::Configuration]),
        ];
        match fields.iter().find(|(given, _, verbs)| *given && !verbs.contains(&self.r#do)) {
            Some((_, field, verbs)) => {
                Err(sentence!("aws.other_verb", field => *field, verbs => listed(verbs), verb => self.r#do.as_str()))
            }
            None => Ok(()),
        }
    }

    fn missing(&self, field: &'static str) -> Sentence {
        sentence!("aws.missing", field, verb => self.r#do.as_str())
    }

    fn must(&self, field: Option<&Text>, name: &'static str) -> Result<String, Sentence> {
        text(field).ok_or_else(|| self.missing(name))
    }

    fn job(self) -> Result<Job, Sentence> {
        let qualifier = text(self.qualifier.as_ref());
        Ok(match self.r#do {
            Verb::List => Job::List { prefix: text(self.prefix.as_ref()).unwrap_or_default() },
            Verb::Configuration => Job::Configuration { qualifier, sha256: text(self.sha256.as_ref()) },
            Verb::Versions => Job::Versions,
            Verb::Alias => {
                Job::Alias { alias: self.must(self.alias.as_ref(), "alias")?, version: text(self.version.as_ref()) }
            }
            Verb::Shift => {
                if self.percent.is_some_and(|percent| !(1..=99).contains(&percent)) {
                    return Err(sentence!("aws.lambda_percent"));
                }
                let alias = self.must(self.alias.as_ref(), "alias")?;
                let version = self.must(self.version.as_ref(), "version")?;
                Job::Shift { alias, version, from: text(self.from.as_ref()), percent: self.percent }
            }
            Verb::Publish => Job::Publish,
            Verb::UpdateCode => {
                let publish = self.publish.unwrap_or_default();
                Job::UpdateCode { zip: self.must(self.zip.as_ref(), "zip")?, publish }
            }
            Verb::UpdateConfiguration => Job::UpdateConfiguration(self.changes()?),
            Verb::Concurrency => {
                let reserved = self.must(self.reserved.as_ref(), "reserved")?;
                let number = || reserved.parse().ok().filter(|number| *number >= 0);
                let number = || number().ok_or_else(|| sentence!("aws.lambda_reserved", text => reserved.as_str()));
                Job::Concurrency { reserved: if reserved == "none" { None } else { Some(number()?) } }
            }
            Verb::Invoke => Job::Invoke { payload: self.payload, qualifier },
        })
    }

    fn changes(self) -> Result<Changes, Sentence> {
        let variables = self.variables.unwrap_or_default();
        let remove = self.remove.unwrap_or_default();
        for name in variables.keys().chain(&remove) {
            if RESERVED.contains(&name.as_str()) {
                return Err(sentence!("aws.lambda_reserved_name", name));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || name.len() < 2 || !name.chars().all(plain) {
                return Err(sentence!("aws.lambda_name", name));
            }
        }
        let changes = Changes {
            variables,
            remove,
            from_version: text(self.from_version.as_ref()),
            timeout: match self.timeout.as_ref().map(Span::seconds).transpose()? {
                Some(seconds @ 1..=900) => i32::try_from(seconds).ok(),
                Some(_) => return Err(sentence!("aws.lambda_timeout")),
                None => None,
            },
            memory: self.memory.map(i32::from),
        };
        let others = !changes.variables.is_empty()
            || !changes.remove.is_empty()
            || changes.timeout.is_some()
            || changes.memory.is_some();
        match changes.from_version.is_some() == others {
            true => Err(sentence!("aws.lambda_nothing")),
            false => Ok(changes),
        }
    }
}

/// What a field says; one that is empty says nothing.
fn text(field: Option<&Text>) -> Option<String> {
    field.map(|Text(text)| text.clone()).filter(|text| !text.is_empty())
}

impl Job {
    /// Its own fields, as the plan holds them.
    pub(super) fn exact(&self) -> Value {
        match self {
            Self::List { prefix } => json!({ "prefix": prefix }),
            Self::Versions | Self::Publish => json!({}),
            Self::Configuration { qualifier, sha256 } => json!({ "qualifier": qualifier, "sha256": sha256 }),
            Self::Alias { alias, version } => json!({ "alias": alias, "version": version }),
            Self::Shift { alias, version, from, percent } => {
                json!({ "alias": alias, "version": version, "from": from, "percent": percent })
            }
            Self::UpdateCode { zip, publish } => json!({ "zip": zip, "publish": publish }),
            Self::UpdateConfiguration(changes) => json!({
                "variables": changes.variables.iter().map(|(name, it)| (name, it.shown())).collect::<BTreeMap<_, _>>(),
                "remove": changes.remove,
                "from_version": changes.from_version,
                "timeout": changes.timeout,
                "memory": changes.memory,
            }),
            Self::Concurrency { reserved } => json!({ "reserved": reserved }),
            Self::Invoke { payload, qualifier } => json!({ "payload": payload, "qualifier": qualifier }),
        }
    }

    /// Names of the secrets in it.
    pub(super) fn secrets(&self) -> Vec<String> {
        match self {
            Self::UpdateConfiguration(changes) => {
                changes.variables.values().filter_map(SecretText::secret).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(with: Value) -> String {
        let fields: Result<Fields, _> = serde_json::from_value(with);
        fields.map_or_else(|error| error.to_string(), |fields| format!("{:?}", fields.check().unwrap_err()))
    }

    #[test]
    fn reserved_names_and_fields_of_other_verbs_are_refused_by_name() {
        let region = json!({"do": "update_configuration", "function": "api", "variables": {"AWS_REGION": "eu-west-1"}});
        assert!(refused(region).contains("AWS_REGION"));
        for (with, says) in [
            (
                json!({"do": "update_configuration", "function": "api", "remove": ["LAMBDA_TASK_ROOT"]}),
                "LAMBDA_TASK_ROOT",
            ),
            (json!({"do": "update_configuration", "function": "api", "variables": {"a-b": "1"}}), "a-b"),
            (json!({"do": "update_configuration", "function": "api"}), "lambda_nothing"),
            (
                json!({"do": "update_configuration", "function": "api", "from_version": "1", "memory": 512}),
                "lambda_nothing",
            ),
            (json!({"do": "update_configuration", "function": "api", "timeout": "16m"}), "lambda_timeout"),
            (json!({"do": "shift", "function": "api", "alias": "live"}), "version"),
            (
                json!({"do": "shift", "function": "api", "alias": "live", "version": "3", "percent": 100}),
                "lambda_percent",
            ),
            (json!({"do": "alias", "function": "api", "alias": "live", "from": "3"}), "from"),
            (json!({"do": "versions"}), "function"),
            (json!({"do": "versions", "function": "api", "payload": {}}), "payload"),
            (json!({"do": "versions", "function": "api", "sha256": "0a"}), "sha256"),
            (json!({"do": "list", "function": "api"}), "function"),
            (json!({"do": "concurrency", "function": "api", "reserved": "off"}), "off"),
            (json!({"do": "remove", "function": "api"}), "remove"),
        ] {
            let error = refused(with.clone());
            assert!(error.contains(says), "{with}: {error}");
        }
    }
}
