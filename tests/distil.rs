//! `pad train --distil` with the small model: heads from prompts alone, served like any others.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::client::{ask, text, with};
use crate::model::{fetched, pad};
use crate::server::Server;

/// Two short answers to each of three prompts, for two dimensions that are each other's opposites.
fn distil(folder: &Path) -> Command {
    fetched();
    let prompts = folder.join("prompts.json");
    fs::write(&prompts, r#"["What is bread?", "Why is the sea salty?", "What is a map?"]"#).expect("prompts");
    let mut command = pad();
    command.args(["train", "--distil", "--dimensions", "concise", "--answers", "2", "--max-answer-tokens", "6"]);
    command.args(["--epochs", "3", "--head-rank", "2", "--held-out-share", "0.34", "--prompts"]).arg(prompts);
    command.arg("--out").arg(folder.join("heads"));
    command
}

fn succeeds(command: &mut Command) {
    let Output { status, stderr, .. } = command.output().expect("the binary starts");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn prompts_become_heads_whose_opposites_are_each_others() {
    let folder = tempfile::tempdir().expect("a folder");
    succeeds(&mut distil(folder.path()));
    let heads = folder.path().join("heads");
    let traces = read(&heads.join("traces.jsonl"));
    let lines: Vec<Value> =
        String::from_utf8_lossy(&traces).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert_eq!(line["dimensions"], json!(["concise", "detailed"]), "a dimension comes with its opposite");
        assert_eq!(line["answers"][0]["weights"], json!({}), "the first answer is the base model's own");
        assert_eq!(line["answers"][1]["weights"].as_object().map(serde_json::Map::is_empty), Some(false));
    }

    // Broken off within the last prompt, and gone on with: the same answers and the same weights.
    let weights = read(&heads.join("heads.safetensors"));
    fs::write(heads.join("traces.jsonl"), &traces[..traces.len() - 9]).expect("a shorter file");
    succeeds(&mut distil(folder.path()));
    assert!(read(&heads.join("traces.jsonl")) == traces);
    assert!(read(&heads.join("heads.safetensors")) == weights);

    let server = Server::start(&["--reward", heads.to_str().expect("a path")], &[]);
    let list = server.client().get("/v1/preferences").json();
    assert_eq!((&list["kind"], &list["data"][0]["opposite"]), (&json!("heads"), &list["data"][1]["principle"]));
    let answer = |preference: Value| {
        let more = json!({"preference": preference, "temperature": 0, "pad": {"trace": true}});
        server.client().completion(&with(ask("What is a good breakfast?", 12), more))
    };
    let (less, more) = (answer(json!({"concise": -1})), answer(json!({"detailed": 1})));
    assert_eq!(text(&less, 0), text(&more, 0));
    let first = |answer: &Value, name: &str| {
        answer["choices"][0]["pad"]["trace"][0]["candidates"][1]["rewards"][name].as_f64().expect("a reward")
    };
    let (less_reward, more_reward) = (first(&less, "concise"), first(&more, "detailed"));
    assert!((less_reward + more_reward).abs() < 1e-6 && more_reward != 0.0, "{less_reward} {more_reward}");
    assert_eq!(less["usage"]["pad"]["reward_lanes"], 0);
}

#[test]
fn what_cannot_be_distilled_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |flags: &[&str]| {
        let output = distil(folder.path()).args(flags).output().expect("the binary starts");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&["--no-adapter"]).contains("cannot be used with"));
    assert!(refused(&["--batch", "0"]).contains("batch: 0"));
    let mut unknown = pad();
    unknown.args(["train", "--distil", "--dimensions", "brief", "--out"]).arg(folder.path().join("other"));
    let output = unknown.output().expect("the binary starts");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("\"brief\"") && message.contains("concise, detailed"), "{message}");
}
