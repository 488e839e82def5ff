//! Events that tell that somebody stands otherwise at Slack. They are only a hint: whoever they name is asked for anew, so
//! one that is lost costs a few minutes, and a forged one nothing.

use serde_json::Value;

/// The identities that an event in its envelope is about; none if it is about nobody's standing.
pub(super) fn changed(payload: &Value) -> Vec<String> {
    let event = &payload["event"];
    let members = |lists: &[&Value]| -> Vec<String> {
        let named = lists.iter().filter_map(|list| list.as_array()).flatten();
        named.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (team, users) = match event["type"].as_str() {
        Some("user_change") => {
            (&event["user"]["team_id"], event["user"]["id"].as_str().map(str::to_owned).into_iter().collect())
        }
        Some("subteam_members_changed") => {
            (&event["team_id"], members(&[&event["added_users"], &event["removed_users"]]))
        }
        Some("subteam_updated") => (&event["subteam"]["team_id"], members(&[&event["subteam"]["users"]])),
        _ => return Vec::new(),
    };
    let Some(team) = team.as_str().or_else(|| payload["team_id"].as_str()) else { return Vec::new() };
    users.iter().map(|user| format!("{team}/{user}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_named_is_asked_for_anew() {
        for (event, named) in [
            (json!({"type": "user_change", "user": {"id": "U1", "team_id": "T1", "deleted": true}}), vec!["T1/U1"]),
            (json!({"type": "user_change", "user": {"id": "U1"}}), vec!["T9/U1"]),
            (
                json!({"type": "subteam_members_changed", "team_id": "T1", "added_users": ["U2"], "removed_users": ["U3"]}),
                vec!["T1/U2", "T1/U3"],
            ),
            (json!({"type": "subteam_updated", "subteam": {"team_id": "T1", "users": ["U4"]}}), vec!["T1/U4"]),
            (json!({"type": "subteam_updated", "subteam": {"users": 3}}), vec![]),
            (json!({"type": "app_mention", "user": "U1"}), vec![]),
            (json!("noise"), vec![]),
        ] {
            assert_eq!(changed(&json!({"team_id": "T9", "event": event})), named, "{event}");
        }
    }
}
