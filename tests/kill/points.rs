//! The journal points: armed with a counter that all share, whose k-th hit is the process's last.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// Every point in `src`.
pub const POINTS: &[&str] = &[
    "engine.after_ask_approval",
    "engine.after_claim",
    "engine.after_effect",
    "engine.after_outcome",
    "engine.after_send",
    "engine.after_start",
    "engine.before_answer_commit",
    "engine.before_lost_commit",
    "engine.before_outcome_commit",
    "engine.before_press_commit",
    "engine.before_start_commit",
    "inbox.after_commit",
    "inbox.before_commit",
    "store.after_commit",
    "store.before_commit",
];

/// Only a life passes it that finds what a killed one left in mid-step.
pub const LOST: &str = "engine.before_lost_commit";

/// When a life ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kill {
    /// Only this point counts; none means that all do.
    pub point: Option<String>,
    /// At this hit, from 1.
    pub hit: u32,
}

/// Counts hits in the file `points`, kills with a `!`, and ends the process where `last` says.
pub fn arm(dir: &Path, last: Option<&Kill>) {
    let log = Arc::new(OpenOptions::new().create(true).append(true).open(dir.join("points")).unwrap());
    let count = Arc::new(AtomicU32::new(0));
    for point in POINTS {
        let (log, count, last) = (Arc::clone(&log), Arc::clone(&count), last.cloned());
        fail::cfg_callback(*point, move || hit(point, &log, &count, last.as_ref())).unwrap();
    }
}

fn hit(point: &str, mut log: &File, count: &AtomicU32, last: Option<&Kill>) {
    log.write_all(format!("{point}\n").as_bytes()).unwrap();
    let Some(last) = last.filter(|last| last.point.as_deref().is_none_or(|only| only == point)) else { return };
    if count.fetch_add(1, Ordering::SeqCst) + 1 == last.hit {
        log.write_all(format!("!{point}\n").as_bytes()).unwrap();
        kill(Pid::this(), Signal::SIGKILL).unwrap();
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn every_journal_point_in_the_source_is_armed() {
    let mut found = Vec::new();
    for folder in ["src/engine", "src/store"] {
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for (_, after) in ["fail_point!(\"", "journal_point!(\""]
                .iter()
                .flat_map(|is| text.match_indices(is).map(|(at, is)| (at, &text[at + is.len()..])).collect::<Vec<_>>())
            {
                found.push(after.split('"').next().unwrap().to_owned());
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, POINTS);
}
