//! Checks of Block Kit as Slack makes them: every fault with its place as a JSON pointer. Fills in ids that the app
//! left out, as Slack does. Reads the tables of `shapes` and `limits`.

mod parts;
mod shapes;
mod tables;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

pub use super::limits::most;
use shapes::{BLOCKS, ELEMENTS, Field, Is, Shape};

/// Where blocks are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    Message,
    Modal,
    Home,
}

/// What was found wrong, in Slack's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// `[ERROR] … [json-pointer:…]`, one or more.
    Blocks(Vec<String>),
    /// All texts together are too long: `msg_blocks_too_long`.
    TooLong,
}

/// A walk over blocks.
#[derive(Default)]
pub(crate) struct Check {
    errors: Vec<String>,
    action_ids: BTreeSet<String>,
    block_ids: BTreeSet<String>,
    text: usize,
    markdown: usize,
    cells: usize,
    charts: usize,
    input: bool,
}

/// Checks blocks for a surface and returns them with all ids; `base` is their JSON pointer, `serial` makes new ids.
///
/// # Errors
/// With everything that is wrong.
pub fn check(blocks: &Value, surface: Surface, base: &str, serial: &mut u64) -> Result<Vec<Value>, Wrong> {
    let Some(list) = blocks.as_array() else {
        return Err(Wrong::Blocks(vec![format!("[ERROR] must be an array [json-pointer:{base}]")]));
    };
    let mut check = Check::default();
    let limit = if surface == Surface::Message { "message.blocks" } else { "view.blocks" };
    check.count(base, list.len(), limit);
    for (at, block) in list.iter().enumerate() {
        check.block(&format!("{base}/{at}"), block, surface);
    }
    if check.markdown > most("markdown.total") {
        check.wrong(base, "markdown blocks together must be less than 12001 characters");
    }
    if check.cells > most("data_table.total") {
        check.wrong(base, "data tables together must be less than 20001 characters");
    }
    if check.charts > most("message.charts") {
        check.wrong(base, "no more than 2 data_visualization blocks allowed");
    }
    if !check.errors.is_empty() {
        return Err(Wrong::Blocks(check.errors));
    }
    if surface == Surface::Message && check.text > most("message.blocks.text") {
        return Err(Wrong::TooLong);
    }
    let mut list = list.clone();
    list.iter_mut().for_each(|block| fill(block, serial));
    Ok(list)
}

/// Gives a block and its elements the ids that are missing.
fn fill(block: &mut Value, serial: &mut u64) {
    let mut name = |prefix: &str| {
        *serial += 1;
        json!(format!("{prefix}{:05x}", *serial))
    };
    if block["block_id"].is_null() {
        block["block_id"] = name("b");
    }
    let mut one = |element: &mut Value| {
        let known = ELEMENTS.iter().find(|(kind, _)| element["type"] == *kind);
        let acts = known.is_some_and(|(_, fields)| fields.iter().any(|(field, ..)| *field == "action_id"));
        if acts && element["action_id"].is_null() {
            element["action_id"] = name("a");
        }
    };
    for key in ["accessory", "element"] {
        if let Some(element) = block.get_mut(key) {
            one(element);
        }
    }
    if let Some(list) = block.get_mut("elements").and_then(Value::as_array_mut) {
        list.iter_mut().for_each(one);
    }
}

impl Check {
    fn wrong(&mut self, place: &str, words: &str) {
        self.errors.push(format!("[ERROR] {words} [json-pointer:{place}]"));
    }

    fn count(&mut self, place: &str, found: usize, limit: &str) {
        if found > most(limit) {
            self.wrong(place, &format!("no more than {} items allowed", most(limit)));
        }
    }

    fn length(&mut self, place: &str, text: &str, limit: &str) {
        if !limit.is_empty() && text.chars().count() > most(limit) {
            self.wrong(place, &format!("must be less than {} characters", most(limit) + 1));
        }
    }

