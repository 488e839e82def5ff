//! Stories in the words of the field: conversations on the built-in console and in Slack, told on each database, time moved by hand.

mod approvals;
mod books;
mod combined;
mod crash;
mod harness;
mod incidents;
mod monitors;
mod on_call;
mod retention;
mod roster;
mod runs;
mod slack;
mod stage;
mod talk;

#[path = "../support/mod.rs"]
mod support;
