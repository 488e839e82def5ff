//! At each limit: what has its length stays whole, one more is cut, says so, and is whole in the file. And what strangers
//! write stays text, wherever it stands.

use serde_json::{Value, json};
use sereno_fakes::slack::blocks::{Surface, check};

use super::budget::*;
use super::golden::rendered;
use super::{Rendered, choices, home, modal, runbooks};
use crate::chat::Filling;
use crate::chat::card::{Card, Field, Form, Input, Press, Table, Tone};
use crate::chat::cards::samples::{self, button};
use crate::domain::actor::{Place, Platform};
use crate::domain::settings::Language;
use crate::id::{ApprovalId, MessageId, RunId};
use crate::words::Words;

const EN: Words = Words(Language::En);

fn letters(count: usize) -> String {
    "x".repeat(count)
}

/// A card as it is seen, which the strict fake takes.
fn shown(card: &Card) -> Rendered {
    let seen = rendered(card, Language::En);
    taken(&json_of(&seen), Surface::Message);
    seen
}

fn taken(blocks: &Value, surface: Surface) {
    check(blocks, surface, "/blocks", &mut 0).unwrap_or_else(|wrong| panic!("{wrong:?}"));
}

fn json_of(seen: &Rendered) -> Value {
    json!(seen.blocks)
}

/// Every text of a value, with the key under which it stands.
fn texts<'v>(value: &'v Value, key: &'v str, found: &mut Vec<(&'v str, &'v str)>) {
    match value {
        Value::String(text) => found.push((key, text)),
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        Value::Object(map) => map.iter().for_each(|(key, item)| texts(item, key, found)),
        _ => {}
    }
}

fn has_text(value: &Value, text: &str) -> bool {
    let mut found = Vec::new();
    texts(value, "", &mut found);
    found.iter().any(|(_, seen)| *seen == text)
}

/// A card whose text `text` has a limit of `most`: whole at the limit, cut and told one over it.
fn holds_at(most: usize, card: impl Fn(String) -> Card) {
    let whole = shown(&card(letters(most)));
    assert!(has_text(&json_of(&whole), &letters(most)), "{most} fit");
    assert_eq!(whole.overflow, None);
    let over = shown(&card(letters(most + 1)));
    let seen = json_of(&over).to_string();
    assert!(!seen.contains(&letters(most + 1)) && seen.contains("… +"), "{} do not fit", most + 1);
    assert!(seen.contains("01MESSAGE.txt in the thread"), "{seen}");
    let file = over.overflow.expect("a file");
    assert!(file.content.contains(&letters(most + 1)), "the file has all of it");
}

fn titled() -> Card {
    Card { title: "t".into(), ..Card::default() }
}

#[test]
fn texts_of_a_message_are_whole_at_their_limit_and_told_over_it() {
    holds_at(SECTION, |text| Card { title: text, ..Card::default() });
    holds_at(SECTION, |text| Card { body: vec![text], ..titled() });
    holds_at(SECTION, |text| titled().field("f", text));
    holds_at(SECTION, |text| Card { output: Some(text), ..titled() });
    holds_at(SECTION, |text| Card { footer: Some(text), ..titled() });
    holds_at(1000, |text| Card {
        table: Some(Table { columns: vec!["c".into()], rows: vec![vec![text]] }),
        ..titled()
    });
    let press = |text: String| button("b", &text, false, Press::Acknowledge("01INCIDENT".into()));
    holds_at(BUTTON_LABEL, |text| Card { buttons: vec![press(text)], ..titled() });
}

#[test]
fn a_title_too_long_for_a_heading_is_whole_as_text() {
    let card = |length| Card { body: vec!["b".into()], title: letters(length), ..Card::default() };
    let (short, long) = (json_of(&shown(&card(HEADER))), json_of(&shown(&card(HEADER + 1))));
    assert_eq!((&short[0]["type"], &short[0]["text"]["text"]), (&json!("header"), &json!(letters(HEADER))));
    assert_eq!(long[0]["type"], "rich_text");
    assert!(has_text(&long, &letters(HEADER + 1)));
}