    fn block(&mut self, place: &str, block: &Value, surface: Surface) {
        let kind = block["type"].as_str().unwrap_or_default();
        let Some((_, fields)) = BLOCKS.iter().find(|(name, _)| *name == kind) else {
            return self.wrong(&format!("{place}/type"), &format!("unsupported type: {kind}"));
        };
        if kind == "alert" && surface != Surface::Modal {
            self.wrong(place, "alert is for modals only");
        }
        if surface == Surface::Home && matches!(kind, "markdown" | "table" | "data_table" | "data_visualization") {
            self.wrong(&format!("{place}/type"), &format!("unsupported type: {kind}"));
        }
        if kind == "section" && block["text"].is_null() && block["fields"].is_null() {
            self.wrong(place, "missing required field: text");
        }
        if kind == "image" && block["image_url"].is_null() == block["slack_file"].is_null() {
            self.wrong(place, "must define either image_url or slack_file");
        }
        if kind == "data_visualization" {
            self.charts += 1;
        }
        if let Some(id) = block["block_id"].as_str() {
            self.length(&format!("{place}/block_id"), id, "block_id");
            if !self.block_ids.insert(id.to_owned()) {
                self.wrong(&format!("{place}/block_id"), "block_id already exists");
            }
        }
        if kind == "table" {
            let settings = block["column_settings"].as_array().map_or(0, Vec::len);
            self.count(&format!("{place}/column_settings"), settings, "table.column_settings");
        }
        self.input = kind == "input";
        self.action_ids.clear();
        self.fields(place, block, fields, &["type", "block_id"]);
    }

    /// Every field of an object is known, is what it should be, and none is missing.
    fn fields(&mut self, place: &str, value: &Value, fields: &[Field], also: &[&str]) {
        let empty = Map::new();
        let object = value.as_object().unwrap_or(&empty);
        for (name, must, _) in fields {
            if *must && object.get(*name).is_none_or(Value::is_null) {
                self.wrong(place, &format!("missing required field: {name}"));
            }
        }
        for (name, inner) in object {
            let place = format!("{place}/{name}");
            match fields.iter().find(|(known, ..)| known == name) {
                Some((_, _, is)) => self.field(&place, inner, *is),
                None if also.contains(&name.as_str()) => {}
                None => self.wrong(&place, &format!("invalid additional property: {name}")),
            }
        }
    }

    fn field(&mut self, place: &str, value: &Value, is: Is) {
        match is {
            Is::Plain(limit) => self.text(place, value, limit, false),
            Is::Text(limit) => self.text(place, value, limit, true),
            Is::Str(limit) => match value.as_str() {
                Some(text) => self.length(place, text, limit),
                None => self.wrong(place, "must be a string"),
            },
            Is::Word(known) if !known.iter().any(|word| value == word) => {
                self.wrong(place, "must be a valid enum value")
            }
            Is::Flag if !value.is_boolean() => self.wrong(place, "must be a boolean"),
            Is::Number(limit) => match value.as_u64() {
                Some(found) if limit.is_empty() || found <= most(limit) as u64 => {}
                _ => self.wrong(place, "must be a valid number"),
            },
            Is::Word(_) | Is::Flag | Is::Any => {}
            Is::ActionId => self.action_id(place, value),
            Is::Element(kinds) => self.element(place, value, kinds),
            Is::Elements(kinds, limit) => self.elements(place, value, kinds, limit),
            Is::Fields => self.section_fields(place, value),
            Is::Options(limit) => self.options(place, value, limit),
            Is::Choice => self.option(place, value),
            Is::Groups => self.groups(place, value),
            Is::Confirm => self.confirm(place, value),
            Is::Markdown => self.markdown_text(place, value),
            Is::Rows => self.rows(place, value),
            Is::DataRows => self.data_rows(place, value),
            Is::Chart => self.chart(place, value),
        }
    }

    fn elements(&mut self, place: &str, value: &Value, kinds: &[&str], limit: &str) {
        let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
        if list.is_empty() {
            self.wrong(place, "no less than 1 items allowed");
        }
        self.count(place, list.len(), limit);
        list.iter().enumerate().for_each(|(at, one)| self.element(&format!("{place}/{at}"), one, kinds));
    }

    fn element(&mut self, place: &str, value: &Value, kinds: &[&str]) {
        let kind = value["type"].as_str().unwrap_or_default();
        if !kinds.contains(&kind) {
            return self.wrong(&format!("{place}/type"), &format!("unsupported type: {kind}"));
        }
        if matches!(kind, "mrkdwn" | "plain_text") {
            return self.text(place, value, "context.text", true);
        }
        let shape: Option<&Shape> = ELEMENTS.iter().find(|(name, _)| *name == kind);
        let Some((_, fields)) = shape else { return self.wrong(place, &format!("unsupported type: {kind}")) };
        if kind.ends_with("static_select") && value["options"].is_null() == value["option_groups"].is_null() {
            self.wrong(place, "must define either `options` or `option_groups`, but not both");
        }
        self.fields(place, value, fields, &["type"]);
    }
}
