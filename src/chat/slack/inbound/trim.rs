//! Leaves out of a payload what is never read, before it is read: a kind of block that the models do not know yet must
//! not lose a click. Pure.

use serde_json::{Value, json};

/// What is read of a message.
const MESSAGE: &[&str] =
    &["ts", "thread_ts", "channel", "channel_type", "user", "bot_id", "username", "text", "subtype"];
/// What is read of an event, beside what is read of a message.
const EVENT: &[&str] = &["type", "reaction", "item", "event_ts", "tab"];

/// An interaction.
pub(super) fn interaction(mut payload: Value) -> Value {
    if let Some(message) = payload.get_mut("message") {
        keep(message, MESSAGE);
    }
    if let Some(view) = payload.get_mut("view").and_then(Value::as_object_mut) {
        view.insert("blocks".to_owned(), json!([]));
    }
    // Where an app is installed for a whole organization, only the person has a workspace.
    if payload["team"].is_null() && !payload["user"]["team_id"].is_null() {
        payload["team"] = json!({"id": payload["user"]["team_id"]});
    }
    payload
}

/// An event in its envelope.
pub(super) fn event(mut payload: Value) -> Value {
    if let Some(event) = payload.get_mut("event") {
        // `user` is an id where it is read, and a whole person elsewhere.
        if event["user"].is_object() {
            event["user"] = event["user"]["id"].clone();
        }
        keep(event, &[MESSAGE, EVENT].concat());
    }
    payload
}

/// The workspace of an event's author, where the event says it.
pub(super) fn author_team(event: &Value) -> Option<&str> {
    ["user_team", "team", "source_team"].iter().find_map(|key| event[*key].as_str())
}

fn keep(value: &mut Value, keys: &[&str]) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|key, _| keys.contains(&key.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use slack_morphism::prelude::{SlackInteractionEvent, SlackPushEventCallback};

    use super::*;

    #[test]
    fn a_block_from_the_future_does_not_lose_a_click() {
        let payload = json!({
            "type": "block_actions", "team": null, "user": {"id": "U1", "team_id": "T1"}, "api_app_id": "A1",
            "container": {"type": "message", "message_ts": "1.2", "channel_id": "C1"}, "trigger_id": "t",
            "message": {"ts": "1.2", "blocks": [{"type": "hologram"}], "metadata": {"event_payload": {"seq": 7}}},
            "actions": [{"type": "button", "action_id": "approve", "value": "m"}],
        });
        assert!(serde_json::from_value::<SlackInteractionEvent>(payload.clone()).is_err(), "then this is not needed");
        serde_json::from_value::<SlackInteractionEvent>(interaction(payload)).unwrap();
    }

    #[test]
    fn an_event_about_a_person_is_read() {
        let payload = json!({
            "type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": "E1", "event_time": 1,
            "event": {"type": "user_change", "user": {"id": "U1", "deleted": true}},
        });
        serde_json::from_value::<SlackPushEventCallback>(event(payload)).unwrap();
    }
}
