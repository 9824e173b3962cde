//! The rules of the house, as far as a program can see them.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines that a source file has at most.
const MOST_LINES: usize = 400;

/// Characters that a line of comment has at most.
const MOST_COMMENT: usize = 150;

/// Names that say nothing about what is in a file.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "manager", "misc", "stuff"];

/// Paths of somebody's own machine, in two parts so that this file does not hold them.
const MACHINE_PATHS: [(&str, &str); 5] =
    [("/ho", "me/"), ("/ro", "ot/"), ("/Us", "ers/"), ("/wo", "rk/"), ("C:\\", "Users")];

/// Endings of files that people write.
const TEXTS: [&str; 12] = ["rs", "toml", "md", "json", "jsonl", "yaml", "yml", "py", "sh", "cu", "txt", "jinja"];

fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().expect("the repository")
}

/// All files below a folder, but for what is built or belongs to a tool.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let skipped = matches!(name, "target" | ".git" | ".venv" | "__pycache__" | "node_modules");
        if path.is_dir() && !skipped {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root(), &mut found);
    found.retain(|path| has_ending(path, &["rs"]));
    assert!(found.len() > 100, "{} source files are found", found.len());
    found
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| endings.contains(&ending))
}

fn none(what: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{what}:\n{}", offenders.join("\n"));
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn files_are_short() {
    let long = |path: &PathBuf| {
        let lines = read(path).lines().count();
        (lines > MOST_LINES).then(|| format!("{} has {lines} lines", path.display()))
    };
    none("files over 400 lines", &sources().iter().filter_map(long).collect::<Vec<_>>());
}

#[test]
fn comments_are_narrow() {
    let mut offenders = Vec::new();
    for path in sources() {
        for (number, line) in read(&path).lines().enumerate() {
            let width = line.chars().count();
            if line.trim_start().starts_with("//") && width > MOST_COMMENT {
                offenders.push(format!("{}:{} has {width} characters", path.display(), number + 1));
            }
        }
    }
    none("comments over 150 characters", &offenders);
}

#[test]
fn modules_with_children_are_mod_rs() {
    let beside_its_folder = |path: &&PathBuf| {
        let folder = path.with_extension("");
        let mut below = Vec::new();
        if folder.is_dir() {
            files(&folder, &mut below);
        }
        below.iter().any(|file| has_ending(file, &["rs"]))
    };
    let offenders: Vec<String> =
        sources().iter().filter(beside_its_folder).map(|path| path.display().to_string()).collect();
    none("files beside the folder of their children", &offenders);
}

#[test]
fn files_are_named_after_what_is_in_them() {
    let empty = |path: &&PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
        EMPTY_NAMES.contains(&stem) || EMPTY_NAMES.contains(&folder)
    };
    let offenders: Vec<String> = sources().iter().filter(empty).map(|path| path.display().to_string()).collect();
    none("names that say nothing", &offenders);
}

#[test]
fn files_say_what_they_are() {
    let silent = |path: &&PathBuf| {
        let first = read(path);
        let in_tests = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        !in_tests && !first.starts_with("//!")
    };
    let offenders: Vec<String> = sources().iter().filter(silent).map(|path| path.display().to_string()).collect();
    none("files without a word about themselves", &offenders);
}

#[test]
fn no_machine_is_named() {
    let mut texts = Vec::new();
    files(&root(), &mut texts);
    texts.retain(|path| has_ending(path, &TEXTS) || path.extension().is_none());
    let mut offenders = Vec::new();
    for path in &texts {
        let Ok(text) = fs::read_to_string(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            let named = MACHINE_PATHS.iter().any(|(one, two)| line.contains(&format!("{one}{two}")));
            if named {
                offenders.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    none("paths of a machine", &offenders);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let mut offenders = Vec::new();
    for path in sources() {
        for (number, line) in read(&path).lines().enumerate() {
            let line = line.trim_start();
            let allowed = ["allow(", "ignore]", "ignore ="].iter().any(|word| {
                line.strip_prefix("#[").or_else(|| line.strip_prefix("#![")).is_some_and(|rest| rest.starts_with(word))
            });
            if allowed {
                offenders.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    none("allowed lints and ignored tests", &offenders);
}

#[test]
fn one_place_reads_the_environment() {
    let reads = |path: &PathBuf| {
        let text = read(path);
        let inside = path.strip_prefix(root()).expect("inside").to_owned();
        let binary =
            inside.starts_with("crates/pad/src") || inside.components().any(|part| part.as_os_str() == "tests");
        let word = format!("env::{}", "var");
        (!binary && text.lines().any(|line| line.contains(&word))).then(|| inside.display().to_string())
    };
    none("files that read the environment", &sources().iter().filter_map(reads).collect::<Vec<_>>());
}

/// The macros panic where a pipe was closed.
#[test]
fn nothing_is_printed_by_macros_that_panic() {
    let macros = ["print", "println"].map(|name| format!("{name}!("));
    let mut offenders = Vec::new();
    for path in sources() {
        let inside = path.strip_prefix(root()).expect("inside");
        if !inside.components().any(|part| part.as_os_str() == "src") {
            continue;
        }
        for (number, line) in read(&path).lines().enumerate() {
            if macros.iter().any(|one| line.contains(one)) {
                offenders.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    none("printed past `output::print`", &offenders);
}
