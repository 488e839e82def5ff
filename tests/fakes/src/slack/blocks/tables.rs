//! Tables and charts. Pages: <https://docs.slack.dev/reference/block-kit/blocks/table-block>, `data-table-block`,
//! `data-visualization-block`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::parts::items;
use super::shapes::Is;
use super::{Check, most};

impl Check {
    /// Rows of a table: cells of `raw_text`, `raw_number` or `rich_text`.
    pub(super) fn rows(&mut self, place: &str, value: &Value) {
        self.count(place, items(value).len(), "table.rows");
        for (at, row) in items(value).iter().enumerate() {
            let place = format!("{place}/{at}");
            self.count(&place, items(row).len(), "table.columns");
            items(row).iter().enumerate().for_each(|(at, cell)| self.cell(&format!("{place}/{at}"), cell, true));
        }
    }

    pub(super) fn data_rows(&mut self, place: &str, value: &Value) {
        let rows = items(value);
        self.count(place, rows.len(), "data_table.rows");
        if rows.len() < 2 {
            self.wrong(place, "no less than 2 items allowed");
        }
        let width = rows.first().map_or(0, |row| items(row).len());
        for (at, row) in rows.iter().enumerate() {
            let place = format!("{place}/{at}");
            self.count(&place, items(row).len(), "data_table.columns");
            if items(row).len() != width || width == 0 {
                self.wrong(&place, "every row must have the same number of cells");
            }
            for (column, cell) in items(row).iter().enumerate() {
                self.cell(&format!("{place}/{column}"), cell, at > 0);
                self.cells += cell["text"].as_str().map_or(0, |text| text.chars().count());
            }
        }
    }

    fn cell(&mut self, place: &str, cell: &Value, rich: bool) {
        match cell["type"].as_str() {
            Some("raw_text" | "raw_number") if cell["text"].as_str().is_none_or(str::is_empty) => {
                self.wrong(&format!("{place}/text"), "must be more than 0 characters");
            }
            Some("raw_text") => {}
            Some("raw_number") if cell["value"].is_number() => {}
            Some("rich_text") if rich => {}
            other => self.wrong(&format!("{place}/type"), &format!("unsupported type: {}", other.unwrap_or_default())),
        }
    }

    pub(super) fn chart(&mut self, place: &str, value: &Value) {
        match value["type"].as_str() {
            Some("pie") => {
                self.fields(place, value, &[("segments", true, Is::Any)], &["type"]);
                self.between(&format!("{place}/segments"), &value["segments"], "chart.segments");
                for (at, segment) in items(&value["segments"]).iter().enumerate() {
                    let place = format!("{place}/segments/{at}");
                    self.point(&place, segment);
                    if segment["value"].as_f64().is_some_and(|value| value <= 0.0) {
                        self.wrong(&format!("{place}/value"), "must be more than 0");
                    }
                }
            }
            Some("line" | "bar" | "area") => {
                let fields = [("series", true, Is::Any), ("axis_config", true, Is::Any)];
                self.fields(place, value, &fields, &["type"]);
                self.series(place, value);
            }
            other => self.wrong(&format!("{place}/type"), &format!("unsupported type: {}", other.unwrap_or_default())),
        }
    }

    fn series(&mut self, place: &str, value: &Value) {
        let axis = &value["axis_config"];
        let fields = [
            ("categories", true, Is::Any),
            ("x_label", false, Is::Str("chart.axis_label")),
            ("y_label", false, Is::Str("chart.axis_label")),
        ];
        self.fields(&format!("{place}/axis_config"), axis, &fields, &[]);
        self.between(&format!("{place}/axis_config/categories"), &axis["categories"], "chart.points");
        let categories: BTreeSet<&str> = items(&axis["categories"]).iter().filter_map(Value::as_str).collect();
        for category in &categories {
            self.label(&format!("{place}/axis_config/categories"), category);
        }
        let count = items(&axis["categories"]).len();
        if categories.len() != count {
            self.wrong(&format!("{place}/axis_config/categories"), "categories must be unique strings");
        }
        self.between(&format!("{place}/series"), &value["series"], "chart.series");
        let mut names = BTreeSet::new();
        for (at, series) in items(&value["series"]).iter().enumerate() {
            let place = format!("{place}/series/{at}");
            self.fields(&place, series, &[("name", true, Is::Str("")), ("data", true, Is::Any)], &[]);
            self.label(&format!("{place}/name"), series["name"].as_str().unwrap_or_default());
            if !names.insert(series["name"].as_str()) {
                self.wrong(&format!("{place}/name"), "name already exists");
            }
            self.between(&format!("{place}/data"), &series["data"], "chart.points");
            items(&series["data"]).iter().for_each(|point| self.point(&format!("{place}/data"), point));
            let labels: BTreeSet<&str> =
                items(&series["data"]).iter().filter_map(|one| one["label"].as_str()).collect();
            if labels != categories || items(&series["data"]).len() != count {
                self.wrong(&format!("{place}/data"), "labels must match the categories");
            }
        }
    }

    fn label(&mut self, place: &str, text: &str) {
        self.length(place, text, "chart.label");
        if text.is_empty() {
            self.wrong(place, "must be more than 0 characters");
        }
    }

    fn point(&mut self, place: &str, point: &Value) {
        self.fields(place, point, &[("label", true, Is::Str("chart.label")), ("value", true, Is::Any)], &[]);
        if !point["value"].is_number() {
            self.wrong(&format!("{place}/value"), "must be a valid number");
        }
    }

    fn between(&mut self, place: &str, list: &Value, limit: &str) {
        let found = items(list).len();
        if found == 0 || found > most(limit) {
            self.wrong(place, &format!("between 1 and {} items allowed", most(limit)));
        }
    }
}
