//! Texts as lists of words, for comparing them.

use std::collections::HashSet;

/// The words in lower case: runs of letters, digits and apostrophes.
pub fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let split = lower.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '\u{2019}'));
    split.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Runs of a fixed number of words of some texts.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    length: usize,
    found: HashSet<Vec<String>>,
}

impl Runs {
    /// All runs of `length` words in these texts. A text with fewer words is a run of its own.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>, length: usize) -> Self {
        let found = texts.into_iter().flat_map(|text| runs(&words(text), length)).collect();
        Self { length, found }
    }

    /// Whether a text shares a run with these.
    pub fn meet(&self, text: &str) -> bool {
        !self.found.is_empty() && runs(&words(text), self.length).iter().any(|run| self.found.contains(run))
    }
}

fn runs(words: &[String], length: usize) -> Vec<Vec<String>> {
    match words.len() {
        0 => Vec::new(),
        count if count <= length => vec![words.to_vec()],
        _ => words.windows(length).map(<[String]>::to_vec).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_without_case_and_marks() {
        assert_eq!(words("Don't -- stop, NOW 3!"), ["don't", "stop", "now", "3"]);
    }

    #[test]
    fn five_words_in_a_row_are_a_meeting() {
        let runs = Runs::of(["How do I bake good bread at home?", "Why so?"], 5);
        assert!(runs.meet("please: how do i BAKE good cakes"));
        assert!(!runs.meet("How do I bake cakes?") && !runs.meet("why") && !runs.meet(""));
        assert!(runs.meet("why so"));
        assert!(!Runs::default().meet("anything at all"));
    }
}
