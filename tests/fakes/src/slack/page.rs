//! By hand: a page to see the workspace and act in it, and the same as endpoints under `/_/`.

use std::time::Duration;

use axum::Router;
use axum::extract::{Form, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::{Message, Person, Shared, Trouble, View};

/// What the endpoints take, for `--help`.
pub const ENDPOINTS: &str = "\
GET  /              the page
GET  /_/state       channels, open views, calls, complaints as JSON
POST /_/slash       user, channel, text (/ops …)
POST /_/say         user, channel, text (<@UBOT> …), thread_ts
POST /_/click       user, channel, ts, action_id
POST /_/submit      user, view, and a field for each input: its action_id; 422 and JSON where something is wrong
POST /_/home        user
POST /_/react       user, channel, ts, emoji
POST /_/trouble     method (or *), count, kind (429, 500, hang, lost, cut)
POST /_/disconnect  every connection of Socket Mode is asked to refresh";

type Fields = Form<Vec<(String, String)>>;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(page))
        .route("/_/state", get(state))
        .route("/_/slash", post(slash))
        .route("/_/say", post(say))
        .route("/_/click", post(click))
        .route("/_/submit", post(submit))
        .route("/_/home", post(home))
        .route("/_/react", post(react))
        .route("/_/trouble", post(trouble))
        .route("/_/disconnect", post(disconnect))
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

fn person(shared: &Shared, fields: &[(String, String)]) -> Person {
    Person::new(shared.clone(), &shared.with(|world| world.app.team.clone()), field(fields, "user"))
}

/// Acts beside the request, so that a slip of the hand does not end the page, and goes back to it.
async fn then(act: impl Future<Output = ()> + Send + 'static) -> Response {
    let act = tokio::spawn(act);
    let _ = tokio::time::timeout(Duration::from_secs(4), act).await;
    Redirect::to("/").into_response()
}

async fn slash(State(shared): State<Shared>, Form(fields): Fields) -> Response {
    let who = person(&shared, &fields);
    then(async move { drop(who.slash(field(&fields, "channel"), field(&fields, "text")).await) }).await
}

async fn say(State(shared): State<Shared>, Form(fields): Fields) -> Response {
    let who = person(&shared, &fields);
    then(async move {
        let (channel, text) = (field(&fields, "channel"), field(&fields, "text"));
        drop(match field(&fields, "thread_ts") {
            "" => who.say(channel, text).await,
            thread => who.reply(channel, thread, text).await,
        });
    })
    .await
}

/// The message that a form names, also one that only this person sees.
fn message(shared: &Shared, fields: &[(String, String)]) -> Option<Message> {
    let ts = field(fields, "ts");
    let own = person(shared, fields).ephemerals().into_iter().find(|message| message.ts == ts);
    own.or_else(|| shared.with(|world| world.message_mut(field(fields, "channel"), ts).cloned()))
}

async fn click(State(shared): State<Shared>, Form(fields): Fields) -> Response {
    let (who, found) = (person(&shared, &fields), message(&shared, &fields));
    then(async move {
        if let Some(message) = found {
            drop(who.click(&message, field(&fields, "action_id")).await);
        }
    })
    .await
}

async fn react(State(shared): State<Shared>, Form(fields): Fields) -> Response {
    let (who, found) = (person(&shared, &fields), message(&shared, &fields));
    then(async move {
        if let Some(message) = found {
            drop(who.react(&message, field(&fields, "emoji")).await);
        }
    })
    .await
}

async fn submit(State(shared): State<Shared>, Form(fields): Fields) -> Response {
    let who = person(&shared, &fields);
    let Some(view) = who.views().into_iter().find(|view| view.id == field(&fields, "view")) else {
        return wrong(&json!({"problem": "this view is not on the person's screen", "errors": {}}));
    };
    let sent = tokio::spawn(async move {
        let own = |name: &str| matches!(name, "user" | "view");
        let entries: Vec<(&str, &str)> =
            fields.iter().filter(|(name, _)| !own(name)).map(|(name, value)| (name.as_str(), value.as_str())).collect();
        who.submit(&view, &entries).await
    });
    match tokio::time::timeout(Duration::from_secs(4), sent).await {
        Ok(Ok(heard)) if heard.problem.is_some() || !heard.errors().is_empty() => {
            let errors: Value = heard.errors().into_iter().map(|(block, words)| (block, json!(words))).collect();
            wrong(&json!({"problem": heard.problem, "errors": errors}))
        }
        _ => Redirect::to("/").into_response(),
    }
}

/// What is wrong with a form: the person's own slips or the app's as `problem`, and by block id what the app says of a field.
fn wrong(json: &Value) -> Response {
    let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
    (status, [("content-type", "application/json")], json.to_string()).into_response()
}

async fn home(State(shared): State<Shared>, Form(fields): Fields) -> Response {
    let who = person(&shared, &fields);
    then(async move { drop(who.open_home().await) }).await
}

