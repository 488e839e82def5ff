//! Alert dialects: a body from a monitoring system becomes alerts in our words. Pure: no store, no clock, no chat.

pub mod alertmanager;

use crate::domain::alert::Alert;

/// How one kind of source writes.
pub struct Dialect {
    /// The word in `hooks.<name>.dialect`.
    pub name: &'static str,
    /// Reads a body that came through the hook; an alert without an environment of its own is given `environment`.
    /// Errors say in words what is odd about the body.
    pub parse: fn(hook: &str, body: &str, environment: Option<&str>) -> Result<Vec<Alert>, String>,
}

/// Every dialect there is.
pub static DIALECTS: &[Dialect] = &[Dialect { name: "alertmanager", parse: alertmanager::parse }];

/// The dialect with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().find(|dialect| dialect.name == name)
}