#[test]
fn the_end_of_output_is_shown_as_well_as_its_beginning() {
    let output = format!("first line\n{}\nlast line", letters(5000));
    let seen = json_of(&shown(&Card { output: Some(output), ..titled() })).to_string();
    assert!(seen.contains("first line") && seen.contains("last line") && seen.contains("… +"), "{seen}");
}

#[test]
fn blocks_end_at_the_limit_and_buttons_are_never_among_those_cut() {
    let stop = button("cancel", "Stop", true, Press::Cancel(RunId::from("01RUN")));
    let card = |paragraphs: usize| Card {
        body: (0..paragraphs).map(|n| format!("paragraph {n}")).collect(),
        buttons: vec![stop.clone()],
        ..titled()
    };
    // One block is kept for saying that something was cut.
    let full = MESSAGE_BLOCKS - 3;
    let whole = shown(&card(full));
    assert_eq!((whole.blocks.len(), whole.overflow), (MESSAGE_BLOCKS - 1, None));
    let over = shown(&card(full + 1));
    assert_eq!(over.blocks.len(), MESSAGE_BLOCKS);
    assert!(json_of(&over).to_string().contains("\"action_id\":\"cancel\""));
    assert!(over.overflow.unwrap().content.contains(&format!("paragraph {full}\n[Stop]")));
}

#[test]
fn buttons_go_on_in_the_next_block() {
    let press = |n: usize| button(&format!("b{n}"), "Go", false, Press::Acknowledge("01INCIDENT".into()));
    let card = |count| Card { buttons: (0..count).map(press).collect(), ..titled() };
    let seen = json_of(&shown(&card(ACTIONS + 1)));
    let ids: Vec<&str> = seen.as_array().unwrap().iter().filter_map(|block| block["block_id"].as_str()).collect();
    assert_eq!(ids, ["press:01MESSAGE:0", "press:01MESSAGE:1"]);
    assert_eq!(seen[1]["elements"].as_array().unwrap().len(), ACTIONS);
    assert_eq!(json_of(&shown(&card(ACTIONS))).as_array().unwrap().len(), 2);
}

#[test]
fn a_table_ends_at_its_rows_and_columns_and_counts_the_rest() {
    let table = |rows: usize, columns: usize| Card {
        table: Some(Table {
            columns: (0..columns).map(|n| format!("c{n}")).collect(),
            rows: (0..rows).map(|n| vec![format!("r{n}"), String::new()]).collect(),
        }),
        ..titled()
    };
    let rows = |seen: &Rendered| json_of(seen)[1]["rows"].as_array().unwrap().clone();
    let whole = shown(&table(TABLE_ROWS - 1, 2));
    assert_eq!((rows(&whole).len(), whole.overflow.clone()), (TABLE_ROWS, None));
    assert_eq!(rows(&whole)[1][1]["text"], "–", "Slack takes no empty cell");
    let over = shown(&table(TABLE_ROWS, 2));
    assert_eq!((rows(&over).len(), &rows(&over)[TABLE_ROWS - 1][0]["text"]), (TABLE_ROWS, &json!("… +2")));
    assert!(over.overflow.unwrap().content.contains("r99"));
    let wide = shown(&table(1, TABLE_COLUMNS + 1));
    assert_eq!(rows(&wide)[0].as_array().unwrap().len(), TABLE_COLUMNS);
    assert!(wide.overflow.unwrap().content.contains("c20"));
}

