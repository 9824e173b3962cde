//! Decisions over HTTP against those of the reference program, step by step.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::client::{Client, with};
use crate::server::Server;

/// Largest difference of a log-probability, reward or score.
const TOLERANCE: f64 = 1e-3;

const PROMPTED: &str = include_str!("data/smollm2/prompted.jsonl");

/// Made by `tests/reference/guards.py`: candidates of every lane, and guards.
const GUARDED: &str = include_str!("data/smollm2/guards.jsonl");

/// The prompted dimensions that these were made with.
const TOLD: &str = r#"
[reward]
kind = "prompted"
template = "{content}\n\n({principle})"
dimensions = [
    { name = "concise", principle = "Answer in one short sentence." },
    { name = "pirate", principle = "Answer like a pirate." },
]
"#;

/// The reward model of those cases: the paper's template and number of candidates.
const PAPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/smollm2/paper.toml");

/// Made by `tests/reference/heads.py`.
const HEADS: &str = include_str!("data/smollm2/heads.jsonl");

/// The cases of a file, one a line.
pub fn cases(file: &str) -> Vec<Value> {
    file.lines().map(|line| serde_json::from_str(line).expect("a case is JSON")).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn trace_of(client: &Client, case: &Value) -> (Vec<Value>, Value) {
    let steps = case["steps"].as_array().expect("steps").len();
    let plain = json!({"beta": case["beta"], "top_k": case["top_k"]});
    let pad = with(case.get("pad").unwrap_or(&plain).clone(), json!({"trace": true}));
    let body = json!({
        "messages": case["messages"], "preference": case["preference"], "temperature": 0, "max_tokens": steps, "pad": pad
    });
    let answer = client.completion(&with(body, case.get("fields").cloned().unwrap_or_else(|| json!({}))));
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

/// How many steps agreed, up to the first tie; the request runs so many reward lanes.
pub fn check(client: &Client, case: &Value, lanes: usize) -> usize {
    let (trace, answer) = trace_of(client, case);
    let steps = case["steps"].as_array().expect("steps");
    assert_eq!(answer["usage"]["prompt_tokens"], case["prompt_tokens"].as_array().expect("tokens").len());
    assert_eq!(answer["usage"]["pad"]["reward_lanes"], lanes);
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

/// Nearly all of at least `least` steps agree with the reference; a request runs `lanes` reward lanes for each weight.
fn check_all(client: &Client, cases: &[Value], lanes: usize, least: usize) {
    let weights = |case: &Value| case["preference"].as_object().expect("weights").len();
    let agreed: usize = cases.iter().map(|case| check(client, case, lanes * weights(case))).sum();
    let all: usize = cases.iter().map(|case| case["steps"].as_array().expect("steps").len()).sum();
    println!("{agreed} of {all} steps agree with the reference");
    assert!(all >= least && agreed * 10 >= all * 9, "{agreed} of {all}");
}

#[test]
fn every_decision_is_the_references() {
    let server = Server::start(&["--dtype", "f32", "--reward", PAPER], &[]);
    check_all(&server.client(), &cases(PROMPTED), 1, 100);
}

/// The reward model that comes with the program has no adapter: its heads read the base lane.
#[test]
fn every_decision_of_trained_heads_is_the_references() {
    let server = Server::start(&["--dtype", "f32", "--reward", "auto"], &[]);
    check_all(&server.client(), &cases(HEADS), 0, 40);
}

/// Decides whether a step of the reference has something.
type Seen = fn(&Value, &Value) -> bool;

/// What the guarded cases hold: tokens that only a reward lane proposed, and work of every guard.
const SEEN: [(&str, Seen); 4] = [
    ("a token that only a lane proposes", |case, step| step["base_rank"].as_u64() >= case["pad"]["top_k"].as_u64()),
    ("an implausible candidate", |_, step| numbers(&step["score"]).contains(&-9999.0)),
    ("a smaller strength", |case, step| step["strength"].as_f64() < case["pad"]["beta"].as_f64().or(Some(1.0))),
    ("a repetition", |_, step| {
        let [base, reward, score] = ["base_logprob", "reward", "score"].map(|key| numbers(&step[key]));
        let strength = step["strength"].as_f64().expect("a number");
        (0..base.len()).any(|i| score[i] > -9999.0 && (base[i] + strength * reward[i] - score[i]).abs() > 0.01)
    }),
];

fn check_guards(client: &Client, case: &Value) {
    let (trace, answer) = trace_of(client, case);
    let steps = case["steps"].as_array().expect("steps");
    for (ours, theirs) in trace.iter().zip(steps) {
        let [ours, theirs] = [ours, theirs].map(|step| step["strength"].as_f64().expect("a number"));
        assert!((ours - theirs).abs() < TOLERANCE, "{}: strength {ours}, expected {theirs}", case["pad"]);
    }
    let kl: f64 = steps.iter().filter_map(|step| step["kl"].as_f64()).sum();
    let mean = answer["usage"]["pad"]["mean_kl"].as_f64().expect("a number");
    assert!((mean - kl / steps.len() as f64).abs() < TOLERANCE, "{}: mean KL {mean}", case["pad"]);
    assert!(case["pad"]["max_kl"].as_f64().is_none_or(|most| mean <= most), "{}: mean KL {mean}", case["pad"]);
}

#[test]
fn candidates_of_every_lane_and_guards_are_the_references() {
    let all = cases(GUARDED);
    for (what, seen) in SEEN {
        let steps = |case: &Value| case["steps"].as_array().expect("steps").clone();
        assert!(all.iter().any(|case| steps(case).iter().any(|step| seen(case, step))), "no case has {what}");
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), TOLD).expect("it is written");
    let config = file.path().to_str().expect("a path");
    for (kind, lanes, flags, least) in [
        ("prompted", 1, ["--dtype", "f32", "--config", config], 90),
        ("heads", 0, ["--dtype", "f32", "--reward", "auto"], 20),
    ] {
        let server = Server::start(&flags, &[]);
        let cases: Vec<Value> = all.iter().filter(|case| case["reward_model"] == kind).cloned().collect();
        check_all(&server.client(), &cases, lanes, least);
        cases.iter().for_each(|case| check_guards(&server.client(), case));
    }
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
    let server = Server::start(&["--reward", PAPER], &[]);
    let client = server.client();
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
