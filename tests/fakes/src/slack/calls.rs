//! One call of the Web API, from bytes to bytes: troubles, token, arguments, scope, rate, the method, the log.
//! Page: <https://docs.slack.dev/apis/web-api>.

use serde_json::{Value, json};

use super::args::{Args, Refusal, Reply, missing};
use super::methods::{self, Method, Token};
use super::rates::Trouble;
use super::world::{Call, World};

/// A request as it came.
pub(crate) struct Request<'a> {
    pub post: bool,
    pub name: &'a str,
    pub query: &'a str,
    pub content_type: &'a str,
    pub bearer: Option<&'a str>,
    pub body: &'a [u8],
}

/// What is done with it.
pub(crate) enum Outcome {
    Answer { status: u16, retry_after: Option<u64>, body: Value },
    Hang,
    Cut,
}

/// Answers a request, and writes it down.
pub(crate) fn call(world: &mut World, request: &Request<'_>) -> Outcome {
    let trouble = trouble(world, request.name);
    let args = read(request);
    let logged = args.as_ref().map(|(args, _)| json!(args.0)).unwrap_or_default();
    let outcome = match trouble {
        _ if world.down => Outcome::Cut,
        Some(Trouble::Hang) => Outcome::Hang,
        Some(Trouble::Cut) => Outcome::Cut,
        Some(Trouble::Status(status)) => Outcome::Answer { status, retry_after: None, body: Value::Null },
        Some(Trouble::RateLimited(after)) => limited(after),
        Some(Trouble::Error(error)) => answer(Refusal::from(error).json()),
        Some(Trouble::Lost) | None => done(world, request, args),
    };
    if trouble == Some(Trouble::Lost) {
        return lost(world, request.name, logged, outcome);
    }
    log(world, request.name, logged, outcome)
}

fn answer(body: Value) -> Outcome {
    Outcome::Answer { status: 200, retry_after: None, body }
}

fn limited(after: u64) -> Outcome {
    Outcome::Answer { status: 429, retry_after: Some(after), body: json!({"ok": false, "error": "ratelimited"}) }
}

/// The first trouble that was ordered for this method.
pub(crate) fn trouble(world: &mut World, name: &str) -> Option<Trouble> {
    let at = world.troubles.iter().position(|(method, _)| method == name || method == "*")?;
    Some(world.troubles.remove(at).1)
}

fn log(world: &mut World, method: &str, args: Value, outcome: Outcome) -> Outcome {
    let (status, answer) = match &outcome {
        Outcome::Answer { status, body, .. } => (*status, body.clone()),
        _ => (0, Value::Null),
    };
    world.calls.push(Call { at: world.clock.now(), method: method.to_owned(), args, status, answer });
    outcome
}

/// It was done, and nobody is told.
fn lost(world: &mut World, method: &str, args: Value, outcome: Outcome) -> Outcome {
    log(world, method, args, outcome);
    if let Some(call) = world.calls.last_mut() {
        call.status = 0;
    }
    Outcome::Cut
}

/// The arguments, and a warning about how they came.
fn read(request: &Request<'_>) -> Result<(Args, Option<&'static str>), Refusal> {
    let mut args = Args::from_form(request.query.as_bytes());
    if !request.post || request.body.is_empty() {
        return Ok((args, None));
    }
    let json = request.content_type.starts_with("application/json");
    if !json && !request.content_type.starts_with("application/x-www-form-urlencoded") {
        return Err("invalid_post_type".into());
    }
    if !json {
        args.0.extend(Args::from_form(request.body).0);
        return Ok((args, None));
    }
    if !methods::find(request.name).is_some_and(|method| method.json) {
        return Ok((args, None));
    }
    let body: Value = serde_json::from_slice(request.body).map_err(|_| Refusal::from("invalid_json"))?;
    let Value::Object(body) = body else { return Err("json_not_object".into()) };
    args.0.extend(body.into_iter().filter(|(_, value)| !value.is_null()));
    let charset = request.content_type.contains("charset=");
    Ok((args, (!charset).then_some("missing_charset")))
}

fn done(world: &mut World, request: &Request<'_>, args: Result<(Args, Option<&'static str>), Refusal>) -> Outcome {
    let (mut args, warning) = match args {
        Ok(read) => read,
        Err(refusal) => return answer(refusal.json()),
    };
    let Some(method) = methods::find(request.name) else {
        return answer(json!({"ok": false, "error": "unknown_method", "req_method": request.name}));
    };
    let token = args.0.remove("token").and_then(|token| token.as_str().map(str::to_owned));
    let token = request.bearer.map(str::to_owned).or(token);
    if let Err(refusal) = allowed(world, method, token.as_deref(), request, &args) {
        return answer(refusal.json());
    }
    let channel = args.text("channel").unwrap_or_default();
    let now = world.clock.now();
    if let Err(after) = world.rates.take(method.tier, method.name, &channel, now) {
        return limited(after);
    }
    let reply: Reply = fits(method, &args).and_then(|()| (method.run)(world, &args));
    let mut body = reply.unwrap_or_else(Refusal::json);
    if body.get("ok").is_none() {
        body["ok"] = json!(true);
    }
    if let Some(warning) = warning {
        body["warning"] = json!(warning);
        body["response_metadata"]["warnings"] = json!([warning]);
    }
    answer(body)
}

fn allowed(
    world: &World,
    method: &Method,
    token: Option<&str>,
    request: &Request<'_>,
    args: &Args,
) -> Result<(), Refusal> {
    let token = token.filter(|token| !token.is_empty()).ok_or("not_authed")?;
    let app = &world.app;
    if app.revoked.contains(token) {
        return Err("token_revoked".into());
    }
    let kind = match token {
        token if token == app.bot_token => Token::Bot,
        token if token == app.app_token => Token::App,
        _ => return Err("invalid_auth".into()),
    };
    if kind != method.token {
        return Err("not_allowed_token_type".into());
    }
    if method.name == "apps.connections.open" && !request.post {
        return Err("insecure_request".into());
    }
    let Some(needed) = methods::needed(world, method.scope, args).filter(|_| kind == Token::Bot) else { return Ok(()) };
    if needed.iter().any(|scope| app.scopes.contains(scope)) {
        return Ok(());
    }
    let provided = app.scopes.iter().cloned().collect::<Vec<_>>().join(",");
    Err(Refusal::missing_scope(&needed.join(","), &provided))
}

/// The arguments are those of the method, and none is missing.
fn fits(method: &Method, args: &Args) -> Result<(), Refusal> {
    let known = || method.args.split_whitespace();
    for name in args.0.keys() {
        if !known().any(|one| one.trim_start_matches('!') == name) {
            return Err(Refusal::explained("invalid_arguments", vec![format!("[ERROR] unknown argument: {name}")]));
        }
    }
    let lost = known().filter_map(|one| one.strip_prefix('!')).find(|name| !args.0.contains_key(*name));
    lost.map_or(Ok(()), |name| Err(missing(name)))
}
