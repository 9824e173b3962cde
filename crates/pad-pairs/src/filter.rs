//! Filters for answers that are unfit for a pair.

use std::collections::HashMap;

use crate::words::{Runs, words};

/// Share of distinct three-word runs below which a text repeats itself.
const LEAST_DISTINCT: f64 = 0.9;

/// Three-word runs that a text has at least before the share says something.
const FEW_RUNS: usize = 8;

/// Times that a line of a text may come.
const MOST_LINES: usize = 2;

/// Words in a row from an instruction that an answer must not repeat.
const LEAK: usize = 4;

/// Why an answer is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There are no words.
    Empty,
    /// It runs in a circle.
    Repetitive,
    /// It repeats the principle that it was told.
    Leaking,
}

/// What answers are held against.
#[derive(Clone, Debug)]
pub struct Filter {
    instructions: Runs,
}

impl Filter {
    /// A filter for answers that were told these instructions.
    pub fn new<'a>(instructions: impl IntoIterator<Item = &'a str>) -> Self {
        Self { instructions: Runs::of(instructions, LEAK) }
    }

    /// What is wrong with an answer, if anything.
    pub fn flaw(&self, answer: &str) -> Option<Flaw> {
        let words = words(answer);
        if words.is_empty() {
            Some(Flaw::Empty)
        } else if is_repetitive(&words) || lines_return(answer) {
            Some(Flaw::Repetitive)
        } else if self.instructions.meet(answer) {
            Some(Flaw::Leaking)
        } else {
            None
        }
    }
}

fn is_repetitive(words: &[String]) -> bool {
    let runs: Vec<&[String]> = words.windows(3).collect();
    if runs.len() < FEW_RUNS {
        return false;
    }
    let distinct: std::collections::HashSet<_> = runs.iter().collect();
    (distinct.len() as f64) < LEAST_DISTINCT * runs.len() as f64
}

fn lines_return(answer: &str) -> bool {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for line in answer.lines().map(str::trim).filter(|line| !line.is_empty()) {
        *counts.entry(line).or_default() += 1;
    }
    counts.values().any(|count| *count > MOST_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaws_are_found_and_good_answers_pass() {
        let filter = Filter::new(["Answer in one short sentence, always."]);
        assert_eq!(filter.flaw(" \n"), Some(Flaw::Empty));
        assert_eq!(filter.flaw("?!"), Some(Flaw::Empty));
        assert_eq!(filter.flaw(&"it is good ".repeat(8)), Some(Flaw::Repetitive));
        assert_eq!(filter.flaw("Sure: I answer in one short way."), Some(Flaw::Leaking));
        assert_eq!(filter.flaw("- no\n- no\n- no"), Some(Flaw::Repetitive));
        assert_eq!(filter.flaw("Yes."), None);
        assert_eq!(
            filter.flaw("Bread rises because yeast makes gas, and the dough holds it until the heat sets it."),
            None
        );
    }
}
