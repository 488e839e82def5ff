//! Defects that tests seed, to show that the kill harness and the model test would find them. Without feature `faults`
//! nothing of this is left. Knows nothing of what a defect spoils.

/// Whether a test has seeded this defect.
pub(crate) fn seeded(defect: &'static str) -> bool {
    fail::fail_point!(defect, |_| true);
    let _ = defect; // unused without the feature
    false
}
