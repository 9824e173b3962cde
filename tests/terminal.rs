//! The commands for people at a terminal: `pad chat`, `pad doctor`, `pad completions`.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::model;
use crate::server::Server;

/// Runs a conversation whose lines come from a pipe.
fn chat(server: &Server, arguments: &[&str], lines: &str) -> Output {
    let url = format!("http://{}", server.address());
    let mut command = model::pad();
    command.args(["chat", "--server", &url]).args(arguments);
    with_input(&mut command, lines)
}

fn with_input(command: &mut Command, lines: &str) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the binary starts");
    let mut input = child.stdin.take().expect("it has an input");
    input.write_all(lines.as_bytes()).expect("it reads lines");
    drop(input);
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_conversation_is_answered_steered_and_explained() {
    let server = Server::shared();
    let lines = "What is rain?\n/prefer concise=2\n/again\n/why\n/prefer nothing=1\nHi\n/nonsense\n/quit\nnever\n";
    let output = chat(server, &["--max-tokens", "24", "--temperature", "0"], lines);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches(" tokens in ").count(), 2, "two answers: {said}");
    assert!(said.contains("Preference: {\"concise\":2.0}"), "{said}");
    assert!(said.contains("not the base model's first choice") && said.contains("concise +"), "{said}");
    assert!(said.contains("nothing"), "the server's refusal is shown: {said}");
    assert!(said.contains("there is no command /nonsense"), "{said}");
    assert!(!said.contains('\u{1b}'), "a pipe gets no colours: {said}");
}

#[test]
fn both_answers_of_a_comparison_are_written() {
    let server = Server::shared();
    let lines = "/compare\nWhy is the sky blue?\n";
    let output = chat(server, &["--max-tokens", "12", "--prefer", "concise=2"], lines);
    let said = String::from_utf8_lossy(&output.stdout);
    let (plain, steered) = (said.find("without the preference:"), said.find("with it:"));
    assert!(plain.is_some() && plain < steered && said.matches(" tokens in ").count() == 2, "{said}");
}

#[test]
fn a_wrong_preference_and_a_missing_server_are_refused() {
    let output = with_input(model::pad().args(["chat", "--server", "http://127.0.0.1:9"]), "");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("127.0.0.1:9"), "{output:?}");
    let output = chat(Server::shared(), &["--prefer", "a=b"], "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("`a`"), "{output:?}");
}

#[test]
fn the_doctor_finds_this_machine_fit_and_a_taken_port_not() {
    model::fetched();
    let output = model::pad().args(["doctor", "--port", "0"]).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    for subject in ["processor", "memory", "folder", "model", "address"] {
        assert!(said.contains(subject), "{subject}: {said}");
    }
    let (_, port) = Server::shared().address().rsplit_once(':').expect("an address has a port");
    let output = model::pad().args(["doctor", "--port", port]).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("BAD   address"), "{said}");
}

#[test]
fn completions_are_printed_for_a_shell() {
    let output = model::pad().args(["completions", "bash"]).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("_pad") && said.contains("serve"), "{said}");
}
