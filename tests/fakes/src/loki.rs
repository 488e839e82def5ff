//! A Loki of a few lines of log: one endpoint, `query_range`, as strict as the real one about its parameters, its
//! tenants and its selectors. Understands `{label="value", …}` and `|= "text"` behind it, nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Most lines that may be asked for.
const MOST: usize = 5000;

/// One line: its labels, its moment in nanoseconds, its text.
pub type Line = (BTreeMap<String, String>, i128, String);

/// Serves these lines on loopback, to one tenant or, without, to everybody; answers its URL.
///
/// # Errors
/// When no port is free.
pub async fn serve(tenant: Option<&'static str>, lines: Vec<Line>) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let routes =
        Router::new().route("/loki/api/v1/query_range", get(query_range)).with_state(Arc::new((tenant, lines)));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(url)
}

async fn query_range(
    State(world): State<Arc<(Option<&'static str>, Vec<Line>)>>,
    headers: HeaderMap,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let (tenant, lines) = &*world;
    if tenant.is_some() && headers.get("x-scope-orgid").and_then(|id| id.to_str().ok()) != *tenant {
        return (StatusCode::UNAUTHORIZED, "no org id\n").into_response();
    }
    match answer(lines, &asked) {
        Ok(found) => Json(found).into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, why).into_response(),
    }
}

#[allow(clippy::disallowed_methods)] // a server of its own has a clock of its own
fn answer(lines: &[Line], asked: &BTreeMap<String, String>) -> Result<Value, String> {
    let known = ["query", "start", "end", "limit", "direction"];
    if let Some(name) = asked.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("unknown parameter {name}"));
    }
    let text = |name: &str| asked.get(name).ok_or_else(|| format!("missing parameter {name}"));
    // Nine digits fewer would be seconds: the real one takes those too, and answers with nothing.
    let moment = |name: &str| text(name)?.parse::<i128>().map_err(|error| format!("{name}: {error}"));
    // Without an end it is now, as its own clock has it.
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos().cast_signed());
    let end = if asked.contains_key("end") { moment("end")? } else { now() };
    let start = moment("start")?;
    let limit: usize = text("limit")?.parse().map_err(|error| format!("limit: {error}"))?;
    if limit > MOST {
        return Err(format!("max entries limit per query exceeded, limit > max_entries_limit ({limit} > {MOST})"));
    }
    if end < start {
        return Err("end timestamp must not be before or equal to start time".to_owned());
    }
    let backward = text("direction").map(|way| way == "backward").unwrap_or(true);
    let query = text("query")?;
    if query.starts_with("count_over_time") {
        return Ok(json!({ "status": "success", "data": { "resultType": "matrix", "result": [] } }));
    }
    let (labels, wanted) = selector(query).map_err(|why| format!("parse error : {why}"))?;
    let fits = |(of, at, text): &&Line| {
        let labelled = labels.iter().all(|(name, value)| of.get(name) == Some(value));
        labelled && (start..end).contains(at) && text.contains(&wanted)
    };
    let mut found: Vec<&Line> = lines.iter().filter(fits).collect();
    found.sort_by_key(|(_, at, _)| if backward { -at } else { *at });
    let mut streams: BTreeMap<&BTreeMap<String, String>, Vec<Value>> = BTreeMap::new();
    for (of, at, text) in found.into_iter().take(limit) {
        streams.entry(of).or_default().push(json!([at.to_string(), text]));
    }
    let result: Vec<Value> =
        streams.into_iter().map(|(of, values)| json!({ "stream": of, "values": values })).collect();
    Ok(json!({ "status": "success", "data": { "resultType": "streams", "result": result, "stats": {} } }))
}

/// The labels of a selector and the text of its filter.
fn selector(query: &str) -> Result<(BTreeMap<String, String>, String), String> {
    let rest = query.trim().strip_prefix('{').ok_or("syntax error: unexpected IDENTIFIER, expecting {")?;
    let (mut labels, mut rest) = (BTreeMap::new(), rest);
    loop {
        let (name, after) = rest.split_once('=').ok_or("syntax error: unexpected }, expecting =")?;
        let (value, after) = quoted(after)?;
        labels.insert(name.trim_matches([',', ' ']).to_owned(), value);
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            rest = after.trim();
            break;
        }
    }
    match rest.strip_prefix("|=") {
        Some(filter) => Ok((labels, quoted(filter)?.0)),
        None if rest.is_empty() => Ok((labels, String::new())),
        None => Err(format!("syntax error: unexpected {rest}")),
    }
}

/// A quoted text and what follows.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let text = text.trim_start();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = values.next().and_then(Result::ok).ok_or("syntax error: expecting STRING")?;
    Ok((value, &text[values.byte_offset()..]))
}
