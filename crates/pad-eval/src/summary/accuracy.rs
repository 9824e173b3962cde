//! How often a reward model prefers the right one of a held-out pair.

use serde::Serialize;

use crate::method::Method;
use crate::pair::Judgement;
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
}

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
            let mean = |reward: f64, tokens: u64| reward / tokens.max(1) as f64;
            mean(judgement.chosen, judgement.chosen_tokens) > mean(judgement.rejected, judgement.rejected_tokens)
        };
        Some(Accuracy {
            method: method.clone(),
            dimension: dimension.to_owned(),
            right: share(&Judgement::is_right)?,
            right_per_token: share(&per_token).map(|share| share.value),
        })
    };
    groups.into_iter().filter_map(accuracy).collect()
}
