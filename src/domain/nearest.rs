//! Did you mean: the known words that are near an unknown one. Knows nothing but spelling.

/// Up to three known words near this one, the nearest first.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Vec<String> {
    let lower = word.to_lowercase();
    let allowed = (lower.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            let begins = lower.len() >= 3 && candidate.to_lowercase().starts_with(&lower);
            (distance <= allowed || begins).then_some((distance, candidate))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_finds_none() {
        let known = ["rollback", "restart", "health", "disk"];
        assert_eq!(nearest("rolback", known), ["rollback"]);
        assert_eq!(nearest("HEALHT", known), ["health"]);
        assert_eq!(nearest("res", known), ["restart"]);
        assert!(nearest("xyz", known).is_empty());
        assert!(nearest("", known).is_empty());
    }
}