#[test]
fn all_texts_together_stay_under_what_slack_takes() {
    let card = Card {
        tone: Tone::Bad,
        body: vec![letters(2000); 4],
        table: Some(Table { columns: vec!["c".into()], rows: vec![vec![letters(900)]; 90] }),
        output: Some(letters(2999)),
        buttons: vec![button("cancel", "Stop", true, Press::Cancel(RunId::from("01RUN")))],
        ..titled()
    };
    let seen = shown(&card);
    let blocks = json_of(&seen);
    let mut found = Vec::new();
    texts(&blocks, "", &mut found);
    let sum: usize = found.iter().filter(|(key, _)| *key == "text").map(|(_, text)| text.chars().count()).sum();
    assert!(sum <= TOTAL_TEXT, "{sum}");
    assert!(sum > TOTAL_TEXT - 2000, "no more is cut than must be: {sum}");
    assert!(seen.overflow.unwrap().content.contains(&letters(2999)));
    assert!(seen.text.chars().count() <= MESSAGE_TEXT && seen.text.contains("… +"));
}

#[test]
fn what_one_person_sees_never_becomes_a_file() {
    let card = Card { body: vec![letters(SECTION + 1)], ..titled() };
    let (id, place) = (MessageId::from("01MESSAGE"), Place::channel(Platform::Slack, "#infra"));
    let seen = super::message(&crate::chat::Outgoing {
        id: &id,
        place: &place,
        channel: "C1",
        thread: None,
        whisper_to: Some("T1/U1"),
        mentions: &[],
        card: &card,
        link: None,
        words: EN,
        again: false,
    });
    assert_eq!(seen.overflow, None);
    assert!(json_of(&seen).to_string().contains("The console shows all of it"));
}

fn view_of(form: &Form, submit: Option<&str>) -> Value {
    let filling = Filling::Button { message: "01MESSAGE".into(), button: "fill".into() };
    let view = json!(modal(EN, &filling, form, submit));
    taken(&view["blocks"], Surface::Modal);
    view
}

fn field(input: Input) -> Value {
    let form = Form { title: "f".into(), inputs: vec![Input { name: "n".into(), ..input }] };
    view_of(&form, None)["blocks"][0].clone()
}

fn inputs(count: usize) -> Vec<Input> {
    (0..count).map(|n| Input { name: format!("n{n}"), ..Input::default() }).collect()
}

#[test]
fn a_form_keeps_its_words_whole() {
    let form = |length| Form { title: letters(length), inputs: inputs(1) };
    assert_eq!(view_of(&form(VIEW_TITLE), None)["title"]["text"], letters(VIEW_TITLE));
    let long = view_of(&form(VIEW_TITLE + 1), None);
    assert_eq!((&long["title"]["text"], &long["blocks"][0]["text"]["text"]), (&json!("Fill in"), &json!(letters(25))));
    assert_eq!(view_of(&form(1), Some(&letters(VIEW_BUTTON)))["submit"]["text"], letters(VIEW_BUTTON));
    assert_eq!(view_of(&form(1), Some(&letters(VIEW_BUTTON + 1)))["submit"]["text"], "Send");
    let many = Form { title: "f".into(), inputs: inputs(VIEW_BLOCKS + 1) };
    let blocks = view_of(&many, None)["blocks"].as_array().unwrap().clone();
    assert_eq!((blocks.len(), &blocks[VIEW_BLOCKS - 1]["text"]["text"]), (VIEW_BLOCKS, &json!("… +2")));
    let long =
        field(Input { label: letters(INPUT_LABEL + 1), hint: Some(letters(INPUT_HINT + 1)), ..Input::default() });
    for text in [&long["label"]["text"], &long["hint"]["text"]] {
        assert!(text.as_str().unwrap().chars().count() <= INPUT_LABEL && text.as_str().unwrap().contains("… +"));
    }
}

