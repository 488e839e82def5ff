//! What the program tells its operators: one line an event, as text or JSON, and numbers for Prometheus. One gate
//! through which every line goes makes control characters from outside visible.

use std::io::{self, Write};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::domain::text;

/// Bounds of the buckets of `…_seconds`.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is logged where nothing else is said of it: AWS' own code says at length what steps say in a sentence.
const QUIET: &str = "aws=error";

/// Starts logging to the error stream; `level` is read by [`filter`]. Panics are logged too. Called once, by `main`; a
/// second call changes nothing.
pub fn start(json: bool, level: &str) {
    let lines = tracing_subscriber::fmt().with_env_filter(filter(level)).with_ansi(false).with_writer(Gate);
    let started = if json { lines.json().flatten_event(true).try_init() } else { lines.try_init() };
    if started.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let message = panic.payload_as_str().unwrap_or("no message");
            metrics::counter!("sereno_panics_total").increment(1);
            tracing::error!(place, message, "a panic: this is a defect, please report it");
        }));
    }
}

/// What is logged at a level, or by a filter such as `info,sereno=debug`. What can be read of it counts; `info` when
/// that is nothing. Of AWS' own code only errors are, unless the filter names it, as in `info,aws=warn`.
#[must_use]
pub fn filter(level: &str) -> EnvFilter {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    let asked = builder.parse_lossy(level);
    // Of two directives on the same target the later one counts, and a longer target before a shorter one.
    EnvFilter::builder().parse_lossy(format!("{QUIET},{asked}"))
}

/// Starts counting; the handle renders what was counted as Prometheus text. A second call counts apart.
#[must_use]
pub fn metrics() -> PrometheusHandle {
    let builder = || PrometheusBuilder::new().set_buckets(SECONDS).unwrap_or_default();
    builder().install_recorder().unwrap_or_else(|_| builder().build_recorder().handle())
}

/// Where lines go.
#[derive(Clone, Copy)]
struct Gate;

impl<'a> MakeWriter<'a> for Gate {
    type Writer = Line<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(io::stderr())
    }
}

/// Writes one event as one line. The subscriber hands an event over in one piece, with the line's end.
struct Line<W>(W);

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(event);
        let mut safe = text::visible(line.trim_end_matches('\n'), &[]);
        safe.push('\n');
        self.0.write_all(safe.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_it_holds() {
        let mut out = Vec::new();
        let hostile = "alert\r\nINFO all is well \u{1b}[2J \u{9b}31m \u{202e}x\n";
        assert_eq!(Line(&mut out).write(hostile.as_bytes()).unwrap(), hostile.len());
        let written = String::from_utf8(out).unwrap();
        assert_eq!(written, "alert\\u000d\\u000aINFO all is well \\u001b[2J \\u009b31m \\u202ex\n");
    }
}
