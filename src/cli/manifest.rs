//! `sereno manifest`: prints what an app on a chat platform is created from.

use std::process::ExitCode;

use minijinja::context;

use super::Failure;
use super::args::{ManifestOptions, ManifestPlatform, shell_words};
use super::failure::FAILED;
use super::serve::load;
use crate::chat;
use crate::words::Words;

/// Prints a manifest.
pub fn manifest(options: &ManifestOptions) -> Result<ExitCode, Failure> {
    let ManifestPlatform::Slack { mode, name, json, config } = &options.platform;
    let settings = load(config.config.as_deref())?.settings;
    let words = shell_words();
    let url = (mode == "http").then_some(settings.public_url.as_str());
    let Some(manifest) = chat::slack_manifest(name, url, Words(settings.language)) else {
        return Err(Failure::new(FAILED, words.get("cli.no_slack"), words.get("cli.hint_no_slack")));
    };
    if let Some(url) = url.filter(|url| !url.starts_with("https://")) {
        eprintln!("sereno: {}", words.say("cli.not_https", context! { url }));
    }
    if *json {
        println!("{}", serde_json::to_string_pretty(&manifest).map_err(anyhow::Error::from)?);
    } else {
        // Plain scalars only: what reads it at the other end is not ours.
        let plain = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let text = serde_saphyr::to_string_with_options(&manifest, plain).map_err(anyhow::Error::from)?;
        println!("{}", text.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
