//! How often a reward model prefers the chosen answer of a held-out pair.

use serde::Serialize;

use crate::method::Method;
use crate::pair::{Judged, Judgement};
use crate::run::Run;
use crate::statistics::{Estimate, wilson};

/// The pairs of one dimension, judged by one reward model.
#[derive(Debug, Serialize)]
pub struct Accuracy {
    /// The method whose reward model it is.
    pub method: Method,
    /// The dimension.
    pub dimension: String,
    /// Share of pairs whose chosen answer has the greater reward, with Wilson's interval.
    pub right: Estimate,
    /// The same where rewards are divided by the answers' tokens: length alone does not help there.
    pub right_per_token: Option<f64>,
    /// How often rules that need no reward model are right: what a reward model has to beat.
    pub rules: Vec<(String, Estimate)>,
}

impl Accuracy {
    /// The rule that is right most often.
    pub fn best_rule(&self) -> Option<&(String, Estimate)> {
        self.rules.iter().max_by(|one, other| one.1.value.total_cmp(&other.1.value))
    }
}

/// A number of an answer, by which a rule prefers the greater one.
type Rule = (&'static str, fn(&Judged) -> Option<f64>);

/// The rules, by length and by the base model's own probabilities.
const RULES: [Rule; 4] = [
    ("the shorter answer", |answer| Some(-(answer.tokens as f64))),
    ("the longer answer", |answer| Some(answer.tokens as f64)),
    ("the more probable answer", |answer| answer.base_logprob),
    ("the more probable answer per token", |answer| Some(answer.base_logprob? / answer.tokens.max(1) as f64)),
];

/// The accuracies of all reward models and dimensions.
pub(super) fn all(run: &Run) -> Vec<Accuracy> {
    let mut groups: Vec<(&Method, &str, Vec<&Judgement>)> = Vec::new();
    for judgement in run.judged() {
        let (method, dimension) = (&judgement.method, judgement.dimension.as_str());
        match groups.iter_mut().find(|(m, d, _)| *m == method && *d == dimension) {
            Some((_, _, group)) => group.push(judgement),
            None => groups.push((method, dimension, vec![judgement])),
        }
    }
    let accuracy = |(method, dimension, group): (&Method, &str, Vec<&Judgement>)| {
        let share = |right: &dyn Fn(&Judgement) -> bool| {
            wilson(group.iter().filter(|judgement| right(judgement)).count(), group.len())
        };
        let per_token = |judgement: &Judgement| {
            let mean = |answer: &Judged| answer.reward / answer.tokens.max(1) as f64;
            mean(&judgement.chosen) > mean(&judgement.rejected)
        };
        let rules = RULES.iter().filter_map(|(name, of)| {
            let known: Vec<bool> =
                group.iter().filter_map(|judgement| Some(of(&judgement.chosen)? > of(&judgement.rejected)?)).collect();
            Some(((*name).to_owned(), wilson(known.iter().filter(|right| **right).count(), known.len())?))
        });
        Some(Accuracy {
            method: method.clone(),
            dimension: dimension.to_owned(),
            right: share(&Judgement::is_right)?,
            right_per_token: share(&per_token).map(|share| share.value),
            rules: rules.collect(),
        })
    };
    groups.into_iter().filter_map(accuracy).collect()
}
