//! "Did you mean": the known words nearest to one that nobody knows.

/// How many words are proposed at most.
const MOST: usize = 3;

/// The known words near enough to be meant, best first.
#[must_use]
pub fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Vec<String> {
    let word = word.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|known| (likeness(&word, &known.to_lowercase()), known))
        .filter(|(score, _)| *score >= 0.65)
        .collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(right.1)));
    scored.dedup_by(|left, right| left.1 == right.1);
    scored.into_iter().take(MOST).map(|(_, known)| known.to_owned()).collect()
}

/// From 0 to 1. A slip of the finger is a small distance; a word half typed is a prefix.
fn likeness(word: &str, known: &str) -> f64 {
    let slip = strsim::normalized_damerau_levenshtein(word, known);
    let begun = word.chars().count() >= 2 && known.starts_with(word);
    if begun { slip.max(0.8) } else { slip }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_beginnings_are_understood_and_strangers_are_not() {
        let known = ["rollback", "restart", "health", "help"];
        assert_eq!(nearest("rolback", known), ["rollback"]);
        assert_eq!(nearest("helth", known), ["health"]);
        assert_eq!(nearest("he", known), ["health", "help"]);
        assert_eq!(nearest("REST", known), ["restart"]);
        assert!(nearest("zzz", known).is_empty());
        assert!(nearest("", known).is_empty());
    }
}