#[test]
fn a_form_never_changes_a_value() {
    let long = Some(letters(INPUT_VALUE));
    assert_eq!(field(Input { value: long, ..Input::default() })["element"]["initial_value"], letters(INPUT_VALUE));
    let longer = field(Input { value: Some(letters(INPUT_VALUE + 1)), ..Input::default() });
    assert_eq!(longer["element"]["initial_value"], Value::Null);
    assert!(longer["hint"]["text"].as_str().unwrap().contains("too long for this form"));

    let some = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>();
    let kind = |choices: Vec<String>| field(Input { choices, ..Input::default() })["element"]["type"].clone();
    assert_eq!(kind(some(OPTIONS)), "static_select");
    assert_eq!(kind(some(OPTIONS + 1)), "external_select");
    assert_eq!(kind(vec![letters(OPTION_VALUE)]), "static_select");
    assert_eq!(kind(vec![letters(OPTION_VALUE + 1)]), "plain_text_input");
    let option = json!(choices(&[letters(OPTION_TEXT + 1)]))[0].clone();
    assert_eq!(option["value"], letters(OPTION_TEXT + 1));
    assert!(option["text"]["text"].as_str().unwrap().contains("… +"));
    assert_eq!(json!(choices(&[letters(OPTION_TEXT)]))[0]["text"]["text"], letters(OPTION_TEXT));
    assert_eq!(choices(&some(OPTIONS + 1)).len(), OPTIONS);
    let book = json!(runbooks(&[("shop/a".into(), letters(OPTION_DESCRIPTION + 1))]))[0].clone();
    assert!(book["description"]["text"].as_str().unwrap().chars().count() <= OPTION_DESCRIPTION);
    let given = field(Input { choices: some(2), value: Some("c1".into()), ..Input::default() });
    assert_eq!(given["element"]["initial_option"]["value"], "c1");
    let gone = field(Input { choices: some(2), value: Some("c9".into()), ..Input::default() });
    assert_eq!(gone["element"]["initial_option"], Value::Null);
}

#[test]
fn the_question_before_a_press_has_its_limits_too() {
    let press = || Press::Approve(ApprovalId::from("01APPROVAL"));
    let card =
        Card { buttons: vec![button("approve", &letters(75), false, press())], title: letters(400), ..Card::default() };
    let confirm = json_of(&shown(&card))[1]["elements"][0]["confirm"].clone();
    let length = |key: &str| confirm[key]["text"].as_str().unwrap().chars().count();
    assert_eq!((length("title"), length("text")), (75, CONFIRM_TEXT));
    assert!(
        length("confirm") <= CONFIRM_BUTTON && length("deny") <= CONFIRM_BUTTON && length("title") <= CONFIRM_TITLE
    );
}

#[test]
fn a_page_of_many_cards_fits_and_says_what_it_leaves_out() {
    let cards: Vec<_> = (0..60)
        .map(|n| {
            (Some(MessageId::from(format!("01MESSAGE{n}"))), Card { body: vec![letters(500)], ..samples::full("x") })
        })
        .collect();
    let page = json!(home(EN, &cards));
    taken(&page["blocks"], Surface::Home);
    let blocks = page["blocks"].as_array().unwrap();
    assert!(blocks.len() <= VIEW_BLOCKS, "{}", blocks.len());
    assert!(blocks.last().unwrap().to_string().contains("The console shows all of it"));
}

/// What strangers write, to be somebody, to call everybody, to be a link, or to break out of where it stands.
const HOSTILE: &[&str] = &[
    "<!channel> <!here|here> <!everyone> <!subteam^S1> <!date^1^x|y>",
    "<@U0SOMEBODY> <#C0SOMEWHERE|x> @channel @here",
    "<https://evil.example|https://sereno.example/runs/1> <mailto:a@b.c|x> https://evil.example",
    "*bold* _italic_ ~gone~ `code` ```fence``` > quote :fire: &lt;!channel&gt; &amp;lt;",
    "\"}],\"action_id\":\"approve\",\"value\":\"01OTHER\",[{\"",
    "press:01OTHER:0 {{ 7*7 }} </pre><script>alert(1)</script> \\u003c!channel\\u003e",
];

