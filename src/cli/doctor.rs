//! `sereno doctor`: looks at everything this installation needs; each line says how it is and what to do.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use minijinja::context;
use serde::Serialize;

use super::Failure;
use super::args::{DoctorOptions, shell_words};
use super::failure::FAILED;
use super::serve::load;
use crate::app::{aws_settings, platforms};
use crate::catalog;
use crate::chat::{Chat, Named};
use crate::config::Config;
use crate::executor::{self, Tools};
use crate::store::inbox::{self, DeliveryState};
use crate::store::{Store, messages};
use crate::words::Words;

/// How long a chat platform may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One line.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    /// `ok`, `warning` or `error`.
    state: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Looks at everything.
pub async fn doctor(options: DoctorOptions) -> Result<ExitCode, Failure> {
    let config = load(options.config.config.as_deref())?;
    let words = shell_words();
    let tools = Tools::new(config.secrets.clone(), &[], config.docker_host.clone());
    let tools = Tools { programs: Arc::new(config.programs.clone()), ..tools.with_aws(aws_settings(&config)) };
    let mut findings = vec![runbooks(&config, words)];
    findings.extend(warnings(&config));
    findings.extend(packs(&config, words));
    findings.push(listening(&config, words).await);
    findings.extend(database(&config, words).await);
    findings.push(engine_of_docker(&tools, words).await);
    findings.push(programs_of_postgres(words).await);
    findings.push(compose(&tools, words).await);
    findings.push(terraform(&tools, words).await);
    findings.extend(aws(&config, &tools, words).await);
    for chat in platforms(&config, &crate::clock::Clock::System) {
        let named = Named::of(&config.settings, chat.platform());
        findings.extend(platform(chat.as_ref(), &named, words, PATIENCE).await);
    }
    let bad = findings.iter().any(|finding| finding.state == "error");
    if options.json {
        println!("{}", serde_json::to_string_pretty(&findings).map_err(anyhow::Error::from)?);
    } else {
        for finding in &findings {
            let mark = words.get(&format!("cli.doctor_{}", finding.state));
            println!("{mark:7} {}: {}", finding.what, finding.message);
            if let Some(hint) = &finding.hint {
                println!("        → {hint}");
            }
        }
    }
    Ok(if bad { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn finding(what: &'static str, state: &'static str, message: String, hint: Option<String>) -> Finding {
    Finding { what, state, message, hint }
}

fn runbooks(config: &Config, words: Words) -> Finding {
    match catalog::load(&config.catalog, &config.settings) {
        Ok(catalog) => {
            finding("catalog", "ok", words.say("cli.all_sound", context! { count => catalog.all().count() }), None)
        }
        Err(problems) => {
            let message = words.say("cli.problems", context! { count => problems.len() });
            finding("catalog", "error", message, Some(words.get("cli.hint_check")))
        }
    }
}

/// What packs need of the configuration and do not have.
fn packs(config: &Config, words: Words) -> Vec<Finding> {
    let Ok(catalog) = catalog::load(&config.catalog, &config.settings) else { return Vec::new() };
    let mut findings = Vec::new();
    for pack in catalog.packs() {
        let name = pack.name.as_str();
        let scheduled = catalog.all().filter(|book| book.pack == pack.name).flat_map(|book| &book.schedule);
        let silent = scheduled.filter(|schedule| schedule.channel.is_none()).count();
        let count = silent + pack.monitors.len();
        if count > 0 && config.settings.channel_of(name).is_none() {
            let message = words.say("cli.doctor_pack_sleeps", context! { name, count });
            findings.push(finding(
                "pack",
                "warning",
                message,
                Some(words.say("cli.hint_pack_sleeps", context! { name })),
            ));
        }
        let known = |secret: &&String| !config.secrets.contains_key(*secret);
        for (secret, about) in &pack.secrets {
            let over = config.settings.packs.get(name);
            let here = crate::domain::pack::secrets(over, None);
            let anywhere =
                over.is_some_and(|over| over.environments.values().any(|env| env.secrets.contains_key(secret)));
            if !here.contains_key(secret) && !anywhere && known(&secret) {
                let message = words.say("cli.doctor_pack_secret", context! { name, secret, about });
                let hint = words.say("cli.hint_pack_secret", context! { name, secret });
                findings.push(finding("pack", "warning", message, Some(hint)));
            }
        }
    }
    findings
}

fn warnings(config: &Config) -> impl Iterator<Item = Finding> + '_ {
    config.warnings.iter().map(|warning| finding("config", "warning", warning.message.clone(), warning.hint.clone()))
}

async fn listening(config: &Config, words: Words) -> Finding {
    let address = config.listen.clone();
    match tokio::net::TcpStream::connect(&address).await {
        Ok(_) => finding("server", "ok", words.say("cli.doctor_serving", context! { address }), None),
        Err(_) => finding(
            "server",
            "warning",
            words.say("cli.doctor_not_serving", context! { address }),
            Some(words.get("cli.hint_server")),
        ),
    }
}

async fn database(config: &Config, words: Words) -> Vec<Finding> {
    let counts = async {
        let store = Store::open(config.store_url.reveal())?;
        if store.schema_version().await? == 0 {
            return Ok(None);
        }
        let mut db = store.read().await?;
        Ok::<_, crate::store::StoreError>(Some((inbox::counts(&mut db).await?, messages::undelivered(&mut db).await?)))
    };
    match counts.await {
        Err(error) => vec![finding("store", "error", error.to_string(), Some(words.get("cli.hint_store_away")))],
        // Nobody served yet: that is how everybody begins.
        Ok(None) => {
            let hint = Some(words.get("cli.hint_store_empty"));
            vec![finding("store", "warning", words.get("cli.doctor_store_empty"), hint)]
        }
        Ok(Some((counts, undelivered))) => {
            let of = |state| counts.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count);
            let mut findings = vec![finding("store", "ok", words.get("cli.doctor_store"), None)];
            if of(DeliveryState::Failed) > 0 {
                let message = words.say("cli.doctor_failed", context! { count => of(DeliveryState::Failed) });
                findings.push(finding("inbox", "warning", message, Some(words.get("cli.hint_inbox"))));
            }
            if undelivered > 0 {
                let message = words.say("cli.doctor_undelivered", context! { count => undelivered });
                findings.push(finding("messages", "warning", message, Some(words.get("cli.hint_undelivered"))));
            }
            findings
        }
    }
}

async fn engine_of_docker(tools: &Tools, words: Words) -> Finding {
    match executor::docker_version(tools).await {
        Ok(version) => finding("docker", "ok", version, None),
        Err(why) => finding("docker", "warning", words.tell(&why), Some(words.get("cli.hint_docker"))),
    }
}

async fn programs_of_postgres(words: Words) -> Finding {
    match executor::postgres_versions().await {
        Ok(versions) => finding("postgresql", "ok", versions, None),
        Err(why) => finding("postgresql", "warning", words.tell(&why), Some(words.get("cli.hint_postgresql"))),
    }
}

async fn compose(tools: &Tools, words: Words) -> Finding {
    match executor::compose_version(tools).await {
        Ok(version) => finding("compose", "ok", version, None),
        Err(why) => finding("compose", "warning", words.tell(&why), Some(words.get("cli.hint_compose"))),
    }
}

async fn terraform(tools: &Tools, words: Words) -> Finding {
    match executor::terraform::version(tools).await {
        Ok(version) => finding("terraform", "ok", version, None),
        Err(why) => finding("terraform", "warning", words.tell(&why), Some(words.get("cli.hint_terraform"))),
    }
}

/// Who we are on AWS, where anything says that we are there.
async fn aws(config: &Config, tools: &Tools, words: Words) -> Option<Finding> {
    if !config.aws.named {
        return None;
    }
    Some(match executor::aws_identity(tools).await {
        Ok(identity) => finding("aws", "ok", identity, None),
        Err(why) => finding("aws", "warning", words.tell(&why), Some(words.get("cli.hint_aws"))),
    })
}

/// What a chat platform says of itself; one that does not answer is an error, and nothing to wait for.
async fn platform(chat: &dyn Chat, named: &Named, words: Words, patience: Duration) -> Vec<Finding> {
    let what = chat.platform().as_str();
    match tokio::time::timeout(patience, chat.troubles(named, words)).await {
        Err(_) => {
            let message = words.say("cli.doctor_no_answer", context! { seconds => patience.as_secs() });
            vec![finding(what, "error", message, Some(words.get("cli.hint_platform")))]
        }
        Ok(troubles) if troubles.is_empty() => vec![finding(what, "ok", words.get("cli.doctor_platform"), None)],
        Ok(troubles) => troubles.into_iter().map(|trouble| finding(what, "warning", trouble, None)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{ChatError, Outgoing};
    use crate::domain::actor::Platform;
    use crate::domain::settings::Language;

    /// A platform with these troubles; with none known it never answers.
    struct Told(Option<Vec<&'static str>>);

    #[async_trait::async_trait]
    impl Chat for Told {
        fn platform(&self) -> Platform {
            Platform::Slack
        }
        async fn post(&self, _: Outgoing<'_>) -> Result<String, ChatError> {
            Err(ChatError::Refused("nobody posts here".to_owned()))
        }
        async fn edit(&self, _: &str, _: Outgoing<'_>) -> Result<(), ChatError> {
            Err(ChatError::Refused("nobody edits here".to_owned()))
        }
        async fn troubles(&self, _: &Named, _: Words) -> Vec<String> {
            match &self.0 {
                Some(troubles) => troubles.iter().map(|trouble| (*trouble).to_owned()).collect(),
                None => std::future::pending().await,
            }
        }
    }

    #[tokio::test]
    async fn a_platform_has_a_line_a_trouble_and_is_not_waited_for() {
        for language in [Language::En, Language::Es] {
            let states = async |told| {
                let found = platform(&Told(told), &Named::default(), Words(language), Duration::from_millis(20)).await;
                found.into_iter().map(|finding| (finding.what, finding.state)).collect::<Vec<_>>()
            };
            assert_eq!(states(Some(vec![])).await, [("slack", "ok")]);
            assert_eq!(states(Some(vec!["one", "two"])).await, [("slack", "warning"), ("slack", "warning")]);
            assert_eq!(states(None).await, [("slack", "error")]);
        }
    }
}
