//! The OpenAI SDK for Python against the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::server::Server;

/// The SDK that is tried.
const SDK: &str = "openai==3.54.0";

/// Runs a command that must end well.
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", said(&output.stdout), said(&output.stderr));
    output
}

/// A Python that has the SDK, made where builds are kept; once, unless the SDK's version changes.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk");
    let (python, made) = (folder.join("bin/python"), folder.join("made"));
    if fs::read_to_string(&made).is_ok_and(|version| version == SDK) {
        return python;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", SDK]));
    fs::write(made, SDK).expect("the folder is there");
    python
}

#[test]
fn the_sdk_gets_what_it_expects() {
    let url = format!("http://{}/v1", Server::reference().address());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/sdk.py");
    let output = run(Command::new(python()).args([script, &url]).env("NO_PROXY", "127.0.0.1"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n");
}
