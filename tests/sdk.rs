//! The OpenAI SDK for Python against the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use crate::server::Server;

/// The SDK that is tried, and what checks answers against schemas.
const PACKAGES: [&str; 2] = ["openai==3.54.0", "jsonschema==4.26.0"];

/// Runs a command that must end well.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", said(&output.stdout), said(&output.stderr));
    output
}

/// A Python that has these packages, made where builds are kept; once, unless their versions change.
pub fn python() -> PathBuf {
    // Tests that need it at the same time wait for the one that makes it.
    static MAKING: Mutex<()> = Mutex::new(());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk");
    let (python, made) = (folder.join("bin/python"), folder.join("made"));
    let _making = MAKING.lock().expect("it was made");
    if fs::read_to_string(&made).is_ok_and(|packages| packages == PACKAGES.join(" ")) {
        return python;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES));
    fs::write(made, PACKAGES.join(" ")).expect("the folder is there");
    python
}

#[test]
fn the_sdk_gets_what_it_expects() {
    let url = format!("http://{}/v1", Server::reference().address());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/sdk.py");
    let output = run(Command::new(python()).args([script, &url]).env("NO_PROXY", "127.0.0.1"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n");
}
