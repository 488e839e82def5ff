//! The pure heart: nouns and rules. No async, no I/O, no clock, no wire formats.

pub mod accept;
pub mod actor;
pub mod alert;
pub mod approval;
pub mod chart;
pub mod digest;
pub mod expect;
pub mod figure;
pub mod incident;
pub mod monitor;
pub mod nearest;
pub mod pack;
pub mod plan;
pub mod policy;
pub mod rota;
pub mod run;
pub mod runbook;
pub mod sentence;
pub mod settings;
pub mod severity;
pub mod span;
pub mod step;
pub mod template;
pub mod text;
mod text_enum;
pub mod timeline;

pub(crate) use text_enum::text_enum;
