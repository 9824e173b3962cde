//! `pad eval`: a small evaluation of the real model, in the command's own process and against a server.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::model::{self, pad};
use crate::server::Server;

/// Two prompts, one dimension at -1, 0 and 1, one seed, a few tokens.
fn eval(out: &Path) -> Command {
    model::fetched();
    let prompts = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/prompts.json");
    let mut command = pad();
    command.args(["eval", "--prompts", prompts, "--limit", "2", "--dimensions", "concise", "--weights=-1,0,1"]);
    command.args(["--seeds", "1", "--no-greedy", "--tokens", "24", "--out"]).arg(out);
    command
}

/// What it prints, of a run that ended well.
fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the binary starts");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("UTF-8")
}

fn lines(folder: &TempDir, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path().join(file)).expect("the file is there");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_model_is_evaluated_in_process_by_the_scorer_that_ships() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = printed(&mut eval(folder.path()));
    for piece in ["base", "told:user +1", "pad +1", "concise (words)", "found", "report.html"] {
        assert!(table.contains(piece), "{piece} in\n{table}");
    }
    // For each prompt: base, told for more and for less, steered for more and for less.
    let answers = lines(&folder, "answers.jsonl");
    assert_eq!(answers.len(), 2 * 5);
    assert!(answers.iter().all(|answer| answer["tokens"].as_u64().is_some_and(|tokens| (1..=24).contains(&tokens))));
    for row in lines(&folder, "scores.jsonl") {
        for score in [
            "words",
            "cloze",
            "flesch",
            "grade",
            "syllables",
            "vader",
            "afinn",
            "pirate",
            "refusal",
            "distinct_2",
            "found",
        ] {
            assert!(row["scores"][score].is_f64(), "{score}: {row}");
        }
        let answer = answers.iter().find(|answer| answer["id"] == row["id"]).expect("its answer");
        let words = answer["answer"].as_str().map(|text| text.split_whitespace().count() as f64);
        assert_eq!(row["scores"]["words"].as_f64(), words, "{row}");
    }
    let report = std::fs::read_to_string(folder.path().join("report.html")).expect("the report");
    assert!(report.contains("<svg") && report.contains("pad +1") && report.contains("found against change"));
}

#[test]
fn a_server_is_evaluated_and_a_second_run_asks_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&[], &[]);
    let url = format!("http://{}/v1", server.address());
    let run = || printed(eval(folder.path()).args(["--server", &url, "--scorer", "none"]));
    let first = run();
    let asked = lines(&folder, "answers.jsonl");
    let text = |method: &str| {
        let of = |answer: &&Value| answer["method"] == method && answer["preference"]["concise"] != -1.0;
        asked.iter().find(of).map(|answer| answer["answer"].clone()).expect("an answer")
    };
    assert_ne!(text("base"), text("told:user"), "telling changes the answer");
    assert_ne!(text("base"), text("pad"), "steering changes the answer");
    assert_eq!(run(), first);
    assert_eq!(lines(&folder, "answers.jsonl"), asked, "nothing is asked twice");

    let other = eval(folder.path()).args(["--server", &url, "--temperature", "1"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && said.contains("temperature 0.7, not 1"), "{said}");
    let other = eval(folder.path()).args(["--server", &url, "--methods", "pad:else"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && said.contains("`pad:else` is not available with --server"), "{said}");
}
