//! Sereno: a chat-ops bot for on-call engineers. Three doors in (chat, alert hooks, command line), one engine, two
//! ports out (chat platforms, actions), one database. `docs/architecture.md` draws it; `tests/architecture.rs`
//! holds who may import whom.

pub mod app;
pub mod audit;
pub mod catalog;
pub mod chat;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod domain;
pub mod engine;
pub mod executor;
mod faults;
pub mod hooks;
pub mod http;
pub mod id;
pub mod problem;
pub mod secret;
pub mod store;
pub mod telemetry;
pub mod words;
pub mod yaml;
