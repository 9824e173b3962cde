//! Traces of steered answers: training data for distilled heads, `pad train --distil`.

use std::collections::BTreeMap;

use pad_client::{ChatBody, Client, Message, TokenTrace, draws};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::in_order::in_order;
use crate::output::{Line, Output};
use crate::{PairsError, Prompt};

/// Prompts that are begun for each thread before the traces of their predecessors are written.
const AHEAD: usize = 2;

/// The weight of a dimension that an answer is not steered by. Its lane runs, so that its rewards are in the trace, and steers nothing.
const FAINT: f64 = 1e-4;

/// The weights that steered answers get, drawn with equal chance.
const WEIGHTS: [f64; 4] = [0.5, 1.0, 1.0, 2.0];

/// One in so many steered answers is steered by two dimensions.
const MIXED: usize = 3;

/// Digits behind the point of written numbers: thousandths of a nat are far below what a head can tell.
const THOUSAND: f32 = 1000.0;

/// The wanted traces, and how they are made.
#[derive(Clone, Debug)]
pub struct TracePlan {
    /// Names of the dimensions whose rewards are recorded.
    pub dimensions: Vec<String>,
    /// Answers to each prompt; the first is not steered.
    pub answers: usize,
    /// Tokens of an answer at most.
    pub max_tokens: usize,
    /// Sampling temperature.
    pub temperature: f64,
    /// Makes the run repeatable.
    pub seed: u64,
    /// Answers in flight at once.
    pub in_flight: usize,
}

/// A line of the file: the answers to one prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The prompt's id.
    pub prompt_id: String,
    /// The conversation, without any principle.
    pub prompt: Vec<Message>,
    /// Names of the dimensions, in the order of the rewards.
    pub dimensions: Vec<String>,
    /// The answers.
    pub answers: Vec<TracedAnswer>,
}

/// One answer, token by token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TracedAnswer {
    /// The weights that it was sampled with; dimensions that are not named did not steer it.
    pub weights: BTreeMap<String, f64>,
    /// Its tokens, with the one that ends the turn if it is whole.
    pub tokens: Vec<u32>,
    /// What each was chosen from.
    pub steps: Vec<TracedStep>,
}

/// The candidates of one token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TracedStep {
    /// Their ids, `[k]`.
    pub candidates: Vec<u32>,
    /// Their log-probabilities under the base model in nats, `[k]`.
    pub base: Vec<f32>,
    /// Their rewards in each dimension in nats, `[dimensions][k]`.
    pub rewards: Vec<Vec<f32>>,
}

impl Line for Trace {
    fn prompt_id(&self) -> &str {
        &self.prompt_id
    }
}

impl TracePlan {
    fn check(&self) -> Result<(), PairsError> {
        let refuse = |name, value: String, allowed| Err(PairsError::Plan { name, value, allowed });
        if self.dimensions.is_empty() {
            refuse("the list of dimensions", "empty".to_owned(), "at least one name")
        } else if self.answers == 0 {
            refuse("the number of answers", "0".to_owned(), "at least 1")
        } else if self.max_tokens == 0 {
            refuse("the number of tokens", "0".to_owned(), "at least 1")
        } else if !(0.0..=2.0).contains(&self.temperature) {
            refuse("the temperature", self.temperature.to_string(), "from 0 to 2")
        } else {
            Ok(())
        }
    }

    /// The weights of one answer: none for the first, then the dimensions in turn, so that the answers to one prompt visit different
    /// ones, sometimes with a second one.
    fn weights(&self, prompt_id: &str, answer: usize) -> BTreeMap<String, f64> {
        let count = self.dimensions.len();
        let text = draws::of_text(prompt_id);
        let mut weights = BTreeMap::new();
        let Some(turn) = answer.checked_sub(1) else { return weights };
        let mut draw = draws::Draws::of(&[self.seed, text, 6, answer as u64]);
        let start = (draws::of_numbers(&[self.seed, text, 7]) % count as u64) as usize;
        let first = (start + turn) % count;
        weights.insert(self.dimensions[first].clone(), WEIGHTS[draw.below(WEIGHTS.len())]);
        if count > 1 && draw.below(MIXED) == 0 {
            let second = (first + 1 + draw.below(count - 1)) % count;
            weights.insert(self.dimensions[second].clone(), WEIGHTS[draw.below(WEIGHTS.len())]);
        }
        weights
    }
}

/// Asks for the answers to all prompts and writes their traces prompt by prompt, in the order of the prompts; prompts that the file has
/// are skipped. `observe` gets the number of prompts in this run that are done and of those to do, and returns whether to go on.
///
/// # Errors
///
/// What the plan, the server or the file refuse. What was written until then stays, and a later run continues it.
pub fn make_traces(
    plan: &TracePlan,
    client: &Client,
    prompts: &[Prompt],
    output: &mut Output,
    mut observe: impl FnMut(usize, usize) -> bool,
) -> Result<(), PairsError> {
    plan.check()?;
    let todo: Vec<&Prompt> = prompts.iter().filter(|prompt| !output.has(&prompt.id)).collect();
    // The answers to one prompt come one after the other: they share its cached blocks.
    let threads = plan.in_flight.max(1);
    let mut done = 0;
    in_order(
        &todo,
        threads,
        AHEAD * threads,
        |prompt| trace(plan, client, prompt),
        |_, traces| {
            output.add(&traces)?;
            done += traces.len();
            Ok(observe(done, todo.len()))
        },
    )
}

