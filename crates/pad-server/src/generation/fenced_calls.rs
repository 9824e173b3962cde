//! Calls of tools that a model writes as JSON, in a code fence or as its whole answer, in place of the tags.
//!
//! ````text
//! ```json
//! {"name": "weather", "arguments": {"city": "Oslo"}}
//! ```
//! ````
//!
//! Qwen2.5-Coder does so, whatever its template says. Nothing forces the arguments of such a call into the tool's schema: what is no JSON
//! object, or names no tool of the request, is text.

use serde_json::{Map, Value};

const FENCE: &str = "```";

/// What may stand behind an opening fence.
const LANGUAGES: [&str; 5] = ["json", "tool_call", "tool_code", "tool", ""];

/// Whether there are calls in a text that grows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All of it is text.
    Nothing,
    /// Calls may begin at this byte; what follows will tell.
    Perhaps(usize),
    /// These bytes are calls: names and arguments, which are JSON.
    Calls { start: usize, end: usize, calls: Vec<(String, String)> },
}

/// How far a text agrees with what is expected.
enum Agreement<T> {
    Full(T),
    /// As far as it goes.
    SoFar,
    None,
}

/// The first calls of these tools. `whole`: nothing stands before the text, so that it may be a call without a fence. `complete`: nothing
/// follows it.
pub(super) fn find(text: &str, tools: &[String], whole: bool, complete: bool) -> Found {
    let bare = text.len() - text.trim_start().len();
    let bare = (whole && text[bare..].starts_with(['{', '['])).then_some((bare, bare));
    let fences = text.match_indices(FENCE).map(|(at, _)| (at, at + FENCE.len()));
    for (start, inside) in bare.into_iter().chain(fences) {
        let fenced = inside > start;
        let body = if fenced { language(&text[inside..]) } else { Agreement::Full(0) };
        let found = match body {
            Agreement::Full(skipped) => calls(text, inside + skipped, tools, fenced, complete),
            Agreement::SoFar => Agreement::SoFar,
            Agreement::None => Agreement::None,
        };
        match found {
            Agreement::Full((end, calls)) => return Found::Calls { start, end, calls },
            Agreement::SoFar if !complete => return Found::Perhaps(start),
            Agreement::SoFar | Agreement::None => {}
        }
    }
    let ticks = text.len() - text.trim_end_matches('`').len();
    if ticks > 0 && ticks < FENCE.len() && !complete { Found::Perhaps(text.len() - ticks) } else { Found::Nothing }
}

/// The length of the rest of an opening fence's line.
fn language(text: &str) -> Agreement<usize> {
    let name = text.split('\n').next().unwrap_or_default();
    let known = |language: &&str| name.trim_end().eq_ignore_ascii_case(language);
    if name.len() < text.len() {
        return if LANGUAGES.iter().any(known) { Agreement::Full(name.len() + 1) } else { Agreement::None };
    }
    let begins = |language: &&str| {
        let name = name.trim_end();
        language.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
    };
    if LANGUAGES.iter().any(begins) { Agreement::SoFar } else { Agreement::None }
}

/// The calls from byte `at` on, and where they end: behind the closing fence, if there is one.
fn calls(
    text: &str,
    at: usize,
    tools: &[String],
    fenced: bool,
    complete: bool,
) -> Agreement<(usize, Vec<(String, String)>)> {
    let (mut end, mut found) = (at, Vec::new());
    loop {
        match head(&text[end..], tools) {
            Agreement::Full(()) => {}
            Agreement::SoFar if !found.is_empty() && text[end..].trim().is_empty() => {}
            other => return other.without(),
        }
        let mut values = serde_json::Deserializer::from_str(&text[end..]).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                let Some(more) = read(value, tools) else { return Agreement::None };
                found.extend(more);
                end += values.byte_offset();
            }
            Some(Err(error)) if !error.is_eof() => return Agreement::None,
            Some(Err(_)) => return Agreement::SoFar,
            None => {}
        }
        let rest = text[end..].trim_start();
        if rest.is_empty() || (fenced && rest.len() < FENCE.len() && FENCE.starts_with(rest)) {
            return if complete && !found.is_empty() { Agreement::Full((text.len(), found)) } else { Agreement::SoFar };
        }
        if fenced && rest.starts_with(FENCE) {
            return Agreement::Full((text.len() - rest.len() + FENCE.len(), found));
        }
        if !rest.starts_with('{') {
            // Something follows that is no call: a bare one ends here, and in a fence it is no code of calls.
            return if fenced { Agreement::None } else { Agreement::Full((end, found)) };
        }
    }
}