async fn trouble(State(shared): State<Shared>, Form(fields): Fields) -> Response {
    let kind = match field(&fields, "kind") {
        "429" => Trouble::RateLimited(5),
        "hang" => Trouble::Hang,
        "lost" => Trouble::Lost,
        "cut" => Trouble::Cut,
        status => Trouble::Status(status.parse().unwrap_or(500)),
    };
    let count = field(&fields, "count").parse().unwrap_or(1);
    let orders = std::iter::repeat_n((field(&fields, "method").to_owned(), kind), count);
    shared.with(|world| world.troubles.extend(orders));
    Redirect::to("/").into_response()
}

async fn disconnect(State(shared): State<Shared>) -> Response {
    shared.with(|world| {
        let ids = world.sockets.ids();
        ids.into_iter().for_each(|id| world.sockets.disconnect(id, "refresh_requested"));
    });
    Redirect::to("/").into_response()
}

async fn state(State(shared): State<Shared>) -> Response {
    let json = shared.with(|world| {
        let said = |messages: &[Message]| messages.iter().map(|one| one.json(true)).collect::<Vec<_>>();
        let channels: Value = world.channels.values().map(|one| (one.id.clone(), json!(said(&one.messages)))).collect();
        let ephemerals: Value = world.ephemerals.iter().map(|(id, list)| (id.clone(), json!(said(list)))).collect();
        let calls: Value = world
            .calls
            .iter()
            .map(|one| json!({"method": one.method, "args": one.args, "status": one.status, "answer": one.answer}))
            .collect();
        json!({"channels": channels, "ephemerals": ephemerals, "calls": calls, "complaints": world.complaints,
            "views": world.views.iter().filter(|view| !view.closed).map(|view| &view.json).collect::<Vec<_>>(), "sockets": world.sockets.ids()})
    });
    axum::response::Response::builder()
        .header("content-type", "application/json")
        .body(json.to_string().into())
        .unwrap_or_default()
}

fn safe(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A small form: hidden fields, shown fields, a button.
fn form(act: &str, hidden: &[(&str, &str)], shown: &[(&str, &str)], label: &str) -> String {
    let one = |kind: &str, (name, value): &(&str, &str)| {
        format!("<input type={kind} name=\"{}\" value=\"{}\" title=\"{0}\">", safe(name), safe(value))
    };
    let inputs: String =
        hidden.iter().map(|pair| one("hidden", pair)).chain(shown.iter().map(|pair| one("text", pair))).collect();
    format!("<form method=post action=\"/_/{act}\">{inputs}<button>{}</button></form>", safe(label))
}

fn message_html(message: &Message, user: &str) -> String {
    let mut html = format!("<pre>{} {}: {}</pre>", message.ts, safe(&message.user), safe(&message.words()));
    for (action, label) in message.buttons() {
        let hidden = [("channel", message.channel.as_str()), ("ts", &message.ts), ("action_id", &action)];
        html += &form("click", &hidden, &[("user", user)], &label);
    }
    if message.thread_ts.is_some() { format!("<blockquote>{html}</blockquote>") } else { html }
}

fn view_html(view: &View) -> String {
    let blocks = view.json["blocks"].as_array().cloned().unwrap_or_default();
    let fields: Vec<String> = super::elements(&blocks)
        .into_iter()
        .filter(|(_, element)| element["type"] != "button")
        .map(|(_, element)| element["action_id"].as_str().unwrap_or_default().to_owned())
        .collect();
    let shown: Vec<(&str, &str)> = fields.iter().map(|name| (name.as_str(), "")).collect();
    let act = form("submit", &[("user", &view.user), ("view", &view.id)], &shown, "Submit");
    format!("<h3>{} for {}</h3><pre>{}</pre>{act}", view.id, safe(&view.user), safe(&format!("{:#}", view.json)))
}

async fn page(State(shared): State<Shared>) -> Html<String> {
    let mut html = String::from("<!doctype html><meta charset=utf-8><title>Fake Slack</title><h1>Fake Slack</h1>");
    html += &form("slash", &[], &[("user", "U1"), ("channel", "C1"), ("text", "/ops help")], "Slash command");
    html += &form("say", &[], &[("user", "U1"), ("channel", "C1"), ("text", "<@UBOT> help"), ("thread_ts", "")], "Say");
    html += &form("home", &[], &[("user", "U1")], "Open home");
    html += &form("trouble", &[], &[("method", "chat.postMessage"), ("count", "1"), ("kind", "429")], "Trouble");
    html += &form("disconnect", &[], &[], "Refresh connections");
    shared.with(|world| {
        for channel in world.channels.values() {
            html += &format!("<h2>{} #{}</h2>", channel.id, safe(&channel.name));
            channel.messages.iter().for_each(|message| html += &message_html(message, "U1"));
        }
        for (user, list) in &world.ephemerals {
            html += &format!("<h2>Only {} sees</h2>", safe(user));
            list.iter().for_each(|message| html += &message_html(message, user));
        }
        world.views.iter().filter(|view| !view.closed).for_each(|view| html += &view_html(view));
        html += &format!("<h2>Complaints</h2><pre>{}</pre>", safe(&world.complaints.join("\n")));
    });
    Html(html)
}
