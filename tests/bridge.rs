//! Guides with another tokenizer than the base model, over HTTP, on tiny random checkpoints: every decision against that of the
//! reference program (`tests/reference/bridge.py`).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::golden::{self, cases};
use crate::model;
use crate::server::Server;

const CASES: &str = include_str!("data/bridge/golden.jsonl");

fn data() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/bridge")).to_owned()
}

/// The folder of a reward model with this manifest.
fn folder(manifest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for part in ["twin", "guide"] {
        fs::create_dir(folder.path().join(part)).expect("a folder");
        for entry in fs::read_dir(data().join(part)).expect("the data") {
            let path = entry.expect("a file").path();
            fs::copy(&path, folder.path().join(part).join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
    let adapter: &[&str] = &["../bilinear/adapter_config.json", "../bilinear/adapter_model.safetensors"];
    for part in if manifest.contains("\"bilinear\"") { adapter } else { &["heads.safetensors"] } {
        let part = data().join(part);
        fs::copy(&part, folder.path().join(part.file_name().expect("a name"))).expect("a copy");
    }
    fs::write(folder.path().join("persrm.toml"), manifest).expect("a manifest");
    folder
}

fn manifest(name: &str) -> String {
    fs::read_to_string(data().join(format!("{name}.toml"))).expect("a manifest")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

fn serve(reward: &Path) -> Server {
    Server::start(&["--model", text(&data().join("base")), "--dtype", "f32", "--reward", text(reward)], &[])
}

/// What `pad serve` says when it refuses a reward model.
fn refused(reward: &Path) -> String {
    let base = data().join("base");
    let output = model::pad()
        .args(["serve", "--port", "0", "--model", text(&base), "--reward", text(reward)])
        .output()
        .expect("the binary runs");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every case of a manifest, with so many reward lanes in each.
fn check(name: &str, lanes: &[usize]) {
    let folder = folder(&manifest(name));
    let server = serve(folder.path());
    let cases: Vec<Value> = cases(CASES).into_iter().filter(|case| case["manifest"] == name).collect();
    assert_eq!(cases.len(), lanes.len());
    for (case, lanes) in cases.iter().zip(lanes) {
        let steps = case["steps"].as_array().expect("steps").len();
        assert_eq!(golden::check(&server.client(), case, *lanes), steps, "the cases have no ties");
    }
}

#[test]
fn a_guide_with_another_tokenizer_is_a_reward() {
    check("model", &[1, 2, 2]);
}

#[test]
fn it_is_an_expert_and_an_anti_expert() {
    // The second case reads the guide's lane twice.
    check("contrast", &[1, 2]);
}

#[test]
fn its_adapter_is_mixed_by_the_weights() {
    check("bilinear", &[1, 1]);
}

#[test]
fn its_heads_are_measured_against_it() {
    // Heads and backbone are readouts of one lane.
    check("heads", &[1, 1]);
}

/// An answer that was decoded is worth what it was chosen by, all of its tokens together.
#[test]
fn an_answer_is_worth_its_log_probability_across_the_bridge() {
    let folder = folder(&manifest("model"));
    let server = serve(folder.path());
    let case = cases(CASES).into_iter().find(|case| case["preference"] == json!({"far": 1.0})).expect("a case");
    let mut messages = case["messages"].as_array().expect("messages").clone();
    messages.push(json!({"role": "assistant", "content": case["text"]}));
    let body = json!({"messages": messages, "preference": {"far": 1.0}, "per_token": true, "complete": false});
    let answer = server.client().send("POST", "/v1/rewards", &body.to_string()).json();
    let number = |value: &Value| value.as_f64().expect("a number");
    let chosen = |step: &Value| number(&step["reward"][step["base_rank"].as_u64().expect("a rank") as usize]);
    let expected: f64 = case["steps"].as_array().expect("steps").iter().map(chosen).sum();
    let reward = number(&answer["rewards"][0]["reward"]);
    assert!((reward - expected).abs() < 0.05, "{reward}, expected {expected}: {answer}");
}

/// What a lane reads of a beginning and of a token behind it is what it reads of both as one answer.
#[test]
fn a_beginning_is_read_in_the_guides_tokens() {
    let folder = folder(&manifest("model"));
    let server = serve(folder.path());
    let question = json!({"role": "user", "content": "Why is the sky blue?"});
    let messages = |said: &str| json!([question, {"role": "assistant", "content": said}]);
    let worth = |said: &str| {
        let body = json!({"messages": messages(said), "preference": {"far": 1.0}, "complete": false});
        let answer = server.client().send("POST", "/v1/rewards", &body.to_string()).json();
        answer["rewards"][0]["reward"].as_f64().expect("a number")
    };
    let begun = "like you and the blue world 12";
    let answer = server.client().completion(&json!({
        "messages": messages(begun), "continue_final_message": true, "max_tokens": 1, "temperature": 0, "preference": {"far": 1.0},
        "pad": {"trace": true},
    }));
    let step = &answer["choices"][0]["pad"]["trace"][0];
    let said = format!("{begun}{}", step["text"].as_str().expect("a text"));
    let (chosen, expected) = (step["reward"].as_f64().expect("a number"), worth(&said) - worth(begun));
    assert!((chosen - expected).abs() < 0.01, "{said:?}: {chosen}, expected {expected}");
}

#[test]
fn what_cannot_be_crossed_is_refused_by_name() {
    let measured = folder(&manifest("heads").replace("backbone", "base"));
    let message = refused(measured.path());
    assert!(message.contains("another tokenizer") && message.contains("reference = \"backbone\""), "{message}");

    let spaced = folder(&manifest("model"));
    let file = spaced.path().join("guide/tokenizer.json");
    let json = fs::read_to_string(&file).expect("a tokenizer");
    fs::write(&file, json.replace("\"add_prefix_space\": false", "\"add_prefix_space\": true")).expect("a tokenizer");
    let message = refused(spaced.path());
    assert!(message.contains("guide does not fit the base model") && message.contains("spells all bytes"), "{message}");
}