impl<T> Agreement<T> {
    fn without<U>(self) -> Agreement<U> {
        if matches!(self, Self::SoFar) { Agreement::SoFar } else { Agreement::None }
    }
}

/// Whether the text begins as a call of one of these tools, or an array of them: so other JSON is not held back.
fn head(text: &str, tools: &[String]) -> Agreement<()> {
    let mut rest = text.trim_start();
    rest = rest.strip_prefix('[').map_or(rest, str::trim_start);
    for expected in ["{", "\"name\"", ":", "\""] {
        let Some(after) = rest.strip_prefix(expected) else {
            return if expected.starts_with(rest) { Agreement::SoFar } else { Agreement::None };
        };
        rest = if expected == "\"" { after } else { after.trim_start() };
    }
    match rest.split_once('"') {
        Some((name, _)) if tools.iter().any(|tool| tool == name) => Agreement::Full(()),
        None if tools.iter().any(|tool| tool.starts_with(rest)) => Agreement::SoFar,
        Some(_) | None => Agreement::None,
    }
}

/// The calls of a value: an object, or an array of them.
fn read(value: Value, tools: &[String]) -> Option<Vec<(String, String)>> {
    let objects = match value {
        Value::Array(all) if !all.is_empty() => all,
        Value::Object(_) => vec![value],
        _ => return None,
    };
    let call = |value: Value| {
        let Value::Object(mut object) = value else { return None };
        let name = object.remove("name")?.as_str()?.to_owned();
        let arguments = object.remove("arguments").or_else(|| object.remove("parameters"));
        let arguments = arguments.unwrap_or_else(|| Value::Object(Map::new()));
        (tools.contains(&name) && arguments.is_object()).then(|| (name, arguments.to_string()))
    };
    objects.into_iter().map(call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_text(text: &str, whole: bool, complete: bool) -> Found {
        find(text, &["one".to_owned(), "other".to_owned()], whole, complete)
    }

    fn found(text: &str) -> (String, Vec<(String, String)>) {
        match in_text(text, true, true) {
            Found::Calls { start, end, calls } => (text[start..end].to_owned(), calls),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn call(name: &str, arguments: &str) -> (String, String) {
        (name.to_owned(), arguments.to_owned())
    }

    #[test]
    fn calls_in_fences_and_bare_ones_are_found() {
        let one = r#"{"name": "one", "arguments": {"a": "`x` }"}}"#;
        let arguments = r#"{"a":"`x` }"}"#;
        for text in [
            format!("```json\n{one}\n```"),
            format!("```\n{one}\n```"),
            format!("```JSON \n[{one}]\n```"),
            one.to_owned(),
        ] {
            assert_eq!(found(&format!("{text}\nDone.")), (text, vec![call("one", arguments)]));
        }
        let (span, calls) =
            found("So:\n\n```json\n{\"name\": \"one\"}\n{\"name\": \"other\", \"parameters\": {\"b\": 1}}");
        assert!(span.starts_with("```json") && span.ends_with("}}"), "a fence that the end cut: {span}");
        assert_eq!(calls, [call("one", "{}"), call("other", r#"{"b":1}"#)]);
    }

    #[test]
    fn other_json_is_text_as_soon_as_that_is_seen() {
        for text in [
            "```json\n{\"name\": \"Alice\"",
            "```json\n{\"a",
            "```python\n",
            "```json\n{\"name\": \"one\", \"arguments\": 5}\n",
            "```json\n{\"name\": \"one\", \"arguments\": {}} and\n",
            "```json\n{\"name\": \"one\", oops",
            "``` `x` y",
            "x {\"name\": \"one\"",
        ] {
            assert_eq!(in_text(text, false, false), Found::Nothing, "{text}");
        }
        assert_eq!(
            in_text("{\"name\": \"one\", \"arguments\": {}}", false, true),
            Found::Nothing,
            "not the whole answer"
        );
    }

    #[test]
    fn what_may_become_a_call_is_held_back() {
        let text = "So: ```json\n{\"name\": \"one\", \"arguments\": {\"a\": 1}}\n```";
        for end in 5..text.len() - 1 {
            assert_eq!(in_text(&text[..end], false, false), Found::Perhaps(4), "{}", &text[..end]);
        }
        assert_eq!(in_text("{\"name\": \"o", true, false), Found::Perhaps(0));
        assert_eq!(in_text("```json\n{\"name\": \"one\", \"argum", true, true), Found::Nothing, "cut off, it is text");
    }
}
