//! Cards at a shell: text for people, JSON for programs.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// States in which the answer is still to come.
const UNSETTLED: &[&str] = &["running", "waiting", "cancelling"];

/// Whether a card will still change by itself.
pub fn is_unsettled(card: &Value) -> bool {
    UNSETTLED.contains(&text(card, "state").as_str())
}

/// Prints cards.
pub fn print(cards: &[Value], json: bool) {
    if json {
        println!("{}", serde_json::to_string_pretty(cards).unwrap_or_default());
        return;
    }
    for card in cards {
        println!("{}", card_text(card));
    }
}

/// A card for people at a terminal.
pub fn card_text(card: &Value) -> String {
    let mut lines = vec![format!("[{}] {}: {}", text(card, "id"), text(card, "author"), text(card, "title"))];
    lines.extend(list(card, "body").iter().filter_map(Value::as_str).map(|line| format!("  {line}")));
    for field in list(card, "fields") {
        lines.push(format!("  {}: {}", text(field, "name"), text(field, "value")));
    }
    for table in ["/chart/table", "/table"].iter().filter_map(|at| card.pointer(at)).filter(|table| table.is_object()) {
        lines.extend(table_text(table).lines().map(|line| format!("  {line}")));
    }
    lines.extend(text(card, "output").lines().map(|line| format!("  | {line}")));
    let buttons: Vec<String> = list(card, "buttons")
        .iter()
        .map(|button| format!("[{}: {}]", text(button, "id"), text(button, "label")))
        .collect();
    if !buttons.is_empty() {
        lines.push(format!("  {}", buttons.join(" ")));
    }
    let footer = text(card, "footer");
    if !footer.is_empty() {
        lines.push(format!("  ({footer})"));
    }
    lines.join("\n")
}

fn table_text(table: &Value) -> String {
    let row = |cells: &Value| -> Vec<String> {
        cells.as_array().into_iter().flatten().map(|cell| cell.as_str().unwrap_or_default().to_owned()).collect()
    };
    let mut shown = Table::new();
    shown.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    shown.set_header(table.get("columns").map(row).unwrap_or_default());
    for cells in list(table, "rows") {
        shown.add_row(row(cells));
    }
    shown.to_string()
}

/// A text field of a card; empty where it has none.
pub fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_chart_is_read_as_its_table_before_the_cards_own() {
        let table = |column: &str, cell: &str| json!({"columns": [column, "Alerts"], "rows": [[cell, "7"]]});
        let card = json!({"id": "1", "title": "Handoff", "chart": {"title": "Per day", "table": table("Per day", "2026-02-27")},
            "table": table("Command", "rollback")});
        let shown = card_text(&card);
        let place = |part: &str| shown.find(part).unwrap_or_else(|| panic!("{part} in {shown}"));
        assert!(place("Per day") < place("2026-02-27") && place("2026-02-27") < place("Command"), "{shown}");
        assert!(!card_text(&json!({"title": "t", "chart": null, "table": null})).contains("null"));
    }
}
