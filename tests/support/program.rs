//! Programs that tests start themselves: found by the variable that `tests/parts/up` sets or at their usual place,
//! started with their output in a file, and ended by their process when the test lets go of them.
#![allow(dead_code)] // every test file uses a part of it
#![allow(clippy::disallowed_methods)] // tests start processes, and the environment says where programs are

use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

/// The program that `variable` names, or that is at `usual`; none, said as skipped, when there is none.
pub fn find(variable: &str, usual: &str) -> Option<String> {
    let named = std::env::var(variable).ok().filter(|path| !path.is_empty());
    let path = named.unwrap_or_else(|| usual.to_owned());
    if Path::new(&path).is_file() {
        return Some(path);
    }
    crate::support::skipped(&format!("{usual} ({variable} is not set)"));
    None
}

/// Starts a program; what it prints goes to `log`. It is killed when the answer is dropped.
pub fn start(program: &str, args: &[String], log: &Path) -> Child {
    let out = std::fs::File::create(log).unwrap();
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).kill_on_drop(true);
    command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"))
}
