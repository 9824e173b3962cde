//! Scores that need no scorer: length and repetition.

use std::collections::HashSet;

use crate::scorer::Scores;

/// Number of words.
pub const WORDS: &str = "words";

/// Share of pairs of words that are different ones.
pub const DISTINCT_2: &str = "distinct_2";

/// Share of triples of words that are different ones.
pub const DISTINCT_3: &str = "distinct_3";

/// All of an answer; what it is too short for is not there.
pub fn scores(answer: &str) -> Scores {
    let words: Vec<String> = answer.split_whitespace().map(str::to_lowercase).collect();
    let mut scores = Scores::from([(WORDS.to_owned(), words.len() as f64)]);
    for (name, length) in [(DISTINCT_2, 2), (DISTINCT_3, 3)] {
        if let Some(share) = distinct(&words, length) {
            scores.insert(name.to_owned(), share);
        }
    }
    scores
}

/// The different ones among all runs of so many words; none where there is no such run.
fn distinct(words: &[String], length: usize) -> Option<f64> {
    let all = words.windows(length);
    let count = all.len();
    (count > 0).then(|| all.collect::<HashSet<_>>().len() as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetition_lowers_the_share() {
        let found = scores("a b a B a b");
        assert_eq!((found[WORDS], found[DISTINCT_2], found[DISTINCT_3]), (6.0, 0.4, 0.5));
        let fresh = scores("Every word here is new.");
        assert_eq!((fresh[DISTINCT_2], fresh[DISTINCT_3]), (1.0, 1.0));
    }

    #[test]
    fn what_is_too_short_has_no_share() {
        assert_eq!(scores("  "), Scores::from([(WORDS.to_owned(), 0.0)]));
        assert!(!scores("one two").contains_key(DISTINCT_3));
    }
}
