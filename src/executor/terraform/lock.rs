//! Who holds a state's lock, as terraform's own error tells it. Knows nothing of backends.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::span::written;

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Lock {
    pub(super) id: String,
    pub(super) who: String,
    pub(super) operation: String,
    /// As terraform writes it.
    pub(super) created: String,
}

impl Lock {
    /// The lock that terraform waited for in vain; none where it was not stopped by one. The same part `Lock Info:` stands
    /// in other errors, too.
    pub(super) fn read(error: &str) -> Option<Self> {
        let mut lock = Self::default();
        let (_, error) = error.split_once("Error acquiring the state lock")?;
        let (_, info) = error.split_once("Lock Info:")?;
        for line in info.lines() {
            // Lines of a box when it is drawn.
            let line = line.trim_start_matches(['│', '|', ' ']);
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim().to_owned();
            match key.trim() {
                "ID" => lock.id = value,
                "Who" => lock.who = value,
                "Operation" => lock.operation = value,
                "Created" => lock.created = value,
                _ => {}
            }
        }
        (!lock.id.is_empty()).then_some(lock)
    }

    /// Seconds that it has been held.
    fn age(&self, now: Timestamp) -> Option<i64> {
        // As in `2026-03-01 11:58:00.123456789 +0000 UTC`.
        let text = self.created.get(..19)?.replacen(' ', "T", 1);
        let since: jiff::Timestamp = format!("{text}Z").parse().ok()?;
        Some((now.0 - Timestamp::from(since).0) / 1000)
    }

    /// The same for people, no finer than they care for; empty where it cannot be told.
    pub(super) fn for_how_long(&self, now: Timestamp) -> String {
        let seconds = self.age(now).and_then(|age| u64::try_from(age).ok());
        let coarse = |seconds: u64| match seconds {
            0..60 => seconds,
            60..172_800 => seconds - seconds % 60,
            _ => seconds - seconds % 3600,
        };
        seconds.map(|seconds| written(coarse(seconds))).unwrap_or_default()
    }

    /// Who holds it, and since when.
    pub(super) fn said(&self, now: Timestamp) -> Sentence {
        let Self { id, who, operation, created } = self;
        sentence!("action.terraform_locked", id, who, operation, created, age => self.for_how_long(now))
    }

    pub(super) fn facts(&self, now: Timestamp) -> Map<String, Value> {
        let facts = json!({"lock_id": self.id, "who": self.who, "operation": self.operation,
            "created": self.created, "age": self.age(now)});
        facts.as_object().cloned().unwrap_or_default()
    }
}

/// What went wrong beside, where terraform could not give its own lock back; none where it could.
pub(super) fn kept(error: &str) -> Option<Kept> {
    let errors = || error.lines().filter_map(|line| line.trim_start_matches(['│', '|', ' ']).strip_prefix("Error: "));
    let release = |error: &&str| error.starts_with("Error releasing the state lock");
    errors().any(|error| release(&error)).then(|| match errors().all(|error| release(&error)) {
        true => Kept::Alone,
        false => Kept::WithMore,
    })
}

/// A lock of ours that was not given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// All else went well: terraform gives its lock back last.
    Alone,
    /// More went wrong.
    WithMore,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: &str = "\nError: Error acquiring the state lock\n\nError message: resource temporarily unavailable\n\
        Lock Info:\n  ID:        5d9ab7a6-7c1b-4e0f-9d57-6a1f0c8f5b11\n  Path:      tk-nq-tfstate-dev/dev/terraform.tfstate\n  \
        Operation: OperationTypeApply\n  Who:       ana@laptop\n  Version:   1.11.4\n  \
        Created:   2026-03-01 11:30:00.5 +0000 UTC\n  Info:      \n\n\nTerraform acquires a state lock to protect …\n";

    #[test]
    fn the_holder_and_the_age_are_those_of_the_error() {
        let lock = Lock::read(ERROR).unwrap();
        assert_eq!(lock.id, "5d9ab7a6-7c1b-4e0f-9d57-6a1f0c8f5b11");
        assert_eq!((lock.who.as_str(), lock.operation.as_str()), ("ana@laptop", "OperationTypeApply"));
        let noon = Timestamp(1_772_366_400_000);
        assert_eq!(lock.facts(noon)["age"], 1800);
        let said = [30, 1830, 2 * 86_400 + 5000].map(|age| lock.for_how_long(Timestamp(noon.0 + (age - 1800) * 1000)));
        assert_eq!(said, ["30s", "30m", "49h"]);
        assert_eq!(Lock::read("Error: no such bucket"), None);
        let boxed = ERROR.replace('\n', "\n│ ");
        assert_eq!(Lock::read(&boxed), Some(lock));
        assert_eq!((kept(ERROR), kept(&boxed)), (None, None));
    }

    #[test]
    fn a_lock_of_ours_is_nobody_elses() {
        let error = ERROR.replace("acquiring", "releasing");
        assert_eq!((Lock::read(&error), kept(&error)), (None, Some(Kept::Alone)));
        let boxed = format!("Error: AccessDenied\n{error}").replace('\n', "\n│ ");
        assert_eq!((Lock::read(&boxed), kept(&boxed)), (None, Some(Kept::WithMore)));
    }
}
