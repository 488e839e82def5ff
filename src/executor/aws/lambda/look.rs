//! `lambda` list, configuration, versions and alias: what there is, as facts.

use aws_sdk_lambda::Client;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Attempt, Fault, count, looking};
use crate::domain::digest::hex;
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};

/// Pages of a list that are read; each has up to 50.
const PAGES: usize = 40;

/// Functions whose names begin with `prefix`.
pub(super) async fn list(client: &Client, prefix: &str, attempt: &mut Attempt) -> Result<Sentence, Fault> {
    let (mut found, mut marker) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = looking(|| client.list_functions().set_marker(marker.clone()).send()).await?;
        found.extend(
            page.functions().iter().filter(|it| it.function_name().unwrap_or_default().starts_with(prefix)).map(|it| {
                json!({
                    "name": it.function_name(),
                    "runtime": it.runtime().map(|runtime| runtime.as_str()),
                    "memory": count(it.memory_size()),
                    "timeout": count(it.timeout()),
                    "modified": it.last_modified(),
                })
            }),
        );
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    let names: Vec<&str> = found.iter().filter_map(|it| it["name"].as_str()).collect();
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let columns = ["name", "runtime", "memory", "timeout", "modified"];
    let rows = found.iter().map(|it| columns.iter().map(|column| cell(&it[*column])).collect());
    attempt.table = (!found.is_empty()).then(|| Grid::new(columns.map(Sentence::plain).into(), rows));
    let total = found.len();
    attempt.found("names", names.into_iter().map(str::to_owned).collect::<Vec<_>>());
    attempt.found("functions", found);
    attempt.found("count", total);
    attempt.found("truncated", marker.is_some());
    Ok(sentence!("aws.counted", count => total))
}

/// Lambda's digest of code, in hexadecimal as everybody else writes it.
pub(super) fn digest(code_sha256: &str) -> Option<String> {
    STANDARD.decode(code_sha256).ok().map(|digest| hex(&digest))
}

/// A function's configuration. Of its variables the names alone. With other code than it must have it is a failure.
pub(super) async fn configuration(
    client: &Client,
    function: &str,
    (qualifier, sha256): (Option<&str>, Option<&str>),
    attempt: &mut Attempt,
) -> Result<Sentence, Fault> {
    let request = || client.get_function_configuration().function_name(function);
    let qualifier = qualifier.map(str::to_owned);
    let found = looking(|| request().set_qualifier(qualifier.clone()).send()).await?;
    let variables = found.environment().and_then(|environment| environment.variables());
    let mut names: Vec<&str> = variables.into_iter().flat_map(|map| map.keys()).map(String::as_str).collect();
    names.sort_unstable();
    let state = found.state().map_or("Active", |state| state.as_str());
    let group = found.logging_config().and_then(|logging| logging.log_group());
    attempt.found("runtime", found.runtime().map(|runtime| runtime.as_str()));
    attempt.found("memory", count(found.memory_size()));
    attempt.found("timeout", count(found.timeout()));
    attempt.found("state", state);
    attempt.found("update", found.last_update_status().map(|status| status.as_str()));
    attempt.found("version", found.version());
    attempt.found("code_sha256", found.code_sha256());
    attempt.found("code_bytes", found.code_size());
    attempt.found("modified", found.last_modified());
    attempt.found("role", found.role());
    attempt.found("log_group", group.map_or_else(|| format!("/aws/lambda/{function}"), str::to_owned));
    attempt.found("variables", names);
    attempt.found("reserved", reserved(client, function).await?["reserved"].take());
    let code = found.code_sha256().and_then(digest).unwrap_or_default();
    attempt.found("sha256", code.clone());
    match sha256 {
        Some(wanted) if wanted != code => {
            Err(Fault::Failed(sentence!("aws.lambda_other_code", function, code, wanted)))
        }
        _ => Ok(sentence!("aws.is", what => function, state)),
    }
}

/// The reservation of concurrency: a number, or `none`.
pub(super) async fn reserved(client: &Client, function: &str) -> Result<Value, Fault> {
    let found = looking(|| client.get_function_concurrency().function_name(function).send()).await?;
    let reserved = found.reserved_concurrent_executions();
    Ok(json!({ "reserved": reserved.map_or_else(|| json!("none"), |number| json!(number)) }))
}

