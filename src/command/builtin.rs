//! The built-in words. They win over runbooks, which may not be called so.

use super::{Command, Request, Scene, Unclear, request, words};
use crate::domain::severity::Severity;

type Read = Result<Command, Unclear>;

/// The command that a built-in word begins; none if the word is no built-in one.
pub fn read(word: &str, rest: &str, scene: Scene<'_>) -> Option<Read> {
    Some(match word.to_lowercase().as_str() {
        "plan" if rest.is_empty() => Err(Unclear::Usage("plan COMMAND …")),
        "plan" => aside(rest, scene).map(Command::Plan),
        "why" => why(rest, scene),
        "help" => at_most_one(rest, "help [COMMAND]").map(Command::Help),
        "oncall" => at_most_one(rest, "oncall [TEAM]").map(Command::OnCall),
        "handoff" => at_most_one(rest, "handoff [TEAM]").map(Command::Handoff),
        "incidents" => alone(rest, "incidents", Command::Incidents),
        "runs" => alone(rest, "runs", Command::Runs),
        "approvals" => alone(rest, "approvals", Command::Approvals),
        "monitors" => alone(rest, "monitors", Command::Monitors),
        "locks" => alone(rest, "locks", Command::Locks),
        "note" if rest.is_empty() => Err(Unclear::Usage("note TEXT")),
        "note" => Ok(Command::Note(unquoted(rest).to_owned())),
        "incident" => declare(rest),
        "ack" => alone(rest, "ack", Command::Acknowledge),
        "resolve" => alone(rest, "resolve", Command::Resolve),
        "cancel" => at_most_one(rest, "cancel [RUN]").map(Command::Cancel),
        "console" => alone(rest, "console", Command::Console),
        _ => return None,
    })
}

/// A command that is talked about, and not asked for.
fn aside(line: &str, scene: Scene<'_>) -> Result<Request, Unclear> {
    request(line, scene).map_err(|unclear| Unclear::Aside(Box::new(unclear)))
}

fn why(rest: &str, scene: Scene<'_>) -> Read {
    let usage = Unclear::Usage("why PERSON COMMAND …");
    match words::first(rest)? {
        Some((person, line)) if !line.is_empty() => {
            let person = person.trim_start_matches('@').to_owned();
            Ok(Command::Why(person, aside(words::strip(line), scene)?))
        }
        _ => Err(usage),
    }
}

fn declare(rest: &str) -> Read {
    let usage = Unclear::Usage("incident P0|P1|P2|P3|P4 TITLE");
    let Some((severity, title)) = words::first(rest)? else { return Err(usage) };
    match severity.to_uppercase().parse::<Severity>() {
        Ok(severity) if !title.is_empty() => Ok(Command::Declare(severity, unquoted(title).to_owned())),
        _ => Err(usage),
    }
}

fn alone(rest: &str, usage: &'static str, command: Command) -> Read {
    if rest.is_empty() { Ok(command) } else { Err(Unclear::Usage(usage)) }
}

fn at_most_one(rest: &str, usage: &'static str) -> Result<Option<String>, Unclear> {
    let mut words = words::split(rest)?;
    if words.len() > 1 { Err(Unclear::Usage(usage)) } else { Ok(words.pop().map(|word| word.text)) }
}

/// Free text is taken as typed; quotes around all of it were meant for the command line.
fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.contains(quote));
    inside('"').or_else(|| inside('\'')).filter(|inner| !inner.trim().is_empty()).unwrap_or(text)
}
