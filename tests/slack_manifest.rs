//! What `sereno manifest slack` prints: as committed, the same in YAML and JSON, and within the rules that Slack publishes
//! for manifests (docs.slack.dev/reference/app-manifest).
#![allow(clippy::disallowed_methods)] // the program is tested from outside

use std::process::Command;

use serde_json::{Value, json};

const HTTPS: (&str, &str) = ("SERENO_SERVER__PUBLIC_URL", "https://ops.example.com");

fn printed(args: &[&str], env: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sereno"));
    let output = command.args(["manifest", "slack"]).args(args).envs(env.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Run with `SERENO_TEST_UPDATE=1` to write them anew.
#[test]
fn both_modes_are_as_committed_and_the_same_as_json() {
    for (mode, path) in [("socket", "tests/golden/slack_socket.yaml"), ("http", "tests/golden/slack_http.yaml")] {
        let fresh = printed(&["--mode", mode], &[HTTPS]);
        if std::env::var("SERENO_TEST_UPDATE").is_ok() {
            std::fs::write(path, &fresh).unwrap();
        }
        assert_eq!(fresh, std::fs::read_to_string(path).unwrap_or_default(), "{path}");
        let yaml: Value = serde_saphyr::from_str(&fresh).unwrap();
        let json: Value = serde_json::from_str(&printed(&["--mode", mode, "--json"], &[HTTPS])).unwrap();
        assert_eq!(yaml, json);
    }
}

#[test]
fn addresses_are_there_only_where_slack_sends_requests() {
    let http: Value = serde_json::from_str(&printed(&["--mode", "http", "--json"], &[HTTPS])).unwrap();
    assert_eq!(http["features"]["slash_commands"][0]["url"], "https://ops.example.com/slack/commands");
    assert_eq!(http["settings"]["interactivity"]["request_url"], "https://ops.example.com/slack/interactions");
    assert_eq!(http["settings"]["event_subscriptions"]["request_url"], "https://ops.example.com/slack/events");
    assert_eq!(http["settings"]["socket_mode_enabled"], false);
    assert!(!printed(&[], &[HTTPS]).contains("://"));
}

/// A text of so many characters.
fn text(least: usize, most: usize) -> Value {
    json!({"type": "string", "minLength": least, "maxLength": most})
}

/// Nothing but these keys; all but `optional` are required.
fn object(keys: Value, optional: &[&str]) -> Value {
    let required: Vec<_> = keys.as_object().unwrap().keys().filter(|key| !optional.contains(&key.as_str())).collect();
    json!({"type": "object", "required": required, "additionalProperties": false, "properties": keys})
}

fn list(of: &Value, most: usize) -> Value {
    json!({"type": "array", "items": of, "minItems": 1, "maxItems": most, "uniqueItems": true})
}

/// Slack's rules for the parts that we use.
fn rules() -> Value {
    let (flag, url) =
        (json!({"type": "boolean"}), json!({"type": "string", "pattern": "^https://", "maxLength": 3000}));
    let shortcut = object(
        json!({
            "name": text(1, 24), "type": {"enum": ["message", "global"]}, "callback_id": text(1, 255),
            "description": text(1, 150),
        }),
        &[],
    );
    let command = object(
        json!({
            "command": {"type": "string", "pattern": "^/[^ ]+$", "maxLength": 32}, "url": url,
            "description": text(1, 2000), "usage_hint": text(1, 1000), "should_escape": flag,
        }),
        &["url"],
    );
    let color = json!({"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"});
    let interactivity = json!({"is_enabled": flag, "request_url": url, "message_menu_options_url": url});
    object(
        json!({
            "display_information": object(
                json!({"name": text(1, 35), "description": text(1, 140), "background_color": color}), &[]),
            "features": object(json!({
                "app_home": object(json!({"home_tab_enabled": flag, "messages_tab_enabled": flag}), &[]),
                "bot_user": object(json!({"display_name": text(1, 80), "always_online": flag}), &[]),
                "shortcuts": list(&shortcut, 10),
                "slash_commands": list(&command, 5),
            }), &[]),
            "oauth_config": object(json!({
                "scopes": object(json!({"bot": list(&text(1, 50), 255)}), &[]),
            }), &[]),
            "settings": object(json!({
                "event_subscriptions": object(
                    json!({"request_url": url, "bot_events": list(&text(1, 50), 100)}), &["request_url"]),
                "interactivity": object(interactivity, &["request_url", "message_menu_options_url"]),
                "org_deploy_enabled": flag, "socket_mode_enabled": flag, "token_rotation_enabled": flag,
            }), &[]),
        }),
        &[],
    )
}

#[test]
fn it_keeps_slacks_rules_in_both_languages_and_modes() {
    let rules = jsonschema::validator_for(&rules()).unwrap();
    for language in ["en", "es"] {
        for mode in ["socket", "http"] {
            let name = "A name of thirty-five characters!!!";
            let args = ["--mode", mode, "--json", "--name", name];
            let text = printed(&args, &[HTTPS, ("SERENO_LANGUAGE", language)]);
            let found: Value = serde_json::from_str(&text).unwrap();
            let wrong: Vec<_> =
                rules.iter_errors(&found).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(wrong.is_empty(), "{language} {mode}: {wrong:#?}");
        }
    }
    let mut sereno = Command::new(env!("CARGO_BIN_EXE_sereno"));
    let long = "x".repeat(36);
    let refused = sereno.args(["manifest", "slack", "--name", &long]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
}
