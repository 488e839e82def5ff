//! Versions of programs on this machine: each of a fixed list is asked in its own way, within a limit. Knows nothing of
//! other looks.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;
use crate::domain::text_enum;
use crate::executor::StepContext;
use crate::executor::output::Recorder;
use crate::executor::process::{self, Ended, Spec};

/// How long a program may take to say how old it is.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of its answer that are read.
const ANSWER: usize = 4096;

text_enum! {
    /// A program whose way of telling its version is known.
    Tool {
        /// The AWS command line.
        Aws = "aws",
        /// curl.
        Curl = "curl",
        /// The Docker command line.
        Docker = "docker",
        /// Compose, the older program.
        DockerCompose = "docker-compose",
        /// git.
        Git = "git",
        /// Go.
        Go = "go",
        /// Java.
        Java = "java",
        /// The Kubernetes command line.
        Kubectl = "kubectl",
        /// Node.js.
        Node = "node",
        /// npm.
        Npm = "npm",
        /// openssl.
        Openssl = "openssl",
        /// PostgreSQL's dump.
        PgDump = "pg_dump",
        /// PHP.
        Php = "php",
        /// pip.
        Pip = "pip3",
        /// PM2.
        Pm2 = "pm2",
        /// PostgreSQL's shell.
        Psql = "psql",
        /// Python 3.
        Python = "python3",
        /// Redis's shell.
        RedisCli = "redis-cli",
        /// Ruby.
        Ruby = "ruby",
        /// Terraform.
        Terraform = "terraform",
    }
}

impl Tool {
    fn question(self) -> &'static str {
        match self {
            Self::Go | Self::Openssl | Self::Terraform => "version",
            Self::Java => "-version",
            _ => "--version",
        }
    }
}

/// A program, and how old it may be.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Which.
    pub(super) tool: Tool,
    /// The oldest version that will do, in quotes, as in `"20.10"`: without, YAML would read 20.1. Any without.
    #[serde(default)]
    at_least: Option<String>,
}

impl Serialize for Wanted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({ "tool": self.tool, "at_least": self.at_least }).serialize(serializer)
    }
}

/// What was found of one program.
struct Found<'w> {
    wanted: &'w Wanted,
    there: bool,
    version: Option<String>,
    ok: bool,
}

/// Asks each program, one after the other.
pub(super) async fn report(tools: &[Wanted], cx: &StepContext) -> Result<Report, Sentence> {
    let mut found = Vec::new();
    for wanted in tools {
        let least = wanted.at_least.as_deref();
        if least.is_some_and(|least| number(least).is_none()) {
            return Err(sentence!("action.host_no_version", text => least.unwrap_or_default()));
        }
        let program = process::find(wanted.tool.as_str());
        let version = match &program {
            Some(program) => ask(program.clone(), wanted.tool, cx).await,
            None => None,
        };
        let enough = |least: &str| version.as_deref().and_then(number) >= number(least);
        let ok = program.is_some() && least.is_none_or(enough);
        found.push(Found { wanted, there: program.is_some(), version, ok });
    }
    let named = |which: &dyn Fn(&Found<'_>) -> bool| -> Vec<&str> {
        found.iter().filter(|one| which(one)).map(|one| one.wanted.tool.as_str()).collect()
    };
    let (missing, too_old) = (named(&|one| !one.there), named(&|one| one.there && !one.ok));
    let line = match (missing.is_empty(), too_old.is_empty()) {
        (true, true) => sentence!("action.host_versions_good"),
        (false, true) => sentence!("action.host_missing", tools => missing.join(", ")),
        (true, false) => sentence!("action.host_too_old", tools => too_old.join(", ")),
        (false, false) => {
            sentence!("action.host_missing_and_old", missing => missing.join(", "), old => too_old.join(", "))
        }
    };
    let tools: Vec<Value> = found
        .iter()
        .map(|one| {
            let least = one.wanted.at_least.as_deref();
            json!({
                "tool": one.wanted.tool, "found": one.there, "version": one.version, "at_least": least, "ok": one.ok,
            })
        })
        .collect();
    let columns = ["action.column_tool", "action.column_version", "action.column_least"];
    let rows = found.iter().map(|one| {
        let least = one.wanted.at_least.clone().unwrap_or_default();
        vec![one.wanted.tool.to_string(), one.version.clone().unwrap_or_else(|| "–".to_owned()), least]
    });
    let table = Some(Grid::new(columns.map(Sentence::new).into(), rows));
    let ok = missing.is_empty() && too_old.is_empty();
    let facts = json!({ "tools": tools, "ok": ok, "missing": missing, "too_old": too_old });
    Ok(Report { table, ..Report::new(facts, line) })
}

async fn ask(program: std::path::PathBuf, tool: Tool, cx: &StepContext) -> Option<String> {
    let spec = Spec { program, args: vec![tool.question().to_owned()], ..Spec::default() };
    let mut recorder = Recorder::new(&cx.tools.redactor, ANSWER);
    let ended = process::run(&spec, WITHIN, &cx.cancel, &mut |pipe, bytes| recorder.push(pipe, bytes)).await;
    let said = recorder.finish().output.head;
    matches!(ended, Ok(Ended::Exited(0))).then(|| version(&said)).flatten()
}

/// The first thing in a text that looks like a version.
fn version(text: &str) -> Option<String> {
    static VERSION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d+(?:\.\d+)+").expect("a pattern that is tested"));
    VERSION.find(text).map(|found| found.as_str().to_owned())
}

/// A version's numbers, to be compared one by one; zeros at the end make no difference.
fn number(text: &str) -> Option<Vec<u64>> {
    let parts: Option<Vec<u64>> = text.trim_start_matches('v').split('.').map(|part| part.parse().ok()).collect();
    parts.map(|mut parts| {
        while parts.last() == Some(&0) {
            parts.pop();
        }
        parts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (said, is) in [
            ("Docker version 20.10.24+dfsg1, build 297e128", "20.10.24"),
            ("v20.11.1", "20.11.1"),
            ("aws-cli/2.9.19 Python/3.11.2", "2.9.19"),
            ("openjdk version \"17.0.10\" 2024-01-16", "17.0.10"),
        ] {
            assert_eq!(version(said).unwrap(), is);
        }
        assert!(number("20.10") > number("20.9.9") && number("1.0.0") == number("1"));
        assert_eq!(number("latest"), None);
    }
}
