//! Decisions over HTTP against those of the reference program, step by step.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::Server;

/// Largest difference of a log-probability, reward or score.
const TOLERANCE: f64 = 1e-3;

const PROMPTED: &str = include_str!("data/smollm2/prompted.jsonl");

/// Made by `tests/reference/heads.py`.
const HEADS: &str = include_str!("data/smollm2/heads.jsonl");

fn cases(file: &str) -> Vec<Value> {
    file.lines().map(|line| serde_json::from_str(line).expect("a case is JSON")).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn trace_of(client: &Client, case: &Value) -> (Vec<Value>, Value) {
    let steps = case["steps"].as_array().expect("steps").len();
    let answer = client.completion(&json!({
        "messages": case["messages"], "preference": case["preference"], "temperature": 0, "max_tokens": steps,
        "pad": {"trace": true, "beta": case["beta"], "top_k": case["top_k"]}
    }));
    let trace = answer["choices"][0]["pad"]["trace"].as_array().expect("a trace").clone();
    (trace, answer)
}

/// One step's candidates. Those on the edge of the k best may be others, where they are as good.
fn check_candidates(ours: &Value, theirs: &Value, place: &str) {
    let expected: Vec<u64> =
        theirs["candidates"].as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    let [base, reward, score] = ["base_logprob", "reward", "score"].map(|key| numbers(&theirs[key]));
    let rank: HashMap<u64, usize> = expected.iter().enumerate().map(|(rank, token)| (*token, rank)).collect();
    let candidates = ours["candidates"].as_array().expect("candidates");
    assert_eq!(candidates.len(), expected.len(), "{place}");
    for (at, candidate) in candidates.iter().enumerate() {
        let near = |key: &str, theirs: f64| {
            let ours = candidate[key].as_f64().expect("a number");
            assert!((ours - theirs).abs() < TOLERANCE, "{place}, candidate {at}: {key} is {ours}, expected {theirs}");
        };
        near("base_logprob", base[at]);
        match rank.get(&candidate["token"].as_u64().expect("a token")) {
            Some(&rank) => {
                near("base_logprob", base[rank]);
                near("reward", reward[rank]);
                near("score", score[rank]);
            }
            None => near("base_logprob", *base.last().expect("candidates")),
        }
    }
}

/// The chosen token's own figures are those of its candidate.
fn check_choice(step: &Value, place: &str) {
    let rank = step["base_rank"].as_u64().expect("a rank") as usize;
    for key in ["token", "base_logprob", "reward", "score", "rewards"] {
        assert_eq!(step[key], step["candidates"][rank][key], "{place}: {key}");
    }
}

/// How many steps agreed, up to the first tie; a request runs `lanes` reward lanes for each weight.
fn check(client: &Client, case: &Value, lanes: usize) -> usize {
    let (trace, answer) = trace_of(client, case);
    let steps = case["steps"].as_array().expect("steps");
    assert_eq!(answer["usage"]["prompt_tokens"], case["prompt_tokens"].as_array().expect("tokens").len());
    let weights = case["preference"].as_object().expect("weights").len();
    assert_eq!(answer["usage"]["pad"]["reward_lanes"], weights * lanes);
    for (at, theirs) in steps.iter().enumerate() {
        let place = format!("{} {}, step {at}", case["messages"][0]["content"], case["preference"]);
        let ours = trace.get(at).unwrap_or_else(|| panic!("{place}: the answer ended"));
        check_candidates(ours, theirs, &place);
        check_choice(ours, &place);
        if theirs["margin"].as_f64().is_some_and(|margin| margin <= TOLERANCE) && ours["token"] != theirs["token"] {
            return at;
        }
        assert_eq!(ours["token"], theirs["token"], "{place}");
    }
    assert_eq!(trace.len(), steps.len());
    let content = answer["choices"][0]["message"]["content"].as_str();
    assert_eq!(content, case["text"].as_str());
    steps.len()
}

/// Nearly all of at least `least` steps agree with the reference.
fn check_all(client: &Client, cases: &[Value], lanes: usize, least: usize) {
    let agreed: usize = cases.iter().map(|case| check(client, case, lanes)).sum();
    let all: usize = cases.iter().map(|case| case["steps"].as_array().expect("steps").len()).sum();
    println!("{agreed} of {all} steps agree with the reference");
    assert!(all >= least && agreed * 10 >= all * 9, "{agreed} of {all}");
}

#[test]
fn every_decision_is_the_references() {
    check_all(&Server::reference().client(), &cases(PROMPTED), 1, 100);
}

/// The reward model that comes with the program has no adapter: its heads read the base lane.
#[test]
fn every_decision_of_trained_heads_is_the_references() {
    let server = Server::start(&["--dtype", "f32", "--reward", "auto"], &[]);
    check_all(&server.client(), &cases(HEADS), 0, 40);
}

/// KL divergence of `ours` from `theirs`, both log-probabilities over the same candidates.
fn divergence(ours: &Value, theirs: &Value) -> f64 {
    let known: HashMap<u64, f64> = ours["candidates"]
        .as_array()
        .expect("candidates")
        .iter()
        .map(|c| (c["token"].as_u64().expect("a token"), c["base_logprob"].as_f64().expect("a number")))
        .collect();
    let expected = theirs["candidates"].as_array().expect("a list").iter().filter_map(Value::as_u64);
    let pairs = expected.zip(numbers(&theirs["base_logprob"]));
    pairs.filter_map(|(token, p)| Some(p.exp() * (p - known.get(&token)?))).sum()
}

#[test]
fn the_fast_arithmetic_stays_close() {
    let client = Server::shared().client();
    let (mut same, mut compared, mut sum) = (0, 0, 0.0);
    for case in cases(PROMPTED) {
        let (trace, _) = trace_of(&client, &case);
        for (ours, theirs) in trace.iter().zip(case["steps"].as_array().expect("steps")) {
            compared += 1;
            sum += divergence(ours, theirs).abs();
            // What follows another token cannot be compared.
            if ours["token"] != theirs["token"] {
                break;
            }
            same += 1;
        }
    }
    let mean = sum / f64::from(compared);
    println!("fast arithmetic: {same} of {compared} tokens are the reference's, mean KL of the base model {mean:.5}");
    assert!(compared >= 20, "{compared} steps could be compared");
    assert!(mean < 0.01, "mean KL {mean}");
}