#[test]
fn what_strangers_write_stays_text() {
    for (hostile, language) in HOSTILE.iter().flat_map(|text| Language::ALL.iter().map(move |l| (*text, *l))) {
        let seen = rendered(&samples::full(hostile), language);
        let mut values =
            vec![json_of(&seen), json!(home(Words(language), &[(Some("01MESSAGE".into()), samples::full(hostile))]))];
        let filling = Filling::Button { message: "01MESSAGE".into(), button: "fill".into() };
        values.push(json!(modal(Words(language), &filling, &samples::form(hostile), Some(hostile))));
        taken(&values[0], Surface::Message);
        taken(&values[1]["blocks"], Surface::Home);
        taken(&values[2]["blocks"], Surface::Modal);
        for value in &values {
            inert(value, hostile);
        }
        let live = seen.text.replace("&lt;", "").replace("&gt;", "");
        assert!(!live.contains(['<', '>']), "{live}");
    }
}

/// Nothing in it is markup but ours, and every id is ours.
fn inert(value: &Value, hostile: &str) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| inert(item, hostile)),
        Value::Object(map) => {
            if map.get("type") == Some(&json!("mrkdwn")) {
                let text = map["text"].as_str().unwrap();
                assert!(
                    text.starts_with("<https://sereno.example/runs/1|") && text.matches('<').count() == 1,
                    "{text}"
                );
                assert_eq!(map["verbatim"], json!(true));
            }
            if map.get("type") == Some(&json!("plain_text")) {
                assert_eq!(map["emoji"], json!(false), "{map:?}");
            }
            for kind in ["user", "usergroup", "channel", "broadcast", "link", "emoji", "date"] {
                assert_ne!(map.get("type"), Some(&json!(kind)));
            }
            let ours = ["approve", "glass", "reason", "env", "note", "file"];
            let ids = ["action_id", "block_id", "callback_id"].iter().filter_map(|key| map.get(*key)?.as_str());
            for id in ids {
                let name = id.strip_prefix("in:").unwrap_or(id);
                assert!(ours.contains(&name) || name == "press:01MESSAGE:0" || name == "fill", "{id}");
                assert!(id.len() <= ID);
            }
            if map.contains_key("accessibility_label") {
                let mark = map["value"].as_str().and_then(|value| value.strip_prefix("01MESSAGE ")).unwrap_or_default();
                assert!(mark.len() == 12 && mark.bytes().all(|byte| byte.is_ascii_hexdigit()), "{map:?}");
            }
            // A button's value is an id and a digest of ours, in which any digits may stand.
            let ours = |key: &str| key == "value" && map.contains_key("accessibility_label");
            map.iter().filter(|(key, _)| !ours(key)).for_each(|(_, item)| inert(item, hostile));
        }
        Value::String(text) => assert!(!text.contains("49") || hostile.contains("49"), "{text}"),
        _ => {}
    }
}

#[test]
fn the_live_parts_of_a_message_are_those_whom_we_call_and_our_link() {
    let card = Card { mentions: vec!["ana".into(), "<!channel>".into()], link: Some("/runs/1".into()), ..titled() };
    let seen = rendered(&card, Language::Es);
    assert!(seen.text.starts_with("<@UANA> "), "{}", seen.text);
    let blocks = json_of(&seen);
    assert_eq!(blocks[0]["text"]["text"], "Para <@UANA>");
    assert_eq!(blocks[2]["elements"][0]["text"], "<https://sereno.example/runs/1|Detalles>");
}

#[test]
fn what_a_form_carries_fits() {
    let place = Place::channel(Platform::Slack, &letters(80)).under(&MessageId::new());
    let filling = Filling::Runbook { name: letters(130), place };
    let view = json!(modal(EN, &filling, &Form::default(), None));
    let carried = view["private_metadata"].as_str().unwrap();
    assert!(carried.len() <= VIEW_METADATA);
    assert_eq!(serde_json::from_str::<Filling>(carried).unwrap(), filling);
}

#[test]
fn a_field_without_room_is_counted() {
    let card = Card { fields: vec![Field { name: "n".into(), value: letters(3000) }; 5], ..titled() };
    let seen = shown(&card);
    assert!(seen.overflow.unwrap().content.matches(&letters(3000)).count() == 5);
}
