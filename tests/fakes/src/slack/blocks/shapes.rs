//! Blocks and elements as data: which fields each has, which it must have, what a field is. What is not here is
//! refused. Pages: <https://docs.slack.dev/reference/block-kit/blocks> and `/block-elements`.

/// What a field is. Texts name their limit; an empty name is no limit.
#[derive(Debug, Clone, Copy)]
pub enum Is {
    /// A `plain_text` object.
    Plain(&'static str),
    /// A `plain_text` or `mrkdwn` object.
    Text(&'static str),
    /// A string.
    Str(&'static str),
    /// One of these words.
    Word(&'static [&'static str]),
    Flag,
    Number(&'static str),
    Any,
    ActionId,
    /// One of these elements.
    Element(&'static [&'static str]),
    /// A list of these elements.
    Elements(&'static [&'static str], &'static str),
    /// The fields of a section.
    Fields,
    /// A list of options.
    Options(&'static str),
    /// One option.
    Choice,
    Groups,
    Confirm,
    /// Text that counts into the total of markdown.
    Markdown,
    Rows,
    DataRows,
    Chart,
}

/// A field: name, whether it must be there, what it is.
pub type Field = (&'static str, bool, Is);

/// A block or element.
pub type Shape = (&'static str, &'static [Field]);

use Is::{
    ActionId, Any, Chart, Choice, Confirm, DataRows, Element, Elements, Fields, Flag, Groups, Markdown, Number,
    Options, Plain, Rows, Str, Text, Word,
};

/// What a row of actions takes.
const ACTIONS: &[&str] = &[
    "button",
    "static_select",
    "external_select",
    "users_select",
    "conversations_select",
    "channels_select",
    "overflow",
    "checkboxes",
    "radio_buttons",
    "datepicker",
    "timepicker",
    "datetimepicker",
    "rich_text_input",
];
/// What stands beside a section.
const ACCESSORIES: &[&str] = &[
    "button",
    "image",
    "static_select",
    "external_select",
    "users_select",
    "conversations_select",
    "channels_select",
    "multi_static_select",
    "multi_external_select",
    "multi_users_select",
    "multi_conversations_select",
    "multi_channels_select",
    "overflow",
    "checkboxes",
    "radio_buttons",
    "datepicker",
    "timepicker",
];
/// What an input holds.
const INPUTS: &[&str] = &[
    "plain_text_input",
    "number_input",
    "email_text_input",
    "url_text_input",
    "rich_text_input",
    "file_input",
    "static_select",
    "external_select",
    "users_select",
    "conversations_select",
    "channels_select",
    "multi_static_select",
    "multi_external_select",
    "multi_users_select",
    "multi_conversations_select",
    "multi_channels_select",
    "checkboxes",
    "radio_buttons",
    "datepicker",
    "timepicker",
    "datetimepicker",
];

/// Every block this fake knows. `block_id` is a field of all.
pub const BLOCKS: &[Shape] = &[
    ("divider", &[]),
    (
        "section",
        &[
            ("text", false, Text("section.text")),
            ("fields", false, Fields),
            ("expand", false, Flag),
            ("accessory", false, Element(ACCESSORIES)),
        ],
    ),
    ("header", &[("text", true, Plain("header.text"))]),
    ("context", &[("elements", true, Elements(&["image", "mrkdwn", "plain_text"], "context.elements"))]),
    ("actions", &[("elements", true, Elements(ACTIONS, "actions.elements"))]),
    (
        "image",
        &[
            ("image_url", false, Str("image.url")),
            ("slack_file", false, Any),
            ("alt_text", true, Str("image.alt_text")),
            ("title", false, Plain("image.title")),
        ],
    ),
    (
        "input",
        &[
            ("label", true, Plain("input.label")),
            ("element", true, Element(INPUTS)),
            ("dispatch_action", false, Flag),
            ("hint", false, Plain("input.hint")),
            ("optional", false, Flag),
        ],
    ),
    ("markdown", &[("text", true, Markdown)]),
    ("rich_text", &[("elements", true, Any)]),
    ("alert", &[("text", true, Text("alert.text")), ("level", false, Str(""))]),
    ("table", &[("rows", true, Rows), ("column_settings", false, Any)]),
    (
        "data_table",
        &[
            ("caption", true, Str("")),
            ("rows", true, DataRows),
            ("page_size", false, Number("data_table.page_size")),
            ("row_header_column_index", false, Number("")),
        ],
    ),
    ("data_visualization", &[("title", true, Str("chart.title")), ("chart", true, Chart)]),
];

/// A select menu that has these fields beside the common ones.
macro_rules! select {
    ($($field:expr),*) => {
        &[
            ("action_id", false, ActionId), ("placeholder", false, Plain("select.placeholder")),
            ("confirm", false, Confirm), ("focus_on_load", false, Flag), $($field),*
        ]
    };
}
/// A field to write or pick in.
macro_rules! writing {
    ($($field:expr),*) => {
        &[
            ("action_id", false, ActionId), ("placeholder", false, Plain("select.placeholder")),
            ("focus_on_load", false, Flag), ("dispatch_action_config", false, Any), $($field),*
        ]
    };
}

const MANY: Field = ("max_selected_items", false, Number(""));
const OPTIONS: Field = ("options", false, Options("select.options"));
const GROUPS: Field = ("option_groups", false, Groups);
const ONE: Field = ("initial_option", false, Choice);
const SOME: Field = ("initial_options", false, Any);
const QUERY: Field = ("min_query_length", false, Number(""));
const HOOKED: Field = ("response_url_enabled", false, Flag);
const FILTER: Field = ("filter", false, Any);
const HERE: Field = ("default_to_current_conversation", false, Flag);

/// Every element this fake knows.
pub const ELEMENTS: &[Shape] = &[
    (
        "button",
        &[
            ("text", true, Plain("button.text")),
            ("action_id", false, ActionId),
            ("url", false, Str("button.url")),
            ("value", false, Str("button.value")),
            ("style", false, Word(&["primary", "danger"])),
            ("confirm", false, Confirm),
            ("accessibility_label", false, Str("button.accessibility_label")),
        ],
    ),
    (
        "image",
        &[
            ("image_url", false, Str("image.url")),
            ("slack_file", false, Any),
            ("alt_text", true, Str("image.alt_text")),
        ],
    ),
    ("static_select", select!(OPTIONS, GROUPS, ONE)),
    ("multi_static_select", select!(OPTIONS, GROUPS, SOME, MANY)),
    ("external_select", select!(QUERY, ONE)),
    ("multi_external_select", select!(QUERY, SOME, MANY)),
    ("users_select", select!(("initial_user", false, Str("")))),
    ("multi_users_select", select!(("initial_users", false, Any), MANY)),
    ("conversations_select", select!(("initial_conversation", false, Str("")), HERE, HOOKED, FILTER)),
    ("multi_conversations_select", select!(("initial_conversations", false, Any), HERE, FILTER, MANY)),
    ("channels_select", select!(("initial_channel", false, Str("")), HOOKED)),
    ("multi_channels_select", select!(("initial_channels", false, Any), MANY)),
    (
        "overflow",
        &[("action_id", false, ActionId), ("options", true, Options("overflow.options")), ("confirm", false, Confirm)],
    ),
    ("checkboxes", select!(("options", true, Options("choice.options")), SOME)),
    ("radio_buttons", select!(("options", true, Options("choice.options")), ONE)),
    ("datepicker", select!(("initial_date", false, Str("")))),
    ("timepicker", select!(("initial_time", false, Str("")), ("timezone", false, Str("")))),
    ("datetimepicker", select!(("initial_date_time", false, Number("")))),
    (
        "plain_text_input",
        writing!(
            ("initial_value", false, Str("")),
            ("multiline", false, Flag),
            ("min_length", false, Number("plain_text_input.max_length")),
            ("max_length", false, Number("plain_text_input.max_length"))
        ),
    ),
    (
        "number_input",
        writing!(
            ("is_decimal_allowed", true, Flag),
            ("initial_value", false, Str("")),
            ("min_value", false, Str("")),
            ("max_value", false, Str(""))
        ),
    ),
    ("email_text_input", writing!(("initial_value", false, Str("")))),
    ("url_text_input", writing!(("initial_value", false, Str("")))),
    ("rich_text_input", writing!(("initial_value", false, Any), ("min_lines", false, Number("")))),
    (
        "file_input",
        &[("action_id", false, ActionId), ("filetypes", false, Any), ("max_files", false, Number("choice.options"))],
    ),
];
