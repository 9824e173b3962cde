//! Steps of the numpy reference and of the released checkpoint's layout: from the base's
//! log-probabilities and the rewards, the scores and the choice must follow.

use pad_decode::{Candidates, Normalisation, Progress, Readout, Reference, Rule, Sampler, Term, decide};

/// The reference rounds to five decimals.
const TOLERANCE: f32 = 5e-5;

/// One greedy step as the reference recorded it.
#[derive(serde::Deserialize)]
struct Step {
    weights: Vec<f32>,
    beta: f32,
    candidates: Vec<u32>,
    base_logprob: Vec<f32>,
    reward: Vec<f32>,
    score: Vec<f32>,
    token: u32,
}

fn steps() -> Vec<Step> {
    let lines = include_str!("data/golden_steps.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect("a golden step")).collect()
}

fn assert_close(name: &str, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < TOLERANCE, "{name}: {got} is not {expected}");
    }
}

/// Decides the step with one lane of weight `weight`, whose log-probabilities are
/// `base + reward / weight`, and checks what the reference recorded.
fn check(step: &Step, weight: f32, normalisation: Normalisation) {
    let lane = step.base_logprob.iter().zip(&step.reward).map(|(b, r)| b + r / weight).collect();
    // The recorded values are log-probabilities already: the sum over the whole is exp(0).
    let readout = |logits: Vec<f32>| Readout { logits, log_sum_exp: Some(0.0) };
    let candidates =
        Candidates { tokens: step.candidates.clone(), base: readout(step.base_logprob.clone()), adjusted: None };
    let rule = Rule { beta: step.beta, normalisation, ..Rule::default() };
    let term = Term { weight, readout: 0, reference: Reference::Base };
    let decision = decide(&rule, candidates, &[term], &[readout(lane)], &Progress::default(), &mut Sampler::new(0, 0));
    assert_eq!(decision.token(), step.token);
    assert_close("base_logprob", &decision.base_logprob, &step.base_logprob);
    assert_close("reward", &decision.reward, &step.reward);
    assert_close("score", &decision.score, &step.score);
}

#[test]
fn scores_and_choices_follow_from_the_summed_reward() {
    for step in steps() {
        check(&step, 1.0, Normalisation::Vocabulary);
    }
}

/// With one dimension the lane's own log-probabilities can be told from the reward, so its
/// log-softmax over the candidates is checked as well.
#[test]
fn one_dimension_follows_from_the_lanes_logits() {
    let single: Vec<Step> = steps().into_iter().filter(|step| step.weights.len() == 1).collect();
    assert!(single.len() >= 15);
    for step in single {
        check(&step, step.weights[0], Normalisation::Candidates);
    }
}

#[test]
fn the_fixture_holds_steered_steps() {
    let steered = steps().iter().filter(|step| step.token != step.candidates[0]).count();
    assert!(steered >= 10, "{steered}");
}
