//! Every limit of the table: as much is accepted, one more is refused.

use serde_json::{Value, json};
use sereno_fakes::slack::{LIMITS, Slack, most};

use crate::app::{Link, call, modal, post, slack};

fn x(n: usize) -> String {
    "x".repeat(n)
}

fn plain(n: usize) -> Value {
    json!({"type": "plain_text", "text": x(n)})
}

fn list(n: usize, one: impl Fn(usize) -> Value) -> Value {
    (0..n).map(one).collect()
}

fn option(at: usize) -> Value {
    json!({"text": plain(1), "value": format!("v{at}")})
}

fn button(with: (&str, Value)) -> Value {
    let mut button = json!({"type": "button", "text": plain(1)});
    button[with.0] = with.1;
    json!({"type": "actions", "elements": [button]})
}

fn confirm(name: &str, n: usize) -> Value {
    let mut confirm = json!({"title": plain(1), "text": plain(1), "confirm": plain(1), "deny": plain(1)});
    confirm[name] = plain(n);
    button(("confirm", confirm))
}

fn select(with: (&str, Value)) -> Value {
    let mut select = json!({"type": "static_select", "placeholder": plain(1), "options": [option(0)]});
    if with.0 == "option_groups" {
        select.as_object_mut().unwrap().remove("options");
    }
    select[with.0] = with.1;
    json!({"type": "actions", "elements": [select]})
}

fn one_option(name: &str, value: Value) -> Value {
    let mut one = option(0);
    one[name] = value;
    select(("options", json!([one])))
}

fn group(label: usize, options: usize) -> Value {
    json!({"label": plain(label), "options": list(options, option)})
}

fn input(name: &str, value: Value) -> Value {
    let mut input = json!({"type": "input", "label": plain(1), "element": {"type": "plain_text_input"}});
    if name == "max_length" {
        input["element"][name] = value
    } else {
        input[name] = value
    }
    input
}

fn image(name: &str, value: Value) -> Value {
    let mut image = json!({"type": "image", "image_url": "https://x.example/x.png", "alt_text": "x"});
    image[name] = value;
    image
}

fn rows(rows: usize, columns: usize, text: usize) -> Value {
    list(rows, |_| list(columns, |_| json!({"type": "raw_text", "text": x(text)})))
}

fn data_table(rows: Value) -> Value {
    json!({"type": "data_table", "caption": "c", "rows": rows})
}

/// A chart with so many series of so many points.
fn chart(series: usize, points: usize, label: usize, axis: usize) -> Value {
    let name = |at: usize| format!("{at:0>label$}");
    let data = list(points, |at| json!({"label": name(at), "value": at}));
    let series = list(series, |at| json!({"name": format!("s{at}"), "data": data}));
    let axis = json!({"categories": list(points, |at| json!(name(at))), "x_label": x(axis)});
    json!({"type": "data_visualization", "title": "t", "chart": {"type": "line", "series": series, "axis_config": axis}})
}

fn pie(segments: usize, title: usize) -> Value {
    let segments = list(segments, |at| json!({"label": format!("l{at}"), "value": 1}));
    json!({"type": "data_visualization", "title": x(title), "chart": {"type": "pie", "segments": segments}})
}

