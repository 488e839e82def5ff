//! The real program, from the shell and over HTTP, as people and machines use it: `sereno serve` with the configuration
//! that the documents promise, on loopback, in a folder that goes.
#![allow(clippy::disallowed_methods)] // tests ask what time it is

#[path = "../support/install.rs"]
mod install;
#[path = "../parts/mod.rs"]
mod parts;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;

mod away;
mod burst;
mod doors;
mod end;
mod files;
mod languages;
mod proxied;
mod settings;
mod several;
mod shell;
mod story;
