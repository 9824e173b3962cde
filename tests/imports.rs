//! Imports between files: no file of a crate imports, over others, itself; and crates use what the map says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module of a crate: the names from the crate's root on.
type Module = Vec<String>;

/// A path in a `use` declaration or in an expression, name by name.
type ImportPath = Vec<String>;

/// A crate's modules with the paths that each of them names.
struct Modules {
    paths: BTreeMap<Module, Vec<ImportPath>>,
    /// What modules re-export: the module and the name, and the path behind it.
    exports: BTreeMap<(Module, String), ImportPath>,
}

fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().expect("the repository")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn crates() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("crates")).expect("the crates");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.retain(|path| path.join("Cargo.toml").exists());
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The modules of a folder of sources, by their place in it.
fn sources(folder: &Path, module: &Module, found: &mut Vec<(Module, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let below = || module.iter().cloned().chain([stem.clone()]).collect::<Module>();
        if path.is_dir() {
            sources(&path, &below(), found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && stem != "tests" {
            let is_parent = stem == "mod" || (module.is_empty() && (stem == "lib" || stem == "main"));
            found.push((if is_parent { module.clone() } else { below() }, read(&path)));
        }
    }
}

/// The code of a file: without comments, texts and the tests at its end.
fn code(text: &str) -> String {
    // Other attributes may stand between the two.
    let is_block = |at: &usize| {
        let item = text[*at..].lines().skip(1).find(|line| !line.starts_with(['#', ' ', ')']));
        let bare = item.map(|line| line.strip_prefix("pub").map_or(line, |rest| rest.trim_start_matches(|c| c != ' ')));
        bare.is_some_and(|line| line.trim_start().starts_with("mod ") && line.ends_with('{'))
    };
    let tests = text.match_indices("#[cfg(test)]\n").map(|(at, _)| at).find(is_block);
    let text = &text[..tests.unwrap_or(text.len())];
    let without_comment = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    let lines: Vec<String> = text.lines().map(without_comment).collect();
    // Every second piece is within quotes, once quotes that open nothing are gone.
    let plain = lines.join("\n").replace("'\"'", "").replace("\\\"", "");
    plain.split('"').step_by(2).collect::<Vec<_>>().join("\"")
}

/// The declarations that begin with this word and end with a semicolon, without both; and the text without them.
fn declarations(code: &str, word: &str) -> (Vec<(bool, String)>, String) {
    let (mut found, mut rest) = (Vec::new(), String::new());
    let mut pending: Option<(bool, String)> = None;
    for line in code.lines() {
        let trimmed = line.trim_start();
        let (is_public, bare) = match trimmed.strip_prefix("pub") {
            Some(after) => (true, after.trim_start_matches(|c| c != ' ').trim_start()),
            None => (false, trimmed),
        };
        match (&mut pending, bare.strip_prefix(word)) {
            (Some((_, text)), _) => text.push_str(trimmed),
            (None, Some(after)) => pending = Some((is_public, after.to_owned())),
            (None, None) => {
                rest.push_str(line);
                rest.push('\n');
            }
        }
        if let Some((is_public, text)) = pending.take_if(|(_, text)| text.ends_with(';')) {
            found.push((is_public, text.trim_end_matches(';').to_owned()));
        }
    }
    (found, rest)
}

/// The paths of a tree such as `a::{b, c::d as e}`.
fn expand(prefix: &[String], tree: &str, found: &mut Vec<ImportPath>) {
    let (mut depth, mut start, mut branches) = (0, 0, Vec::new());
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    branches.push(&tree[start..]);
    let names = |path: &str| -> Vec<String> {
        let parts = path.split("::").map(str::trim).filter(|part| !part.is_empty());
        prefix.iter().cloned().chain(parts.map(str::to_owned)).collect()
    };
    for branch in branches.into_iter().map(str::trim).filter(|branch| !branch.is_empty()) {
        match branch.split_once('{') {
            Some((head, body)) => expand(&names(head), body.trim_end_matches('}'), found),
            None => found.push(names(branch.split(" as ").next().unwrap_or_default())),
        }
    }
}

/// Paths in expressions and types that begin with one of the words that name modules of the crate.
fn inline(code: &str, found: &mut Vec<ImportPath>) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| is_word(c) || c == ':' || c == '$') {
                continue;
            }
            let end = code[at..].find(|c| !(is_word(c) || c == ':')).map_or(code.len(), |length| at + length);
            let parts = code[at..end].split("::").filter(|part| !part.is_empty());
            found.push(parts.map(str::to_owned).collect());
        }
    }
}

impl Modules {
    fn of(files: &[(Module, String)]) -> Self {
        let (mut paths, mut exports) = (BTreeMap::new(), BTreeMap::new());
        for (module, text) in files {
            let (uses, rest) = declarations(&code(text), "use ");
            let mut own = Vec::new();
            for (is_public, tree) in uses {
                let mut found = Vec::new();
                expand(&[], &tree, &mut found);
                if is_public {
                    for path in &found {
                        let name = path.last().cloned().unwrap_or_default();
                        exports.insert((module.clone(), name), path.clone());
                    }
                }
                own.extend(found);
            }
            inline(&rest, &mut own);
            paths.insert(module.clone(), own);
        }
        Self { paths, exports }
    }

