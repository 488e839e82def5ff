//! Alert dialects: a body from a monitoring system becomes alerts in our words. Pure: no store, no clock, no chat.

pub mod alertmanager;

use crate::domain::alert::Alert;

/// Reads a body that came through a hook with this name; an alert without an environment of its own is given the
/// third. Errors say in words what is odd about the body.
pub type Parse = fn(&str, &str, Option<&str>) -> Result<Vec<Alert>, String>;

/// How one kind of source writes.
pub struct Dialect {
    /// The word in `hooks.<name>.dialect`.
    pub name: &'static str,
    /// How its bodies are read.
    pub parse: Parse,
}

/// Every dialect there is.
pub static DIALECTS: &[Dialect] = &[Dialect { name: "alertmanager", parse: alertmanager::parse }];

/// The dialect with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().find(|dialect| dialect.name == name)
}
