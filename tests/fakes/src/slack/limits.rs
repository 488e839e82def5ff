//! The limits of messages, views and Block Kit, in one table. From the pages under
//! <https://docs.slack.dev/reference/block-kit> and the methods' pages; two that no page says are marked.

/// One limit.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// What it limits: `object.field`.
    pub name: &'static str,
    /// The most that is accepted: characters, items, or a value.
    pub most: usize,
}

const fn limit(name: &'static str, most: usize) -> Limit {
    Limit { name, most }
}

/// All of them.
pub const LIMITS: &[Limit] = &[
    limit("message.blocks", 50),
    limit("message.attachments", 100),
    // chat.postMessage takes longer texts and cuts them; here that is an error, for nothing may be cut in silence.
    limit("message.text", 40_000),
    limit("message.update.text", 4_000),
    limit("message.markdown_text", 12_000),
    // No page says it: slackapi/bolt-js#2509 measured 13,172 to 13,297.
    limit("message.blocks.text", 13_000),
    // No page says it either.
    limit("message.metadata", 16_000),
    limit("message.charts", 2),
    limit("markdown.total", 12_000),
    limit("data_table.total", 20_000),
    limit("block_id", 255),
    limit("action_id", 255),
    limit("section.text", 3_000),
    limit("section.fields", 10),
    limit("section.field", 2_000),
    limit("header.text", 150),
    limit("context.elements", 10),
    limit("context.text", 3_000),
    limit("actions.elements", 25),
    limit("image.url", 3_000),
    limit("image.alt_text", 2_000),
    limit("image.title", 2_000),
    limit("input.label", 2_000),
    limit("input.hint", 2_000),
    limit("alert.text", 200),
    limit("button.text", 75),
    limit("button.value", 2_000),
    limit("button.url", 3_000),
    limit("button.accessibility_label", 75),
    limit("confirm.title", 100),
    limit("confirm.text", 300),
    limit("confirm.confirm", 30),
    limit("confirm.deny", 30),
    limit("option.text", 75),
    limit("option.value", 150),
    limit("option.description", 75),
    limit("option_group.label", 75),
    limit("option_group.options", 100),
    limit("select.options", 100),
    limit("select.option_groups", 100),
    limit("select.placeholder", 150),
    limit("overflow.options", 5),
    limit("choice.options", 10),
    limit("plain_text_input.max_length", 3_000),
    limit("table.rows", 100),
    limit("table.columns", 20),
    limit("table.column_settings", 20),
    limit("data_table.rows", 201),
    limit("data_table.columns", 20),
    limit("data_table.page_size", 100),
    limit("chart.title", 50),
    // One copy of the page says 6, the generated table of slackblocks 3.0 says 12.
    limit("chart.series", 12),
    limit("chart.segments", 12),
    limit("chart.points", 20),
    limit("chart.label", 20),
    limit("chart.axis_label", 50),
    limit("view.blocks", 100),
    limit("view.title", 24),
    limit("view.submit", 24),
    limit("view.close", 24),
    limit("view.private_metadata", 3_000),
    limit("view.callback_id", 255),
    limit("view.external_id", 255),
    limit("view.stack", 3),
];

/// A limit by name.
///
/// # Panics
/// When the table has no such limit: a slip in this crate.
#[must_use]
pub fn most(name: &str) -> usize {
    LIMITS.iter().find(|limit| limit.name == name).unwrap_or_else(|| panic!("no limit {name}")).most
}