/// Blocks of a message that have `n` of what the limit counts, and the error one too many gets.
fn blocks(name: &str, n: usize) -> Option<Value> {
    let section = |text: Value| json!([{"type": "section", "text": text}]);
    Some(match name {
        "message.blocks" => list(n, |_| json!({"type": "divider"})),
        "message.charts" => list(n, |_| pie(1, 1)),
        "markdown.total" => json!([{"type": "markdown", "text": x(n / 2)}, {"type": "markdown", "text": x(n - n / 2)}]),
        "data_table.total" => {
            json!([data_table(json!([[{"type": "raw_text", "text": x(n - 1)}], [{"type": "raw_text", "text": "x"}]]))])
        }
        "block_id" => json!([{"type": "divider", "block_id": x(n)}]),
        "action_id" => json!([button(("action_id", json!(x(n))))]),
        "section.text" => section(json!({"type": "mrkdwn", "text": x(n)})),
        "section.fields" => json!([{"type": "section", "fields": list(n, |_| plain(1))}]),
        "section.field" => json!([{"type": "section", "fields": [plain(n)]}]),
        "header.text" => json!([{"type": "header", "text": plain(n)}]),
        "context.elements" => json!([{"type": "context", "elements": list(n, |_| plain(1))}]),
        "context.text" => json!([{"type": "context", "elements": [plain(n)]}]),
        "actions.elements" => {
            json!([{"type": "actions", "elements": list(n, |_| json!({"type": "button", "text": plain(1)}))}])
        }
        "image.url" => json!([image("image_url", json!(x(n)))]),
        "image.alt_text" => json!([image("alt_text", json!(x(n)))]),
        "image.title" => json!([image("title", plain(n))]),
        "input.label" => json!([input("label", plain(n))]),
        "input.hint" => json!([input("hint", plain(n))]),
        "plain_text_input.max_length" => json!([input("max_length", json!(n))]),
        "button.text" => json!([button(("text", plain(n)))]),
        "button.value" => json!([button(("value", json!(x(n))))]),
        "button.url" => json!([button(("url", json!(x(n))))]),
        "button.accessibility_label" => json!([button(("accessibility_label", json!(x(n))))]),
        "confirm.title" | "confirm.text" | "confirm.confirm" | "confirm.deny" => json!([confirm(&name[8..], n)]),
        "option.text" => json!([one_option("text", plain(n))]),
        "option.value" => json!([one_option("value", json!(x(n)))]),
        "option.description" => json!([one_option("description", plain(n))]),
        "option_group.label" => json!([select(("option_groups", json!([group(n, 1)])))]),
        "option_group.options" => json!([select(("option_groups", json!([group(1, n)])))]),
        "select.options" => json!([select(("options", list(n, option)))]),
        "select.option_groups" => json!([select(("option_groups", list(n, |_| group(1, 1))))]),
        "select.placeholder" => json!([select(("placeholder", plain(n)))]),
        "overflow.options" => {
            json!([{"type": "actions", "elements": [{"type": "overflow", "options": list(n, option)}]}])
        }
        "choice.options" => {
            json!([{"type": "actions", "elements": [{"type": "checkboxes", "options": list(n, option)}]}])
        }
        "table.rows" => json!([{"type": "table", "rows": rows(n, 1, 1)}]),
        "table.columns" => json!([{"type": "table", "rows": rows(1, n, 1)}]),
        "table.column_settings" => {
            json!([{"type": "table", "rows": rows(1, 1, 1), "column_settings": list(n, |_| json!({}))}])
        }
        "data_table.rows" => json!([data_table(rows(n, 1, 1))]),
        "data_table.columns" => json!([data_table(rows(2, n, 1))]),
        "data_table.page_size" => {
            let mut table = data_table(rows(2, 1, 1));
            table["page_size"] = json!(n);
            json!([table])
        }
        "chart.title" => json!([pie(1, n)]),
        "chart.segments" => json!([pie(n, 1)]),
        "chart.series" => json!([chart(n, 1, 1, 1)]),
        "chart.points" => json!([chart(1, n, 2, 1)]),
        "chart.label" => json!([chart(1, 1, n, 1)]),
        "chart.axis_label" => json!([chart(1, 1, 1, n)]),
        _ => return None,
    })
}

/// Views that have `n` of what the limit counts.
fn view(name: &str, n: usize) -> Option<Value> {
    let mut view = modal(json!([{"type": "divider"}]));
    match name {
        "view.blocks" => view["blocks"] = list(n, |_| json!({"type": "divider"})),
        "view.title" | "view.submit" | "view.close" => view[&name[5..]] = plain(n),
        "view.private_metadata" | "view.callback_id" | "view.external_id" => view[&name[5..]] = json!(x(n)),
        "alert.text" => view["blocks"] = json!([{"type": "alert", "text": plain(n)}]),
        _ => return None,
    }
    Some(view)
}

/// Calls with `n` of what the limit of a whole message counts, and the error that one too many gets.
fn whole(name: &str, n: usize, ts: &str) -> Option<(&'static str, Value, &'static str)> {
    let post = |name: &str, value: Value| json!({"channel": "C1", name: value});
    Some(match name {
        "message.text" => ("chat.postMessage", post("text", json!(x(n))), "msg_too_long"),
        "message.update.text" => ("chat.update", json!({"channel": "C1", "ts": ts, "text": x(n)}), "msg_too_long"),
        "message.markdown_text" => ("chat.postMessage", post("markdown_text", json!(x(n))), "msg_too_long"),
        "message.attachments" => {
            ("chat.postMessage", post("attachments", list(n, |_| json!({"text": "x"}))), "too_many_attachments")
        }
        "message.metadata" => {
            let bare = json!({"event_type": "", "event_payload": {}}).to_string().len();
            let metadata = json!({"event_type": x(n - bare), "event_payload": {}});
            ("chat.postMessage", json!({"channel": "C1", "text": "x", "metadata": metadata}), "metadata_too_large")
        }
        "message.blocks.text" => {
            let full = |size: usize| json!({"type": "section", "text": plain(size)});
            let blocks: Vec<Value> = (0..n / 3000).map(|_| full(3000)).chain([full(n % 3000)]).collect();
            ("chat.postMessage", post("blocks", json!(blocks)), "msg_blocks_too_long")
        }
        _ => return None,
    })
}

/// A trigger id, fresh from a command.
async fn trigger(slack: &Slack, link: &mut Link) -> String {
    let ana = slack.person("U1");
    let (heard, _) = tokio::join!(ana.slash("C1", "/ops"), link.take(Value::Null));
    heard.trigger().to_owned()
}

async fn answer(slack: &Slack, link: &mut Link, name: &str, n: usize, ts: &str) -> (Value, &'static str) {
    if let Some(blocks) = blocks(name, n) {
        return (
            call(slack, "chat.postMessage", json!({"channel": "C1", "text": "x", "blocks": blocks})).await,
            "invalid_blocks",
        );
    }
    if let Some(view) = view(name, n) {
        let trigger = trigger(slack, link).await;
        return (call(slack, "views.open", json!({"trigger_id": trigger, "view": view})).await, "invalid_arguments");
    }
    let (method, args, error) = whole(name, n, ts).unwrap_or_else(|| panic!("no test for the limit {name}"));
    (call(slack, method, args).await, error)
}

