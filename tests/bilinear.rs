//! Reward models of kind `bilinear` (PARM), over HTTP, on a tiny random checkpoint: every decision against that of the reference program
//! (`tests/reference/bilinear.py`), which merges the adapter into the weights anew for each preference.

use std::fs;
use std::thread;

use serde_json::{Value, json};

use crate::client::Client;
use crate::golden::{self, cases};
use crate::guides::{Models, data};

const CASES: &str = include_str!("data/bilinear/golden.jsonl");

/// A reward model with the adapter and this manifest.
fn models(manifest: &str) -> Models {
    let models = Models::of(manifest);
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(data("bilinear").join(file), models.reward().join(file)).expect("a copy");
    }
    models
}

/// One of the manifests in `tests/data/bilinear`.
fn manifest(name: &str) -> String {
    fs::read_to_string(data("bilinear").join(name).with_extension("toml")).expect("a manifest")
}

fn cases_of(manifest: &str) -> Vec<Value> {
    cases(CASES).into_iter().filter(|case| case["manifest"] == manifest).collect()
}

/// Each case has one reward lane, and none has ties.
fn check(client: &Client, case: &Value) {
    let steps = case["steps"].as_array().expect("steps").len();
    assert_eq!(golden::check(client, case, 1), steps, "the cases have no ties");
}

/// Three of the cases share a question, which fills a cache block: a lane that read the block of another preference would show.
#[test]
fn the_core_is_mixed_by_the_weights_of_the_request() {
    for (name, count) in [("bilinear", 6), ("own", 2)] {
        let server = models(&manifest(name)).serve();
        let cases = cases_of(name);
        assert_eq!(cases.len(), count);
        cases.iter().for_each(|case| check(&server.client(), case));
        let past = |step: &Value, case: &Value| step["base_rank"].as_u64() >= case["pad"]["top_k"].as_u64();
        let union = |case: &Value| case["steps"].as_array().expect("steps").iter().any(|step| past(step, case));
        assert!(cases.iter().any(union), "a case chooses a token that only the lane proposes");
    }
}

/// Requests with other weights in the same batch change nothing.
#[test]
fn every_weight_has_its_own_core_in_one_batch() {
    let models = models(&manifest("bilinear"));
    let server = models.serve();
    let cases = cases_of("bilinear");
    for _ in 0..3 {
        thread::scope(|scope| {
            for case in &cases {
                let client = server.client();
                scope.spawn(move || check(&client, case));
            }
        });
    }
}

/// Weights that are twice as large read the same lane, and its blocks again; the reward is twice as large.
#[test]
fn an_answer_is_worth_the_sum_of_the_weights() {
    let models = models(&manifest("bilinear"));
    let server = models.serve();
    let case = &cases_of("bilinear")[1];
    let mut messages = case["messages"].as_array().expect("messages").clone();
    messages.push(json!({"role": "assistant", "content": case["text"]}));
    let preferences = json!([{"harmless": 0.1, "helpful": 0.9}, {"harmless": -0.2, "helpful": -1.8}, {"helpful": 1.5}]);
    let body = json!({"messages": messages, "preferences": preferences, "complete": false});
    let answer = server.client().send("POST", "/v1/rewards", &body.to_string()).json();
    let steps = case["steps"].as_array().expect("steps").iter();
    let chosen = steps.map(|step| {
        let rank = step["base_rank"].as_u64().expect("a rank") as usize;
        step["reward"][rank].as_f64().expect("a number")
    });
    let expected: f64 = chosen.sum();
    let reward = |which: usize| answer["rewards"][which]["reward"].as_f64().expect("a number");
    assert!((reward(0) - expected).abs() < 5e-3, "{answer}, expected {expected}");
    assert!((reward(1) + 2.0 * expected).abs() < 1e-2, "{answer}, expected {}", -2.0 * expected);
    let alone = answer["dimensions"]["helpful"].as_f64().expect("a term of its own");
    assert!((reward(2) - 1.5 * alone).abs() < 1e-4 && (alone - expected).abs() > 0.1, "{answer}");
    assert_eq!(
        (answer["dimensions"].as_object().expect("terms").len(), &answer["usage"]["pad"]["reward_lanes"]),
        (2, &json!(2))
    );
}

#[test]
fn one_sign_is_asked_for_and_dimensions_are_not_told_apart() {
    let models = models(&manifest("bilinear"));
    let server = models.serve();
    let list = server.client().get("/v1/preferences").json();
    assert_eq!((&list["kind"], &list["learns"]), (&json!("bilinear"), &json!(false)));
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "preference": {"harmless": 1, "humor": -1}});
    let error = server.client().chat(&body).error();
    assert_eq!(error["param"], "preference");
    assert!(error["message"].as_str().expect("a message").contains("weights of opposite sign"), "{error}");
}

#[test]
fn an_adapter_that_does_not_fit_is_refused_by_name() {
    let config = |from: &str, to: &str| {
        let models = models(&manifest("bilinear"));
        let path = models.reward().join("adapter_config.json");
        let text = fs::read_to_string(&path).expect("a configuration");
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replace(from, to)).expect("a configuration");
        models.refused()
    };
    for (from, to, said) in [
        ("\"obj_num\": 3", "\"obj_num\": 2", "obj_num is 2; the reward model has 3 dimensions"),
        ("\"PBLORA\"", "\"LORA\"", "peft_type is \"LORA\"; \"PBLORA\" is supported"),
        ("\"r2\": 3", "\"r2\": 2", "pblora_A: its shape is [7, 32], the model's figures say [6, 32]"),
    ] {
        let message = config(from, to);
        assert!(message.contains(said), "{message}");
    }
    let missing = models(&manifest("bilinear"));
    fs::remove_file(missing.reward().join("adapter_config.json")).expect("a file");
    assert!(missing.refused().contains("adapter_config.json"), "{}", missing.refused());
    let plain = models("kind = \"contrast\"\ndimensions = [{ name = \"a\", guide = { adapter = \"llama-lora\" } }]");
    fs::copy(plain.reward().join("adapter_config.json"), plain.reward().join("llama-lora/adapter_config.json"))
        .expect("a copy");
    assert!(plain.refused().contains("\"LORA\" is supported"), "{}", plain.refused());
}
