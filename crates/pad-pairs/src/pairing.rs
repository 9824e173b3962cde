//! Choosing the answers to a prompt that form a pair.

use pad_client::ChatAnswer;

use crate::words::words;

/// An answer that may be chosen or rejected.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The answer.
    pub answer: ChatAnswer,
    /// Its score; higher is better.
    pub score: Option<f64>,
}

/// How long the answers of a pair are, in words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// As they are.
    Any,
    /// Neither has more than this many times the other's words.
    Matched(f64),
    /// The rejected one has at least this many times the chosen one's words, when length is the dimension.
    Shorter(f64),
}

/// What holds for every pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Their lengths.
    pub length: Length,
    /// The chosen one's score is higher by more than this; without scores it does not count.
    pub margin: f64,
    /// The model ended the chosen one by itself.
    pub chosen_complete: bool,
    /// Pairs of one prompt at most; no answer is in two of them.
    pub pairs: usize,
}

impl Length {
    fn holds(self, chosen: usize, rejected: usize) -> bool {
        let (chosen, rejected) = (chosen as f64, rejected as f64);
        match self {
            Self::Any => true,
            Self::Matched(ratio) => chosen <= ratio * rejected && rejected <= ratio * chosen,
            Self::Shorter(ratio) => rejected >= ratio * chosen,
        }
    }
}

/// A candidate with its words.
struct ReadAnswer<'a> {
    candidate: &'a Candidate,
    words: Vec<String>,
}

impl<'a> ReadAnswer<'a> {
    fn all(side: &'a [Candidate]) -> Vec<Self> {
        side.iter().map(|candidate| Self { candidate, words: words(&candidate.answer.text) }).collect()
    }
}

impl Rules {
    /// The pairs that these answers make, the one with the clearest scores first; without scores, in the answers' order. Where
    /// both sides are the same answers, best meets worst.
    pub fn pairs(&self, chosen: &[Candidate], rejected: &[Candidate]) -> Vec<(Candidate, Candidate)> {
        let mut found: Vec<(f64, usize, usize)> = Vec::new();
        let others = ReadAnswer::all(rejected);
        for (at, one) in ReadAnswer::all(chosen).iter().enumerate() {
            for (other_at, other) in others.iter().enumerate() {
                found.extend(self.gain(one, other).map(|gain| (gain, at, other_at)));
            }
        }
        // Stable: equal gains stay in the answers' order.
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut pairs: Vec<(Candidate, Candidate)> = Vec::new();
        for (_, at, other_at) in found {
            let (one, other) = (&chosen[at], &rejected[other_at]);
            let texts = [&one.answer.text, &other.answer.text];
            let used = |text: &String| pairs.iter().any(|(a, b)| a.answer.text == *text || b.answer.text == *text);
            if pairs.len() < self.pairs && !texts.into_iter().any(used) {
                pairs.push((one.clone(), other.clone()));
            }
        }
        pairs
    }

    /// By how much the first is better, if they make a pair.
    fn gain(&self, one: &ReadAnswer<'_>, other: &ReadAnswer<'_>) -> Option<f64> {
        let gain = match (one.candidate.score, other.candidate.score) {
            (Some(one), Some(other)) => Some(one - other).filter(|gain| *gain > self.margin)?,
            _ => 0.0,
        };
        let whole = one.candidate.answer.complete || !self.chosen_complete;
        (whole && one.words != other.words && self.length.holds(one.words.len(), other.words.len())).then_some(gain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { length: Length::Any, margin: 0.0, chosen_complete: false, pairs: 1 };

    fn said(text: &str, score: Option<f64>) -> Candidate {
        Candidate { answer: ChatAnswer { text: text.to_owned(), complete: !text.ends_with("...") }, score }
    }

    fn texts(pairs: &[(Candidate, Candidate)]) -> Vec<(&str, &str)> {
        pairs.iter().map(|(one, other)| (one.answer.text.as_str(), other.answer.text.as_str())).collect()
    }

    #[test]
    fn told_answers_pair_in_order_and_twins_never() {
        let one = [said("Yes!", None), said("Oh yes", None)];
        let other = [said("yes", None), said("it is", None)];
        assert_eq!(texts(&RULES.pairs(&one, &other)), [("Yes!", "it is")]);
        let more = Rules { pairs: 5, ..RULES };
        assert_eq!(texts(&more.pairs(&one, &other)), [("Yes!", "it is"), ("Oh yes", "yes")]);
    }

    #[test]
    fn best_meets_worst_and_ties_are_none() {
        let all = [said("a", Some(1.0)), said("b", Some(3.0)), said("c", Some(-2.0)), said("d", Some(1.0))];
        assert_eq!(texts(&RULES.pairs(&all, &all)), [("b", "c")]);
        let two = Rules { pairs: 2, ..RULES };
        assert_eq!(texts(&two.pairs(&all, &all)), [("b", "c")], "a and d are equally good");
        let strict = Rules { margin: 5.0, ..RULES };
        assert_eq!(strict.pairs(&all, &all), []);
    }

    #[test]
    fn lengths_are_matched_unless_they_are_the_point() {
        let one = [said("one two three four", None)];
        let other = [said("one", None), said("a b c", None), said("a b c d e f", None)];
        let matched = Rules { length: Length::Matched(4.0 / 3.0), ..RULES };
        assert_eq!(texts(&matched.pairs(&one, &other)), [("one two three four", "a b c")]);
        let shorter = Rules { length: Length::Shorter(1.5), ..RULES };
        assert_eq!(texts(&shorter.pairs(&one, &other)), [("one two three four", "a b c d e f")]);
    }

    #[test]
    fn a_chosen_answer_may_have_to_be_whole() {
        let rules = Rules { chosen_complete: true, ..RULES };
        assert_eq!(rules.pairs(&[said("cut...", None)], &[said("whole", None)]), []);
        assert_eq!(texts(&rules.pairs(&[said("whole", None)], &[said("cut...", None)])), [("whole", "cut...")]);
    }
}
