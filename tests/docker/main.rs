//! The Docker engine in what needs more than a step: a step taken back by its button, what builds leave, an engine that is
//! restarted while a step waits for it, another version of compose.
#![cfg(feature = "docker")]

mod build_cache;
mod compose;
mod lost;
mod restart;
mod stream;
mod undo;

#[path = "../docker_support/mod.rs"]
mod docker_support;
#[path = "../executor_support/mod.rs"]
mod executor_support;
// The stories' stage and harness, of which this uses a part.
#[allow(dead_code)]
#[path = "../stories/harness.rs"]
mod harness;
#[path = "../parts/mod.rs"]
mod parts;
#[allow(dead_code)]
#[path = "../stories/stage.rs"]
mod stage;
#[path = "../support/mod.rs"]
mod support;
