//! A line of text becomes a checked command, or a helpful refusal. Knows domain and catalogue; pure but for
//! the names in a directory that a file parameter offers.

mod builtin;
mod explain;
mod params;
mod parse;
mod suggest;
mod words;

use std::sync::Arc;

use crate::catalog::Catalog;
pub use crate::domain::runbook::BUILT_IN;
use crate::domain::runbook::{Args, Param, ParamKind, Runbook};
use crate::domain::settings::Settings;
pub use explain::explain;

/// Where a line is read.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The runbooks.
    pub catalog: &'a Catalog,
    /// Environments, channels, people.
    pub settings: &'a Settings,
    /// The channel it was typed in, if any.
    pub channel: Option<&'a str>,
}

/// A runbook asked for, with checked arguments.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which.
    pub book: Arc<Runbook>,
    /// With what.
    pub args: Args,
    /// Where.
    pub env: Option<String>,
}

/// A checked line.
#[derive(Debug, Clone)]
pub enum Command {
    /// Run it.
    Run(Request),
    /// Show what it would do, and touch nothing: `plan rollback api prod`.
    Plan(Request),
    /// Explain whether that person may: `why ana rollback api prod`.
    Why(String, Request),
    /// What may I type, or how is this one used: `help [word]`.
    Help(Option<String>),
    /// Who is on call: `oncall [team]`.
    OnCall(Option<String>),
    /// The shift's summary: `handoff [team]`.
    Handoff(Option<String>),
    /// Open incidents: `incidents`.
    Incidents,
    /// What runs, and what ran lately: `runs`.
    Runs,
    /// What waits for me: `approvals`.
    Approvals,
    /// What looks by itself, and what it saw: `monitors`.
    Monitors,
    /// What is locked, by whom: `locks`.
    Locks,
    /// Write on the incident's timeline: `note restarted by hand`.
    Note(String),
    /// Open an incident by hand: `incident P1 checkout is slow`.
    Declare(crate::domain::severity::Severity, String),
    /// Look at this thread's incident: `ack`.
    Acknowledge,
    /// Close this thread's incident: `resolve`.
    Resolve,
    /// Stop a run, by its id or the only one that runs here: `cancel [run]`.
    Cancel(Option<String>),
    /// A one-time link to the console: `console`.
    Console,
}

/// Why a line is no command.
#[derive(Debug, Clone)]
pub enum Unclear {
    /// Nothing was typed.
    Empty,
    /// An unknown word; these are near.
    Unknown(String, Vec<String>),
    /// Several packs have it: full names.
    Ambiguous(String, Vec<String>),
    /// Arguments are missing; what was given is kept for the form. `env_missing` tells that the environment is, too.
    Missing {
        /// Which runbook.
        book: Arc<Runbook>,
        /// What was given.
        given: Args,
        /// The environment, if given.
        env: Option<String>,
        /// What is missing.
        missing: Vec<Param>,
        /// Whether the environment is missing.
        env_missing: bool,
    },
    /// An argument is not what its parameter accepts.
    Wrong {
        /// Which runbook.
        book: Arc<Runbook>,
        /// The parameter's name, or `env`.
        name: String,
        /// What was typed.
        got: String,
        /// What is accepted, in words that follow "must be".
        accepts: Accepts,
    },
    /// More words than parameters, or an unknown `name=value`.
    Unexpected {
        /// Which runbook.
        book: Arc<Runbook>,
        /// The word.
        got: String,
    },
    /// The line behind a `plan` or `why` is unclear: nothing may be offered that would run it.
    Aside(Box<Self>),
    /// A quote is not closed.
    Quote,
    /// A built-in word was used wrongly; this is how it is used.
    Usage(&'static str),
}

/// What a parameter accepts, for people; words are chosen by `chat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepts {
    /// Text that matches this.
    Pattern(String),
    /// Text without a dash in front, of at most this many characters.
    Text(usize),
    /// A whole number in a range.
    Integer(i64, i64),
    /// One of these.
    OneOf(Vec<String>),
    /// A span in a range of seconds.
    Duration(u64, u64),
    /// A file of this directory.
    FileIn(String),
}

/// Reads a line. `/ops`, `ops` or `@sereno` may stand in front; a built-in word wins over a runbook.
///
/// # Errors
/// Why it is no command, with what would help.
pub fn parse(text: &str, scene: Scene<'_>) -> Result<Command, Unclear> {
    let line = words::strip(text);
    let (word, rest) = words::first(line)?.ok_or(Unclear::Empty)?;
    match builtin::read(&word, rest, scene) {
        Some(command) => command,
        None => request(line, scene).map(Command::Run),
    }
}

/// Reads a line that must ask for a runbook.
fn request(line: &str, scene: Scene<'_>) -> Result<Request, Unclear> {
    let (word, rest) = words::first(line)?.ok_or(Unclear::Empty)?;
    let book = suggest::find(&word, scene)?;
    parse::arguments(&book, &words::split(rest)?, scene)
}

/// The files that a parameter of this runbook offers, by name; none where it offers none.
#[must_use]
pub fn files(book: &Runbook, param: &str) -> Vec<String> {
    match book.params.iter().find(|known| known.name == param).map(|param| &param.kind) {
        Some(ParamKind::File { dir, pattern }) => params::files(dir, pattern.as_deref()),
        _ => Vec::new(),
    }
}

/// Checks arguments that came by name, from a form, an alert's labels, a schedule or another runbook. An empty text is
/// as good as nothing, as forms send it; an environment is dropped where the runbook has none.
///
/// # Errors
/// As [`parse`].
pub fn check(book: &Arc<Runbook>, given: &Args, env: Option<&str>, scene: Scene<'_>) -> Result<Request, Unclear> {
    let env = env.filter(|env| !env.is_empty() && !book.environments.is_empty());
    let mut typed = params::Typed { env: env.map(str::to_owned), ..params::Typed::default() };
    for (name, value) in given.iter().filter(|(_, value)| value.as_str() != Some("")) {
        if !book.params.iter().any(|param| param.name == *name) {
            return Err(Unclear::Unexpected { book: Arc::clone(book), got: name.clone() });
        }
        typed.values.insert(name.clone(), value.clone());
    }
    params::settle(book, typed, scene)
}