/// The answers to a prompt.
fn trace(plan: &TracePlan, client: &Client, prompt: &Prompt) -> Result<Trace, PairsError> {
    let mut answers = Vec::with_capacity(plan.answers);
    for answer in 0..plan.answers {
        let weights = plan.weights(&prompt.id, answer);
        let sent: BTreeMap<&str, f64> =
            plan.dimensions.iter().map(|name| (name.as_str(), *weights.get(name).unwrap_or(&FAINT))).collect();
        let body = ChatBody {
            messages: prompt.messages.clone(),
            max_tokens: Some(plan.max_tokens),
            temperature: Some(plan.temperature),
            // Numbers of a seed that every JSON reader keeps exactly.
            seed: Some(draws::of_numbers(&[plan.seed, draws::of_text(&prompt.id), 8, answer as u64]) >> 12),
            preference: Some(json!(sent)),
            pad: Some(json!({"trace": true})),
            ..ChatBody::default()
        };
        let trace = client.chat_traces(&body)?.into_iter().next().unwrap_or_default();
        let steps = trace.iter().map(|step| traced(step, &plan.dimensions));
        let steps =
            steps.collect::<Option<Vec<_>>>().ok_or_else(|| PairsError::Untraced { url: client.base().to_owned() })?;
        answers.push(TracedAnswer { weights, tokens: trace.iter().map(|step| step.token).collect(), steps });
    }
    let (prompt_id, dimensions) = (prompt.id.clone(), plan.dimensions.clone());
    Ok(Trace { prompt_id, prompt: prompt.messages.clone(), dimensions, answers })
}

/// A step of the trace; none where a dimension has no reward in it.
fn traced(step: &TokenTrace, dimensions: &[String]) -> Option<TracedStep> {
    let rounded = |value: f32| (value * THOUSAND).round() / THOUSAND;
    let candidates = &step.candidates;
    let rewards = |name: &String| {
        candidates.iter().map(|c| c.rewards.get(name).copied().map(rounded)).collect::<Option<Vec<f32>>>()
    };
    Some(TracedStep {
        candidates: candidates.iter().map(|c| c.token).collect(),
        base: candidates.iter().map(|c| rounded(c.base_logprob)).collect(),
        rewards: dimensions.iter().map(rewards).collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(dimensions: &[&str]) -> TracePlan {
        let dimensions = dimensions.iter().map(|name| (*name).to_owned()).collect();
        TracePlan { dimensions, answers: 6, max_tokens: 8, temperature: 0.8, seed: 3, in_flight: 4 }
    }

    #[test]
    fn answers_visit_all_dimensions_alone_and_together() {
        let plan = plan(&["a", "b", "c"]);
        let (mut seen, mut mixed) = (BTreeMap::<String, usize>::new(), 0);
        for prompt in 0..60 {
            let id = format!("p{prompt}");
            assert!(plan.weights(&id, 0).is_empty(), "the first is the base model's own");
            for answer in 1..plan.answers {
                let weights = plan.weights(&id, answer);
                assert_eq!(weights, plan.weights(&id, answer), "the same each time");
                mixed += usize::from(weights.len() == 2);
                assert!((1..=2).contains(&weights.len()) && weights.values().all(|w| WEIGHTS.contains(w)));
                weights.into_keys().for_each(|name| *seen.entry(name).or_default() += 1);
            }
        }
        assert!(seen.len() == 3 && seen.values().all(|count| *count > 90), "{seen:?}");
        assert!((60..140).contains(&mixed), "a third of 300: {mixed}");
        assert_eq!(super::tests::plan(&["only"]).weights("p", 2).len(), 1);
    }

    #[test]
    fn a_step_without_a_reward_is_none() {
        let text = r#"{"token": 5, "text": "a", "base_rank": 0, "base_logprob": -0.5, "rewards": {}, "reward": 0, "score": 0, "strength": 1,
            "candidates": [{"token": 5, "text": "a", "base_logprob": -0.12345, "rewards": {"x": 1.23456}, "reward": 0, "score": 0}]}"#;
        let step: TokenTrace = serde_json::from_str(text).unwrap();
        let told = traced(&step, &["x".to_owned()]).unwrap();
        assert_eq!(told, TracedStep { candidates: vec![5], base: vec![-0.123], rewards: vec![vec![1.235]] });
        assert_eq!(traced(&step, &["x".to_owned(), "y".to_owned()]), None);
    }
}
