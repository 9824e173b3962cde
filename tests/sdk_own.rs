//! The tests that the OpenAI SDK for Python brings, as they are, against the server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::sdk::{empty_folder, program, run};
use crate::server::Server;

/// The SDK's sources; the version is that of the package that is tried.
const SOURCES: &str = "openai==3.54.0";

/// Names of models in the tests.
const NAMES: &str = "gpt-6-astra,gpt-3.5-turbo-instruct";

/// Files of tests, which tests in them are meant, and how many these are.
///
/// Not meant are those of other interfaces: stored chat completions (`retrieve`, `update`, `list`, `delete` of `chat/`) and deleting
/// a model. `test_responses.py` is not in the list: its tests ask for a response to nothing at all, or follow and fetch responses
/// that were never made, which this server refuses; `sdk.py` tries that interface.
const MEANT: [(&str, &str, usize); 3] = [
    ("chat/test_completions.py", "create", 40),
    // These two send `suffix`, which is refused; `sdk.py` sends every other field of theirs.
    ("test_completions.py", "create and not with_all_params", 30),
    ("test_models.py", "retrieve or list", 35),
];

fn sources() -> PathBuf {
    let folder = empty_folder("sdk-own");
    let source_only = ["--no-deps", "--no-binary", "openai", "--no-build-isolation"];
    let download = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check"];
    run(program("python").args(download).args(source_only).arg("--dest").arg(&folder).arg(SOURCES));
    let mut archives = fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let archive = archives.next().expect("an archive");
    run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&folder));
    let name = archive.file_name().and_then(|name| name.to_str()).expect("a name");
    folder.join(name.strip_suffix(".tar.gz").expect("a source archive"))
}

#[test]
fn the_sdk_passes_its_own_tests() {
    // Most of these ask for as many tokens as fit, and look at none of them.
    let server = Server::start(&["--context", "64"], &[("PAD_MODEL__ALIASES", NAMES)]);
    let (url, folder) = (format!("http://{}/v1", server.address()), sources());
    for (file, which, count) in MEANT {
        let mut pytest = program("python");
        // Its settings spread the tests over processes and make warnings of other packages errors.
        pytest.args(["-m", "pytest", "-q", "-o", "addopts=", "-o", "filterwarnings=", "--tb=short", "-k", which]);
        let output =
            run(pytest.arg(format!("tests/api_resources/{file}")).current_dir(&folder).env("TEST_API_BASE_URL", &url));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(&format!("{count} passed")) && !said.contains("skipped"), "{said}");
    }
}
