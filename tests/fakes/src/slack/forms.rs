//! Filling in a form as Slack's client does: what a person enters becomes `state.values`, and what is missing or out of
//! bounds is refused before the app hears of it.
//! Page: <https://docs.slack.dev/reference/views#state>.

use serde_json::{Value, json};

use super::world::View;

/// What stops the client from sending a form: block id and words.
pub(crate) type Stops = Vec<(String, String)>;

/// The state of a view after these entries: names are action or block ids; several choices are told apart by commas.
///
/// # Panics
/// When the view has no such field: a test looks for what is not there.
pub(crate) fn fill(view: &View, entries: &[(&str, &str)], offered: &dyn Fn(&str) -> Vec<Value>) -> (Value, Stops) {
    let (mut values, mut stops, mut used) = (json!({}), Vec::new(), 0);
    for block in view.json["blocks"].as_array().into_iter().flatten() {
        let id = block["block_id"].as_str().unwrap_or_default();
        for (_, element) in super::message::elements(std::slice::from_ref(block)) {
            let Some(action) = element["action_id"].as_str().filter(|_| element["type"] != "button") else { continue };
            let entry = entries.iter().find(|(name, _)| *name == action || *name == id).map(|(_, text)| *text);
            used += usize::from(entry.is_some());
            let known = offered(action);
            match value(&element, entry, &known) {
                Ok(value) => {
                    let required = block["type"] == "input" && block["optional"] != true;
                    if required && empty(&value) {
                        stops.push((id.to_owned(), "Please complete this required field.".to_owned()));
                    }
                    values[id][action] = value;
                }
                Err(words) => stops.push((id.to_owned(), words)),
            }
        }
    }
    assert!(used >= entries.len(), "the form has not all of {entries:?}: {:#}", view.json["blocks"]);
    (values, stops)
}

/// Nothing was entered.
fn empty(value: &Value) -> bool {
    let fields = value.as_object().into_iter().flatten().filter(|(name, _)| *name != "type");
    fields.into_iter().all(|(_, inner)| match inner {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    })
}

/// Where a type of element keeps what was entered, and where what it starts with.
fn slots(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "static_select" | "external_select" | "radio_buttons" | "overflow" => ("selected_option", "initial_option"),
        "multi_static_select" | "multi_external_select" | "checkboxes" => ("selected_options", "initial_options"),
        "users_select" => ("selected_user", "initial_user"),
        "multi_users_select" => ("selected_users", "initial_users"),
        "conversations_select" => ("selected_conversation", "initial_conversation"),
        "multi_conversations_select" => ("selected_conversations", "initial_conversations"),
        "channels_select" => ("selected_channel", "initial_channel"),
        "multi_channels_select" => ("selected_channels", "initial_channels"),
        "datepicker" => ("selected_date", "initial_date"),
        "timepicker" => ("selected_time", "initial_time"),
        "datetimepicker" => ("selected_date_time", "initial_date_time"),
        "rich_text_input" => ("rich_text_value", "initial_value"),
        "file_input" => ("files", "files"),
        _ => ("value", "initial_value"),
    }
}

/// One field of the state. `known` are options that the app offered in a search.
pub(crate) fn value(element: &Value, entry: Option<&str>, known: &[Value]) -> Result<Value, String> {
    let kind = element["type"].as_str().unwrap_or_default();
    let (slot, initial) = slots(kind);
    let many = slot.ends_with('s') && slot != "files";
    let Some(entry) = entry else {
        let start = if many && element[initial].is_null() { json!([]) } else { element[initial].clone() };
        return Ok(json!({"type": kind, slot: start}));
    };
    let parts: Vec<&str> = entry.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let found = match slot {
        "selected_option" if entry.is_empty() => Value::Null,
        "selected_option" => option(element, entry, known)?,
        "selected_options" => {
            parts.iter().map(|part| option(element, part, known)).collect::<Result<Vec<_>, _>>()?.into()
        }
        "value" => text(element, kind, entry)?,
        "selected_date_time" => json!(entry.parse::<i64>().map_err(|_| "Enter a date and time.")?),
        _ if many => json!(parts),
        _ => json!(entry),
    };
    let most = element["max_selected_items"].as_u64().unwrap_or(u64::MAX);
    if found.as_array().is_some_and(|list| list.len() as u64 > most) {
        return Err(format!("No more than {most} may be chosen."));
    }
    Ok(json!({"type": kind, slot: found}))
}

/// An option by value, or by what is read on it: only what is offered can be chosen.
fn option(element: &Value, wanted: &str, known: &[Value]) -> Result<Value, String> {
    let groups = element["option_groups"].as_array().into_iter().flatten();
    let grouped = groups.flat_map(|group| group["options"].as_array().into_iter().flatten());
    let mut all = element["options"].as_array().into_iter().flatten().chain(grouped).chain(known);
    let chosen = |option: &&Value| option["value"] == wanted || option["text"]["text"] == wanted;
    all.find(chosen).cloned().ok_or_else(|| format!("{wanted} is not offered."))
}

fn text(element: &Value, kind: &str, entry: &str) -> Result<Value, String> {
    let length = entry.chars().count() as u64;
    let bound = |name: &str| element[name].as_u64();
    let number = |name: &str| element[name].as_str().and_then(|text| text.parse::<f64>().ok());
    match kind {
        _ if entry.is_empty() => return Ok(Value::Null),
        "plain_text_input" if length > bound("max_length").unwrap_or(3_000) => return Err("That is too long.".into()),
        "plain_text_input" if length < bound("min_length").unwrap_or(0) => return Err("That is too short.".into()),
        "number_input" => {
            let found: f64 = entry.parse().map_err(|_| "Enter a number.")?;
            if element["is_decimal_allowed"] != true && found.fract() != 0.0 {
                return Err("Enter a whole number.".into());
            }
            if number("min_value").is_some_and(|least| found < least)
                || number("max_value").is_some_and(|most| found > most)
            {
                return Err("That is out of bounds.".into());
            }
        }
        "email_text_input" if !entry.contains('@') => return Err("Enter an email address.".into()),
        "url_text_input" if !entry.contains("://") => return Err("Enter a link.".into()),
        _ => {}
    }
    Ok(json!(entry))
}