    /// The file that a path of a module leads to, through re-exports; `None` where it leaves the crate.
    fn target(&self, module: &[String], path: &[String], depth: usize) -> Option<Module> {
        let (mut base, mut rest): (Module, &[String]) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (module.to_vec(), &path[1..]),
            "super" => (module.to_vec(), path),
            first => {
                let child: Module = module.iter().cloned().chain([first.to_owned()]).collect();
                self.paths.contains_key(&child).then(|| (module.to_vec(), path))?
            }
        };
        while rest.first().is_some_and(|name| name == "super") {
            base.pop();
            rest = &rest[1..];
        }
        while let Some(name) = rest.first() {
            let child: Module = base.iter().cloned().chain([name.clone()]).collect();
            if !self.paths.contains_key(&child) {
                break;
            }
            (base, rest) = (child, &rest[1..]);
        }
        let export = rest.first().and_then(|name| self.exports.get(&(base.clone(), name.clone())));
        match export {
            Some(path) if depth < 8 => self.target(&base, path, depth + 1).or(Some(base)),
            _ => Some(base),
        }
    }

    /// Which files each file imports.
    fn edges(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let of = |(module, paths): (&Module, &Vec<ImportPath>)| {
            let targets = paths.iter().filter_map(|path| self.target(module, path, 0));
            (module.clone(), targets.filter(|target| target != module && self.paths.contains_key(target)).collect())
        };
        self.paths.iter().map(of).collect()
    }

    /// The files that reach themselves.
    fn in_circles(&self) -> Vec<String> {
        let edges = self.edges();
        let reaches_itself = |start: &&Module| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![*start]);
            while let Some(at) = open.pop() {
                for next in &edges[at] {
                    if next == *start {
                        return true;
                    }
                    if seen.insert(next) {
                        open.push(next);
                    }
                }
            }
            false
        };
        let shown = |module: &Module| if module.is_empty() { "the root".to_owned() } else { module.join("/") };
        edges.keys().filter(reaches_itself).map(shown).collect()
    }
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let mut wrong = Vec::new();
    for path in crates().iter().filter(|path| path.join("src").exists()) {
        let mut files = Vec::new();
        sources(&path.join("src"), &Vec::new(), &mut files);
        let found = Modules::of(&files).in_circles();
        if !found.is_empty() {
            wrong.push(format!("{}: {}", name(path), found.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "circles of imports:\n{}", wrong.join("\n"));
}

/// The files in circles of a made-up crate.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let module = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    Modules::of(&files.iter().map(|(path, text)| (module(path), (*text).to_owned())).collect::<Vec<_>>()).in_circles()
}

#[test]
fn circles_are_found_through_modules_and_re_exports() {
    let tree = [("", "mod a;\nmod b;\npub use a::A;\n"), ("a", "pub struct A;\n"), ("b", "use crate::A;\n")];
    assert!(circles_of(&tree).is_empty(), "a re-export leads to the file behind it");
    let direct = [("", "mod a;\nmod b;\n"), ("a", "use crate::b::B;\n"), ("b", "fn f(a: super::a::A) {}\n")];
    assert_eq!(circles_of(&direct), ["a", "b"]);
    let exported = [
        ("", "mod a;\nmod b;\npub use a::A;\n"),
        ("a", "use super::b::{\n    B,\n    C,\n};\n"),
        ("b", "use crate::{A};\n"),
    ];
    assert_eq!(circles_of(&exported), ["a", "b"]);
    let parent = [("", "mod a;\n"), ("a", "mod c;\nuse c::C;\nstruct P;\n"), ("a/c", "use super::P;\n")];
    assert_eq!(circles_of(&parent), ["a", "a/c"]);
    let tests = [
        ("", "mod a;\nmod b;\n"),
        ("a", "use crate::b::B;\n"),
        ("b", "#[cfg(test)]\n#[expect(\n    dead_code,\n)]\npub(super) mod tests {\n    use crate::a::A;\n}\n"),
    ];
    assert!(circles_of(&tests).is_empty(), "tests may import what they like");
    let words = [
        ("", "mod a;\nmod b;\n"),
        ("a", "use crate::b::B;\n"),
        ("b", "// crate::a::A\nconst T: &str = \"crate::a\";\n"),
    ];
    assert!(circles_of(&words).is_empty(), "comments and texts import nothing");
}

/// The project's own crates in a section of a manifest.
fn own_dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
    let names = section.lines().filter(|line| line.starts_with("pad-"));
    names.filter_map(|line| line.split(['.', ' ', '=']).next()).map(str::to_owned).collect()
}

#[test]
fn crates_use_what_the_map_says_and_only_what_is_above_them() {
    let map = read(&root().join("docs/architecture.md"));
    let rows: Vec<Vec<&str>> = map
        .lines()
        .filter(|line| line.starts_with("| `pad"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .filter(|cells: &Vec<&str>| cells.len() == 5)
        .collect();
    let mut above = BTreeSet::new();
    let mut wrong = Vec::new();
    for row in &rows {
        let own = row[0].trim_matches('`').to_owned();
        let said: BTreeSet<String> =
            row[2].split(',').map(|name| name.trim().trim_matches('`').to_owned()).filter(|name| name != "-").collect();
        let used = own_dependencies(&read(&root().join("crates").join(&own).join("Cargo.toml")));
        if said != used {
            wrong.push(format!("{own}: the map says {said:?}, Cargo.toml {used:?}"));
        }
        wrong.extend(used.difference(&above).map(|name| format!("{own} uses {name}, which is not above it")));
        above.insert(own);
    }
    let missing = crates().iter().map(|path| name(path)).filter(|name| !above.contains(name)).collect::<Vec<_>>();
    wrong.extend(missing.into_iter().map(|name| format!("{name} is not in the map")));
    assert!(wrong.is_empty(), "docs/architecture.md, the crates:\n{}", wrong.join("\n"));
}
