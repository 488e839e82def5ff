//! Composition objects: texts, options, groups, confirmations, ids.
//! Page: <https://docs.slack.dev/reference/block-kit/composition-objects>.

use serde_json::Value;

use super::shapes::Is;
use super::{Check, most};

/// Items of a list, none where it is no list.
pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

impl Check {
    /// A text object.
    pub(super) fn text(&mut self, place: &str, value: &Value, limit: &str, markup: bool) {
        let kind = value["type"].as_str().unwrap_or_default();
        if kind != "plain_text" && !(markup && kind == "mrkdwn") {
            return self.wrong(&format!("{place}/type"), &format!("unsupported type: {kind}"));
        }
        let known: &[(&str, bool, Is)] = if kind == "mrkdwn" {
            &[("text", true, Is::Str("")), ("verbatim", false, Is::Flag)]
        } else {
            &[("text", true, Is::Str("")), ("emoji", false, Is::Flag)]
        };
        self.fields(place, value, known, &["type"]);
        let text = value["text"].as_str().unwrap_or_default();
        let place = format!("{place}/text");
        if text.is_empty() {
            self.wrong(&place, "must be more than 0 characters");
        }
        self.length(&place, text, limit);
        self.text += text.chars().count();
    }

    pub(super) fn markdown_text(&mut self, place: &str, value: &Value) {
        let length = value.as_str().map_or(0, |text| text.chars().count());
        if length == 0 {
            self.wrong(place, "must be more than 0 characters");
        }
        self.markdown += length;
        self.text += length;
    }

    pub(super) fn section_fields(&mut self, place: &str, value: &Value) {
        let list = items(value);
        if list.is_empty() {
            self.wrong(place, "no less than 1 items allowed");
        }
        self.count(place, list.len(), "section.fields");
        for (at, text) in list.iter().enumerate() {
            self.text(&format!("{place}/{at}"), text, "section.field", true);
        }
    }

    /// An action id: once in a block.
    pub(super) fn action_id(&mut self, place: &str, value: &Value) {
        let id = value.as_str().unwrap_or_default();
        if id.is_empty() {
            return self.wrong(place, "must be more than 0 characters");
        }
        self.length(place, id, "action_id");
        // The same field of two inputs is told apart by its block.
        if !self.input && !self.action_ids.insert(id.to_owned()) {
            self.wrong(place, "action_id already exists");
        }
    }

    pub(super) fn options(&mut self, place: &str, value: &Value, limit: &str) {
        let list = items(value);
        if list.is_empty() {
            self.wrong(place, "no less than 1 items allowed");
        }
        self.count(place, list.len(), limit);
        list.iter().enumerate().for_each(|(at, option)| self.option(&format!("{place}/{at}"), option));
    }

    pub(super) fn option(&mut self, place: &str, value: &Value) {
        let fields = [
            ("text", true, Is::Text("option.text")),
            ("value", true, Is::Str("option.value")),
            ("description", false, Is::Text("option.description")),
            ("url", false, Is::Str("button.url")),
        ];
        self.fields(place, value, &fields, &[]);
    }

    pub(super) fn groups(&mut self, place: &str, value: &Value) {
        let list = items(value);
        self.count(place, list.len(), "select.option_groups");
        for (at, group) in list.iter().enumerate() {
            let fields = [
                ("label", true, Is::Plain("option_group.label")),
                ("options", true, Is::Options("option_group.options")),
            ];
            self.fields(&format!("{place}/{at}"), group, &fields, &[]);
        }
    }

    pub(super) fn confirm(&mut self, place: &str, value: &Value) {
        let fields = [
            ("title", true, Is::Plain("confirm.title")),
            ("text", true, Is::Text("confirm.text")),
            ("confirm", true, Is::Plain("confirm.confirm")),
            ("deny", true, Is::Plain("confirm.deny")),
            ("style", false, Is::Word(&["primary", "danger"])),
        ];
        self.fields(place, value, &fields, &[]);
    }

    /// Options that an app answers to a search with; `Err` says what is wrong.
    pub(crate) fn suggestions(value: &Value) -> Result<(), Vec<String>> {
        let mut check = Self::default();
        match (items(&value["options"]), items(&value["option_groups"])) {
            ([], []) if value["options"].is_array() || value["option_groups"].is_array() => {}
            ([], []) => check.wrong("", "must define either `options` or `option_groups`"),
            ([], _) => check.groups("/option_groups", &value["option_groups"]),
            _ => check.options("/options", &value["options"], "select.options"),
        }
        if check.errors.is_empty() { Ok(()) } else { Err(check.errors) }
    }

    /// A plain text of a view (title, submit, close); `Err` says what is wrong.
    pub(crate) fn view_text(place: &str, value: &Value, limit: &str) -> Vec<String> {
        let mut check = Self::default();
        check.text(place, value, limit, false);
        check.errors
    }

    /// A string of a view.
    pub(crate) fn view_string(place: &str, text: &str, limit: &str) -> Vec<String> {
        let long = text.chars().count() > most(limit);
        let words = format!("[ERROR] must be less than {} characters [json-pointer:{place}]", most(limit) + 1);
        long.then_some(words).into_iter().collect()
    }
}
