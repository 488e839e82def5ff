//! Tells when files of the catalogue change. Only signals; whoever is told reads the files again.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

/// An editor writes a file in several steps, a deployment writes several files: quiet for this long is one change.
const QUIET: Duration = Duration::from_millis(300);

/// A folder under watch, until it is dropped.
#[derive(Debug)]
pub struct Watch {
    _watcher: RecommendedWatcher,
}

/// Calls `changed` after every change below `root`, once when several come together. It is called on a thread of its
/// own, and may be called when nothing that matters has changed.
///
/// # Errors
/// The folder is not there, or the system has no watches left.
pub fn watch(root: &Path, changed: impl Fn() + Send + 'static) -> notify::Result<Watch> {
    let (sender, events) = channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Reading the catalogue must not look like a change of it.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.send(());
        }
    })?;
    watcher.watch(root, RecursiveMode::Recursive)?;
    std::thread::Builder::new().name("catalog-watch".to_owned()).spawn(move || debounce(&events, &changed))?;
    Ok(Watch { _watcher: watcher })
}

/// Runs until the watcher is dropped.
fn debounce(events: &Receiver<()>, changed: &dyn Fn()) {
    while events.recv().is_ok() {
        loop {
            match events.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        changed();
    }
}