#[tokio::test]
async fn every_limit_holds_exactly() {
    let slack = slack().await;
    slack.with(|world| world.rates.on = false);
    let (mut link, _) = Link::open(&slack).await;
    let ts = post(&slack, json!({"channel": "C1", "text": "x"})).await;
    // How deep forms may be stacked is told in forms.rs.
    for limit in LIMITS.iter().filter(|limit| limit.name != "view.stack") {
        let (fine, _) = answer(&slack, &mut link, limit.name, limit.most, &ts).await;
        assert_eq!(fine["ok"], true, "{} of {}: {fine}", limit.most, limit.name);
        let (over, error) = answer(&slack, &mut link, limit.name, limit.most + 1, &ts).await;
        assert_eq!(over["error"], error, "{} of {}: {over}", limit.most + 1, limit.name);
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place() {
    let slack = slack().await;
    let wrong = json!([
        {"type": "section", "text": {"type": "mrkdwn", "text": x(most("section.text") + 1)}},
        {"type": "actions", "elements": [{"type": "button", "text": {"type": "mrkdwn", "text": "x"}, "colour": "red"}]},
        {"type": "sektion"}, {"type": "header"}, {"type": "section", "text": plain(0)},
    ]);
    let answer = call(&slack, "chat.postMessage", json!({"channel": "C1", "blocks": wrong})).await;
    assert_eq!(answer["error"], "invalid_blocks");
    let told: Vec<&str> =
        answer["response_metadata"]["messages"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert_eq!(
        told,
        [
            "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
            "[ERROR] invalid additional property: colour [json-pointer:/blocks/1/elements/0/colour]",
            "[ERROR] unsupported type: mrkdwn [json-pointer:/blocks/1/elements/0/text/type]",
            "[ERROR] unsupported type: sektion [json-pointer:/blocks/2/type]",
            "[ERROR] missing required field: text [json-pointer:/blocks/3]",
            "[ERROR] must be more than 0 characters [json-pointer:/blocks/4/text/text]",
        ]
    );
}

#[tokio::test]
async fn ids_are_unique_and_given_where_they_are_missing() {
    let slack = slack().await;
    let one = button(("action_id", json!("a")));
    // In two blocks the same id is two things; in one it is none.
    post(&slack, json!({"channel": "C1", "blocks": [one, one]})).await;
    let mut twice = one.clone();
    twice["elements"].as_array_mut().unwrap().push(one["elements"][0].clone());
    let twice = json!([twice]);
    let same = json!([{"type": "divider", "block_id": "b"}, {"type": "divider", "block_id": "b"}]);
    for blocks in [twice, same] {
        let answer = call(&slack, "chat.postMessage", json!({"channel": "C1", "blocks": blocks})).await;
        assert_eq!(answer["error"], "invalid_blocks", "{answer}");
    }
    let ts = post(&slack, json!({"channel": "C1", "blocks": [button(("value", json!("v")))]})).await;
    let message = slack.channel("C1").message(&ts).unwrap();
    assert!(message.blocks[0]["block_id"].is_string() && message.buttons().len() == 1);
}

#[tokio::test]
async fn uneven_tables_and_charts_are_refused() {
    let slack = slack().await;
    slack.with(|world| world.rates.on = false);
    let mut uneven = rows(2, 2, 1);
    uneven[1].as_array_mut().unwrap().pop();
    let mut stray = chart(1, 2, 1, 1);
    stray["chart"]["series"][0]["data"][0]["label"] = json!("z");
    let changed = |path: &str, value: Value| {
        let mut changed = chart(2, 2, 1, 1);
        *changed.pointer_mut(path).unwrap() = value;
        changed
    };
    let point = json!({"label": "1", "value": 1});
    let wrong = [
        changed("/chart/series/0/data", json!([point])),
        changed("/chart/series/0/data", json!([{"label": "0", "value": 1}, point, point])),
        changed("/chart/series/1/data/0/value", Value::Null),
        changed("/chart/series/1/data/0/value", json!("1")),
        changed("/chart/series/1/name", json!("s0")),
        changed("/chart/series/1/name", json!("")),
        changed("/chart/axis_config/categories", json!(["0", "1", "1"])),
        changed("/chart/type", json!("radar")),
        changed("/title", json!({"type": "plain_text", "text": "t"})),
    ];
    let fine = call(&slack, "chat.postMessage", json!({"channel": "C1", "blocks": [chart(2, 2, 1, 1)]})).await;
    assert_eq!(fine["ok"], true, "{fine}");
    for block in [data_table(uneven), data_table(rows(1, 1, 1)), stray, pie(0, 1)].into_iter().chain(wrong) {
        let answer = call(&slack, "chat.postMessage", json!({"channel": "C1", "blocks": [block]})).await;
        assert_eq!(answer["error"], "invalid_blocks", "{answer}");
    }
}
