//! The real program, from the shell and over HTTP, as people and machines use it: `sereno serve` with the configuration
//! that the documents promise, on loopback, in a folder that goes.

#[path = "../support/install.rs"]
mod install;
#[path = "../support/mod.rs"]
mod support;

mod story;
