//! Client programs of other people's, unchanged: what they send by habit is answered.
//!
//! docs/comparison.md has the table of all that were tried.

use std::fs;

use crate::sdk::{Environment, empty_folder, file, program, run};
use crate::server::Server;

/// The programs that are quick to install and to run.
const CLIENTS: Environment = Environment {
    name: "clients",
    packages: &[
        "openai==3.3.0",
        "langchain-openai==1.7.4",
        "litellm==1.110.2",
        "pydantic-ai-slim[openai]==2.38.0",
        "instructor==1.17.0",
    ],
};

#[test]
fn client_programs_get_what_they_expect() {
    let url = format!("http://{}/v1", Server::reference().address());
    // They ask the network for nothing but the server.
    let mut python = CLIENTS.program("python");
    python.env("LITELLM_LOCAL_MODEL_COST_MAP", "True").env("LANGCHAIN_TRACING_V2", "false");
    let output = run(python.arg(file("clients.py")).arg(&url));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("ok\n"));
}

#[test]
fn the_ai_sdk_is_steered_without_a_field_of_its_own() {
    let folder = empty_folder("ai");
    for name in ["package.json", "ai.mjs"] {
        fs::copy(file("node/ai").join(name), folder.join(name)).expect("the file is copied");
    }
    let quietly = ["install", "--no-package-lock", "--no-audit", "--no-fund", "--no-update-notifier"];
    run(program("npm").args(quietly).current_dir(&folder));
    let url = format!("http://{}/v1", Server::reference().address());
    let output = run(program("node").args(["ai.mjs", &url]).current_dir(&folder));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("ok\n"));
}
