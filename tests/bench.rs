//! `pad bench`: a form beside plain answers; with `--against` the load reaches a server, and what is not there is said.

use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::Value;

use crate::model::pad;
use crate::server::Server;

fn bench(address: &str) -> Command {
    let mut command = pad();
    command.args(["bench", "--json", "--rounds", "1", "--concurrency", "2", "--requests", "2", "--tokens", "4"]);
    command.args(["--against", address]);
    command
}

/// The figures of a run that ended well.
fn report(command: &mut Command) -> Value {
    let Output { status, stdout, stderr } = command.output().expect("the binary starts");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    serde_json::from_slice(&stdout).expect("JSON and nothing else")
}

#[test]
fn a_server_is_loaded_and_measured() {
    let address = format!("http://{}/v1", Server::shared().address());
    let report = report(bench(&address).args(["--prompt", "40", "--preference", r#"{"concise": 1}"#]));
    let cases = report["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 1);
    let case = &cases[0];
    assert_eq!((&case["address"], &case["concurrency"]), (&Value::from(address), &Value::from(2)));
    assert!(case["model"].as_str().is_some_and(|model| !model.is_empty()), "{case}");
    assert_eq!((&case["requests"], &case["failures"], &case["first_error"]), (&2.into(), &0.into(), &Value::Null));
    let tokens = case["completion_tokens"].as_u64().expect("tokens");
    assert!((2..=8).contains(&tokens), "two answers of at most four tokens: {case}");
    let prompt = case["prompt_tokens"].as_f64().expect("the server counts the prompt");
    assert!((30.0..150.0).contains(&prompt), "about 40 tokens and the template: {case}");
    for figure in ["tokens_per_second", "ttft_ms_p50", "e2e_ms_p50"] {
        assert!(case[figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {case}");
    }
    assert_eq!(case["of_first"]["tokens_per_second"], 1.0);
}

#[test]
fn servers_take_turns_while_long_prompts_arrive() {
    let address = format!("http://{}/v1", Server::shared().address());
    let more = ["--long-prompts", "1", "--long-prompt-tokens", "300", "--against", &address];
    let report = report(bench(&address).args(more));
    let cases = report["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 2, "each has a row");
    for case in cases {
        assert_eq!((&case["failures"], &case["long_prompt_failures"]), (&0.into(), &0.into()), "{case}");
        assert_eq!(case["long_prompts"], 1, "{case}");
        assert!(case["of_first"]["tokens_per_second"].as_f64().is_some_and(|ratio| ratio > 0.0), "{case}");
    }
}

#[test]
fn a_form_is_measured_beside_plain_answers() {
    let mut command = pad();
    command.args(["bench", "--json", "--rounds", "1", "--sequences", "2", "--lanes", "0", "--prompt", "8"]);
    let report = report(command.args(["--tokens", "40", "--form"]));
    let cases = report["cases"].as_array().expect("cases");
    assert_eq!(cases.iter().map(|case| &case["form"]).collect::<Vec<_>>(), [false, true]);
    for case in cases {
        assert!(case["decode"].as_f64().is_some_and(|speed| speed > 0.0), "{case}");
        assert!(case["of_plain"].as_f64().is_some_and(|ratio| ratio > 0.0), "{case}");
    }
}

#[test]
fn weights_that_are_made_up_are_measured_and_unknown_shapes_named() {
    let random = |shape| {
        let mut command = pad();
        command.args(["bench", "--json", "--rounds", "1", "--random", shape, "--sequences", "2", "--lanes", "0,1"]);
        command.args(["--prompt", "8", "--tokens", "4"]);
        command
    };
    let report = report(&mut random("tiny"));
    assert_eq!(report["about"]["model"], "random tiny");
    let cases = report["cases"].as_array().expect("cases");
    assert!(cases.len() == 2 && cases.iter().all(|case| case["decode"].as_f64().is_some_and(|speed| speed > 0.0)));
    let Output { status, stderr, .. } = random("llama-9").output().expect("the binary starts");
    let said = String::from_utf8_lossy(&stderr);
    assert!(!status.success() && said.contains("`llama-9`") && said.contains("llama-3-8b"), "{said}");
}

#[test]
fn where_no_server_is_the_address_is_named() {
    // A port that nobody listens on: it was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a free port").port();
    let address = format!("http://127.0.0.1:{port}/v1");
    for more in [&[][..], &["--model", "any"]] {
        let Output { status, stdout, stderr } = bench(&address).args(more).output().expect("the binary starts");
        let said = String::from_utf8_lossy(&stderr);
        assert!(!status.success() && stdout.is_empty(), "{said}");
        assert!(said.starts_with("error: ") && said.contains(&address), "{said}");
        assert!(said.to_lowercase().contains("refused") && !said.contains("panic"), "{said}");
    }
}
