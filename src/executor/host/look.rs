//! What the kernel says of this machine: the files of /proc and the file systems. Knows nothing of steps.

use std::collections::BTreeSet;

use nix::sys::statvfs::statvfs;
use serde_json::{Value, json};

use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;
use crate::executor::listed;

/// Bytes of a mebibyte and of a gibibyte.
const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

fn kernel(path: &str) -> Result<String, Sentence> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|error| sentence!("action.host_no", what => path, why => error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// With one decimal.
#[allow(clippy::cast_precision_loss)] // a share of it
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 1000.0).round() / 10.0 }
}

/// How full the file system of a path is.
#[allow(clippy::useless_conversion)] // the fields' types differ between platforms
pub(super) fn disk(path: &str) -> Result<Report, Sentence> {
    if !path.starts_with('/') {
        return Err(sentence!("action.host_no_path", path));
    }
    let found = statvfs(path).map_err(|error| sentence!("action.host_no", what => path, why => error.to_string()))?;
    let unit = u64::from(found.fragment_size());
    let bytes = |blocks: u64| blocks.saturating_mul(unit);
    let (total, free) = (bytes(found.blocks().into()), bytes(found.blocks_available().into()));
    // As df counts it: blocks that only root may take are neither free nor in use.
    let used = bytes(u64::from(found.blocks()).saturating_sub(found.blocks_free().into()));
    let percent_free = percent(free, used + free);
    let facts = json!({
        "path": path, "total_bytes": total, "free_bytes": free,
        "percent_free": percent_free, "percent_used": percent(used, used + free),
    });
    Ok(Report::new(facts, sentence!("action.host_free", percent => percent_free.to_string(), gib => free / GIB)))
}

/// How much memory is in use.
pub(super) fn memory() -> Result<Report, Sentence> {
    let text = kernel("/proc/meminfo")?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    let (total, available) = (bytes("MemTotal"), bytes("MemAvailable"));
    let used = percent(total.saturating_sub(available), total);
    let facts = json!({
        "total_bytes": total, "available_bytes": available, "percent_used": used,
        "swap_total_bytes": bytes("SwapTotal"),
        "swap_used_bytes": bytes("SwapTotal").saturating_sub(bytes("SwapFree")),
    });
    let line = sentence!("action.host_used", percent => used.to_string(), mib => available / MIB);
    Ok(Report::new(facts, line))
}

/// How busy it is.
#[allow(clippy::cast_precision_loss)] // processors
pub(super) fn load() -> Result<Report, Sentence> {
    let text = kernel("/proc/loadavg")?;
    let of: Vec<f64> = text.split_whitespace().take(3).filter_map(|part| part.parse().ok()).collect();
    let [one, five, fifteen] = of[..] else {
        return Err(sentence!("action.host_no", what => "/proc/loadavg", why => text));
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let each = (five / processors as f64 * 100.0).round() / 100.0;
    let facts = json!({
        "one": one, "five": five, "fifteen": fifteen, "processors": processors, "per_processor": each,
    });
    let line = sentence!("action.host_busy", one => one.to_string(), five => five.to_string(),
        fifteen => fifteen.to_string(), processors);
    Ok(Report::new(facts, line))
}

/// Which of these ports something listens on, on whichever address.
pub(super) fn ports(wanted: &[u16]) -> Result<Report, Sentence> {
    let mut listening = listeners(&kernel("/proc/net/tcp")?);
    // A machine without IPv6 has no such file.
    listening.extend(listeners(&kernel("/proc/net/tcp6").unwrap_or_default()));
    let (open, closed): (Vec<u16>, Vec<u16>) = wanted.iter().copied().partition(|port| listening.contains(port));
    let line = match (open.is_empty(), closed.is_empty()) {
        (false, true) => sentence!("action.host_all_open"),
        (true, _) => sentence!("action.host_all_closed"),
        (false, false) => sentence!("action.host_some", open => listed(&open), closed => listed(&closed)),
    };
    let (all_open, all_closed) = (closed.is_empty(), open.is_empty());
    let facts = json!({ "open": open, "closed": closed, "all_open": all_open, "all_closed": all_closed });
    Ok(Report::new(facts, line))
}

/// The ports of a table of the kernel's whose sockets listen.
fn listeners(table: &str) -> BTreeSet<u16> {
    const LISTEN: &str = "0A";
    let port = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, state) = (columns.next()?, columns.nth(1)?);
        let port = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
        (state == LISTEN).then_some(port)
    };
    table.lines().skip(1).filter_map(port).collect()
}

/// Which of these variables are set in this process's environment. What they hold is never looked at.
pub(super) fn environment(names: &[String]) -> Result<Report, Sentence> {
    let text = kernel("/proc/self/environ")?;
    let there: BTreeSet<&str> = text
        .split('\0')
        .filter_map(|one| one.split_once('='))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, _)| name)
        .collect();
    let (set, missing): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| there.contains(name.as_str()));
    let line = match missing.is_empty() {
        true => sentence!("action.host_all_set", count => set.len()),
        false => sentence!("action.host_not_set", names => listed(&missing)),
    };
    let facts: Value = json!({ "set": set, "missing": missing, "all_set": missing.is_empty() });
    Ok(Report::new(facts, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_those_that_listen() {
        let table = "  sl  local_address rem_address   st\n   0: 0100007F:0BB8 00000000:0000 0A 0 0\n   \
                     1: 0100007F:0BB9 0100007F:1F90 01 0 0\n   2: 00000000000000000000000000000000:1F90 0:0 0A\n";
        assert_eq!(listeners(table), [3000, 8080].into());
    }
}
