//! Scores that need no external scorer: length and repetition.

use std::collections::HashSet;

use crate::scorer::Scores;

/// Number of words.
pub const WORDS: &str = "words";

/// Share of pairs of words that are different ones.
pub const DISTINCT_2: &str = "distinct_2";

/// Share of triples of words that are different ones.
pub const DISTINCT_3: &str = "distinct_3";

/// 1 where the answer runs in a circle, 0 where not.
pub const LOOPS: &str = "loops";

/// 1 where the model ended the answer itself, 0 where it was cut.
pub const FINISHED: &str = "finished";

/// 1 where the answer declines, 0 where not.
pub const DECLINES: &str = "declines";

/// Words in a run that must not come again and again.
const LOOP_RUN: usize = 4;

/// Runs that an answer has at least before it can be a loop.
const LOOP_RUNS: usize = 8;

/// Share of different ones among all runs below which an answer is a loop.
const LOOP_SHARE: f64 = 0.7;

/// Characters in which an answer that declines says so.
const DECLINED_IN: usize = 160;

/// How answers decline.
const REFUSALS: [&str; 15] = [
    "i'm sorry",
    "i am sorry",
    "sorry, but",
    "i apologize",
    "i can't",
    "i cannot",
    "i can not",
    "i won't",
    "i will not",
    "i'm unable",
    "i am unable",
    "i'm not able",
    "i am not able",
    "as an ai",
    "i must decline",
];

/// All of an answer; what it is too short for is not there.
pub fn scores(answer: &str) -> Scores {
    let words: Vec<String> = answer.split_whitespace().map(str::to_lowercase).collect();
    let mut scores = Scores::from([(WORDS.to_owned(), words.len() as f64)]);
    for (name, length) in [(DISTINCT_2, 2), (DISTINCT_3, 3)] {
        if let Some(share) = distinct(&words, length) {
            scores.insert(name.to_owned(), share);
        }
    }
    scores.insert(LOOPS.to_owned(), f64::from(u8::from(loops(&words))));
    scores.insert(DECLINES.to_owned(), f64::from(u8::from(declines(answer))));
    scores
}

/// Whether at least 30 % of the runs of four words were there before.
fn loops(words: &[String]) -> bool {
    words.windows(LOOP_RUN).count() >= LOOP_RUNS && distinct(words, LOOP_RUN).is_some_and(|share| share < LOOP_SHARE)
}

/// Whether an answer begins by declining.
fn declines(answer: &str) -> bool {
    let start: String = answer.chars().take(DECLINED_IN).collect();
    let start = start.to_lowercase().replace('\u{2019}', "'");
    REFUSALS.iter().any(|refusal| start.contains(refusal))
}

/// The share of distinct ones among all runs of this many words; none if there is no such run.
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
        let none = [DECLINES, LOOPS, WORDS].map(|name| (name.to_owned(), 0.0));
        assert_eq!(scores("  "), Scores::from(none));
        assert!(!scores("one two").contains_key(DISTINCT_3));
    }

    #[test]
    fn loops_are_told_from_lists_and_refusals_from_advice() {
        let found = |answer: &str, name: &str| scores(answer)[name] == 1.0;
        assert!(found(&"It is a very good idea. ".repeat(4), LOOPS));
        assert!(!found("Buy milk. Buy bread. Buy eggs. Buy tea. Buy rice. Buy salt. Buy oil and go home.", LOOPS));
        assert!(!found("no no no", LOOPS), "too short to tell");
        for refusal in ["I\u{2019}m sorry, but I can't help.", "As an AI, I do not know.", "I cannot do that."] {
            assert!(found(refusal, DECLINES), "{refusal}");
        }
        for answer in ["Canberra is the capital of Australia.", "You cannot boil water at 50 degrees."] {
            assert!(!found(answer, DECLINES), "{answer}");
        }
    }
}
