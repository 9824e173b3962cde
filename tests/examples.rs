//! The files of `examples/`, run as a reader would run them.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::sdk::{empty_folder, file, program, run};
use crate::server::Server;

fn url(server: &Server) -> String {
    format!("http://{}", server.address())
}

fn output(command: &mut Command, server: &Server) -> String {
    String::from_utf8(run(command.env("PAD_URL", url(server))).stdout).expect("text")
}

#[test]
fn curl() {
    let output = output(Command::new("bash").arg(file("../examples/ask.sh")), Server::shared());
    let answers: Vec<Value> = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(answers.len(), 3, "the dimensions and two whole answers: {output}");
    assert!(answers[0]["data"].as_array().is_some_and(|dimensions| !dimensions.is_empty()), "{output}");
    let [plain, steered] = [1, 2].map(|at: usize| answers[at]["choices"][0]["message"]["content"].clone());
    assert!(
        plain.is_string() && steered.is_string() && plain != steered,
        "the preference changes the answer: {output}"
    );
    assert!(output.trim_end().ends_with("data: [DONE]"), "{output}");
}

#[test]
fn python() {
    let output = output(program("python").arg(file("../examples/ask.py")), Server::shared());
    for expected in ["plain:", "steered:", "reward of the plain answer on every dimension: {"] {
        assert!(output.contains(expected), "{expected}: {output}");
    }
}

#[test]
fn javascript() {
    let folder = empty_folder("example");
    fs::copy(file("node/package.json"), folder.join("package.json")).expect("the file is copied");
    fs::copy(file("../examples/ask.mjs"), folder.join("ask.mjs")).expect("the file is copied");
    let quietly = ["install", "--no-package-lock", "--omit=peer", "--no-audit", "--no-fund", "--no-update-notifier"];
    run(program("npm").args(quietly).current_dir(&folder));
    let output = output(program("node").arg("ask.mjs").current_dir(&folder), Server::shared());
    assert!(output.contains("reward_lanes"), "{output}");
}

#[test]
fn a_manifest() {
    let manifest = file("../examples/persrm.toml");
    let server = Server::start(&["--reward", manifest.to_str().expect("a path")], &[]);
    let listed = server.client().get("/v1/preferences").json();
    let names: Vec<&str> =
        listed["data"].as_array().expect("a list").iter().filter_map(|dimension| dimension["name"].as_str()).collect();
    assert_eq!(names, ["concise", "formal", "vivid"]);
}
