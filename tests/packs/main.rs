//! The five teams' packs: every row of their documents is a command, and every command is proven.

#[cfg(feature = "docker")]
mod alarm;
mod coverage;
#[cfg(feature = "docker")]
mod minimarket;
#[cfg(all(feature = "aws", feature = "docker"))]
mod orion;
#[cfg(feature = "docker")]
mod pawpaw;
#[cfg(feature = "aws")]
mod turnaki;
#[cfg(all(feature = "aws", feature = "docker", feature = "mongo"))]
mod twl_pipeline;
mod world;

// The stories' stage and harness, of which the packs use a part.
#[allow(dead_code)]
#[path = "../stories/harness.rs"]
mod harness;
#[allow(dead_code)]
#[path = "../stories/stage.rs"]
mod stage;
#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "aws")]
#[path = "../aws_support/mod.rs"]
mod aws_support;
#[path = "../docker_support/mod.rs"]
mod docker_support;
#[path = "../executor_support/mod.rs"]
mod executor_support;
#[path = "../parts/mod.rs"]
mod parts;
#[path = "../support/program.rs"]
mod program;
#[path = "../sql_support/mod.rs"]
mod sql_support;