/// What a function is before it is changed, and its revision.
pub(super) async fn revision(client: &Client, function: &str) -> Result<Value, Fault> {
    let found = looking(|| client.get_function_configuration().function_name(function).send()).await?;
    let variables = found.environment().and_then(|environment| environment.variables());
    let mut names: Vec<&String> = variables.into_iter().flatten().map(|(name, _)| name).collect();
    names.sort_unstable();
    Ok(json!({
        "revision": found.revision_id(), "code_sha256": found.code_sha256(), "timeout": count(found.timeout()),
        "memory": count(found.memory_size()), "variables": names,
    }))
}

/// Versions as texts, the newest first.
pub(super) async fn versions(client: &Client, function: &str, attempt: &mut Attempt) -> Result<Sentence, Fault> {
    let (mut found, mut marker): (Vec<(u64, Vec<String>)>, _) = (Vec::new(), None);
    for _ in 0..PAGES {
        let request = || client.list_versions_by_function().function_name(function);
        let page = looking(|| request().set_marker(marker.clone()).send()).await?;
        found.extend(page.versions().iter().filter_map(|it| {
            let version = it.version()?;
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            let digest = it.code_sha256().unwrap_or_default().chars().take(12).collect();
            let row = vec![version.to_owned(), text(it.last_modified()), text(it.description()), digest];
            // $LATEST is no number.
            Some((version.parse().ok()?, row))
        }));
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let versions: Vec<String> = found.iter().map(|(number, _)| number.to_string()).collect();
    let columns = ["version", "modified", "description", "code"].map(Sentence::plain);
    attempt.table = (!found.is_empty()).then(|| Grid::new(columns.into(), found.into_iter().map(|(_, row)| row)));
    let (total, latest) = (versions.len(), versions.first().cloned());
    attempt.found("count", total);
    attempt.found("latest", latest);
    attempt.found("versions", versions);
    Ok(sentence!("aws.counted", count => total))
}

/// The newest version with this code.
pub(super) async fn version_with(client: &Client, function: &str, code: &str) -> Result<Option<String>, Fault> {
    let (mut newest, mut marker) = (None, None);
    for _ in 0..PAGES {
        let request = || client.list_versions_by_function().function_name(function);
        let page = looking(|| request().set_marker(marker.clone()).send()).await?;
        let with = page.versions().iter().filter(|it| it.code_sha256() == Some(code));
        // $LATEST is no number.
        newest = with.filter_map(|it| it.version()?.parse::<u64>().ok()).chain(newest).max();
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    Ok(newest.map(|version| version.to_string()))
}

/// Where an alias leads, and the revision that changes with it.
pub(super) async fn alias(client: &Client, function: &str, alias: &str) -> Result<Value, Fault> {
    let found = looking(|| client.get_alias().function_name(function).name(alias).send()).await?;
    let weights = found.routing_config().and_then(|routing| routing.additional_version_weights());
    let weights: serde_json::Map<String, Value> =
        weights.into_iter().flatten().map(|(version, weight)| (version.clone(), json!(weight))).collect();
    Ok(json!({ "version": found.function_version(), "weights": weights, "revision": found.revision_id() }))
}

/// The same as facts. One that leads elsewhere than it must, in part even, is a failure.
pub(super) async fn show_alias(
    client: &Client,
    function: &str,
    (name, wanted): (&str, Option<&str>),
    attempt: &mut Attempt,
) -> Result<Sentence, Fault> {
    let found = alias(client, function, name).await?;
    let version = found["version"].as_str().unwrap_or_default().to_owned();
    let whole = found["weights"].as_object().is_none_or(serde_json::Map::is_empty);
    if let Value::Object(fields) = found {
        attempt.facts.extend(fields);
    }
    match wanted {
        Some(wanted) if wanted != version || !whole => {
            Err(Fault::Failed(sentence!("aws.lambda_elsewhere", alias => name, version, wanted)))
        }
        _ => Ok(sentence!("aws.lambda_leads", alias => name, version)),
    }
}
