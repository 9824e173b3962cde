//! `pad pairs` with the small model: in a process of its own, and against a server.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::model::{fetched, pad};
use crate::server::Server;

/// Two short answers to each of three prompts.
fn pairs(folder: &Path) -> Command {
    fetched();
    let prompts = folder.join("prompts.json");
    fs::write(&prompts, r#"["What is bread?", {"id": "sea", "prompt": "Why is the sea salty?"}, "What is a map?"]"#)
        .unwrap();
    let mut command = pad();
    command.args(["pairs", "--dimension", "short", "--max-tokens", "12", "--seed", "3", "--prompts"]).arg(prompts);
    command.args(["--principle", "Answer with one word.", "--opposite", "Explain at length.", "--out"]);
    command.arg(folder.join("pairs.jsonl"));
    command
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("pairs.jsonl")).expect("the pairs");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn said(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the binary starts");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

#[test]
fn a_sentence_makes_pairs_here_and_on_a_server_alike() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let report = said(&mut pairs(here.path()));
    assert!(report.contains("3 of 3 prompts asked, 0 skipped; 6 answers"), "{report}");
    let url = format!("http://{}/v1", Server::shared().address());
    said(pairs(there.path()).args(["--source", "a server", "--server", &url]));
    let (here_lines, there_lines) = (lines(here.path()), lines(there.path()));
    assert!(!here_lines.is_empty(), "{report}");
    for (one, other) in here_lines.iter().zip(&there_lines) {
        for key in ["prompt", "chosen", "rejected", "prompt_id", "chosen_complete"] {
            assert_eq!(one[key], other[key]);
        }
        assert_eq!(one["prompt"].as_array().map(Vec::len), Some(1), "without what was told: {one}");
        assert_eq!((&one["dimension"], &other["source"]), (&"short".into(), &"a server".into()));
    }
    assert_eq!(here_lines.len(), there_lines.len());
    let again = said(&mut pairs(here.path()));
    assert!(again.contains(&format!("{} skipped", here_lines.len())), "{again}");
    assert_eq!(lines(here.path()), here_lines, "a second run adds nothing");
}

#[test]
fn what_makes_no_pairs_is_refused_before_a_model_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |flags: &[&str]| {
        let output = pairs(folder.path()).args(flags).output().expect("the binary starts");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&["--samples", "17"]).contains("samples is 17"));
    assert!(refused(&["--match-length", "0.5"]).contains("the ratio of lengths is 0.5"));
    assert!(refused(&["--match-length", "2", "--shorter", "2"]).contains("cannot be used with"));
}
