//! What people do in Slack, and what Sereno makes of it: in both modes, on each database, on the fake Slack.
#![cfg(feature = "slack")]

mod asking;
mod doors;
mod pressing;
mod proxy;
mod sockets;
#[path = "../support/mod.rs"]
mod support;
mod town;
