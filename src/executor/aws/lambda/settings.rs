//! `lambda` update_configuration: variables are merged in memory; their values are never in facts, plans or logs.

use std::collections::HashMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::Environment;
use serde_json::{Value, json};

use super::fields::Changes;
use super::{Attempt, Fault, change, count, looking};
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::Tools;

/// Variables by name.
type Variables = HashMap<String, String>;

/// What a configuration is to be.
struct Wanted {
    variables: Option<Variables>,
    timeout: Option<i32>,
    memory: Option<i32>,
}

/// Changes the configuration, waits until it holds, and reads it back.
pub(super) async fn update(
    client: &Client,
    function: &str,
    changes: &Changes,
    (now, tools): (&Value, &Tools),
    attempt: &mut Attempt,
) -> Result<Sentence, Fault> {
    let found = configuration(client, function, None).await?;
    attempt.found("before", shown(&found));
    let wanted = match &changes.from_version {
        Some(version) => {
            let kept = configuration(client, function, Some(version)).await?;
            Wanted { variables: Some(variables(&kept)?), timeout: kept.timeout(), memory: kept.memory_size() }
        }
        None => Wanted {
            // What is not to change is not sent: all of it would take the place of what there is.
            variables: match changes.variables.is_empty() && changes.remove.is_empty() {
                true => None,
                false => Some(merged(variables(&found)?, changes, tools)?),
            },
            timeout: changes.timeout,
            memory: changes.memory,
        },
    };
    let environment = wanted.variables.map(|all| Environment::builder().set_variables(Some(all)).build());
    let request = || {
        let request = client.update_function_configuration().function_name(function);
        let request = request.set_environment(environment.clone());
        let request = request.set_timeout(wanted.timeout).set_memory_size(wanted.memory);
        request.set_revision_id(now["revision"].as_str().map(str::to_owned))
    };
    attempt.change(|| request().send()).await.map_err(|fault| change::moved(fault, function))?;
    attempt.under_way(true);
    change::settled(client, function).await?;
    if let Ok(after) = configuration(client, function, None).await {
        attempt.found("after", shown(&after));
    }
    attempt.under_way(false);
    Ok(sentence!("aws.lambda_updated", function, what => changes.listed()))
}

async fn configuration(
    client: &Client,
    function: &str,
    version: Option<&str>,
) -> Result<GetFunctionConfigurationOutput, Fault> {
    let request = || client.get_function_configuration().function_name(function);
    let version = version.map(str::to_owned);
    looking(|| request().set_qualifier(version.clone()).send()).await
}

/// All variables. AWS may hold them back, as where we may not use their key: merged into nothing they would be lost.
fn variables(found: &GetFunctionConfigurationOutput) -> Result<Variables, Fault> {
    let environment = found.environment();
    if let Some(error) = environment.and_then(|environment| environment.error()) {
        let why = error.message().or(error.error_code()).unwrap_or_default().to_owned();
        return Err(Fault::Failed(sentence!("aws.lambda_variables_hidden", why)));
    }
    Ok(environment.and_then(|environment| environment.variables()).cloned().unwrap_or_default())
}

fn merged(mut all: Variables, changes: &Changes, tools: &Tools) -> Result<Variables, Fault> {
    for name in &changes.remove {
        all.remove(name);
    }
    for (name, value) in &changes.variables {
        all.insert(name.clone(), value.reveal(tools).map_err(Fault::Failed)?);
    }
    Ok(all)
}

/// What may be shown of it.
fn shown(found: &GetFunctionConfigurationOutput) -> Value {
    let mut names: Vec<String> = variables(found).unwrap_or_default().into_keys().collect();
    names.sort_unstable();
    json!({ "timeout": count(found.timeout()), "memory": count(found.memory_size()), "variables": names })
}
