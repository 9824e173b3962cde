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
    assert!(said.contains("before the base model's first choice") && said.contains("concise +"), "{said}");
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
    let doctor = |port: &str| {
        let mut command = model::pad();
        command.args(["doctor", "--port", port]).env("PIP_CONFIG_FILE", "/dev/null");
        command.env("PIP_INDEX_URL", "http://127.0.0.1:9/").output().expect("the binary starts")
    };
    let output = doctor("0");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    for subject in ["processor", "memory", "folder", "address", "model", "hub"] {
        assert!(said.contains(subject), "{subject}: {said}");
    }
    // Nothing listens there: a machine without a network is told so, and is fit where the model is here.
    assert!(said.contains("note  hub") && said.contains("no answer"), "{said}");
    let (_, port) = Server::shared().address().rsplit_once(':').expect("an address has a port");
    let output = doctor(port);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("BAD   address"), "{said}");
}

#[test]
fn only_what_a_preference_changes_is_overruled() {
    let lines = "What is rain?\n/why\n/prefer concise=2\n/again\n";
    let output = chat(Server::shared(), &["--max-tokens", "12"], lines);
    let said = String::from_utf8_lossy(&output.stdout);
    let (plain, steered) = said.split_once("Nothing was preferred").expect("so nothing was overruled");
    assert!(plain.contains(" tokens in ") && !plain.contains("overruled (/why)"), "{said}");
    assert!(steered.contains("overruled (/why)"), "{said}");
}

/// `pad models | head -1`.
#[test]
fn a_command_ends_quietly_where_nobody_reads_it() {
    let url = format!("http://{}", Server::shared().address());
    let commands: [&[&str]; 7] = [
        &["doctor", "--port", "0"],
        &["models"],
        &["models", "--json"],
        &["pull"],
        &["openapi"],
        &["completions", "bash"],
        &["chat", "--server", &url, "--max-tokens", "4"],
    ];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = model::pad();
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // A command that reads nothing may have closed its input.
        let _ = child.stdin.take().expect("an input").write_all(b"Hi\n");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{arguments:?}: {} {said}", output.status);
    }
    // A failure stays one where nobody reads what it was.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = model::pad().args(["health", "--port", "9"]).stderr(writer).status().expect("it starts");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_server_goes_on_where_nobody_reads_its_log() {
    let server = Server::unheard(&[]);
    assert_eq!(server.client().get("/health").status, 200);
}

#[test]
fn completions_are_printed_for_a_shell() {
    let output = model::pad().args(["completions", "bash"]).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("_pad") && said.contains("serve"), "{said}");
}
