//! Reading a request's JSON: the value, what was ignored, or which field is wrong and why.

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::{Map, Value};

/// A request that was read.
#[derive(Clone, Debug)]
pub struct Parsed<T> {
    /// The request.
    pub value: T,
    /// Paths of fields that the type does not know, array positions left out: `messages[].cache_control`.
    pub ignored: Vec<String>,
}

/// Why a body is not a valid request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong and what is expected; it may quote the body, so it is for the client and not for logs.
    pub message: String,
    /// Path of the field, as in `messages[0].role`; none if the body is not a JSON object.
    pub param: Option<String>,
}

/// Read a `T` from a JSON body.
///
/// # Errors
/// Where the body is not JSON, has a wrong type somewhere, or lacks a field; the error names the field where there is one.
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<Parsed<T>, ParseError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut ignored = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| ignored.push(without_positions(&path));
    let mut track = serde_path_to_error::Track::new();
    let observed = serde_ignored::Deserializer::new(&mut json, &mut note);
    let tracked = serde_path_to_error::Deserializer::new(observed, &mut track);
    match T::deserialize(tracked).and_then(|value| json.end().map(|()| value)) {
        Ok(_) if ignored.iter().any(|name| name == EXTRA_BODY) && has_extra_body(body) => Err(ParseError {
            message: format!(
                "`{EXTRA_BODY}` is an argument of SDKs, not a field: its fields belong at the top level of the body, beside `model`"
            ),
            param: Some(EXTRA_BODY.to_owned()),
        }),
        Ok(value) => Ok(Parsed { value, ignored }),
        Err(error) => Err(explain(&error, &track.path().to_string())),
    }
}

/// The argument of OpenAI's SDK for Python whose fields it puts into the body.
const EXTRA_BODY: &str = "extra_body";

/// Whether a body holds further fields where no server reads them. Some clients send an empty object or a null.
fn has_extra_body(body: &[u8]) -> bool {
    let fields: Option<Map<String, Value>> = serde_json::from_slice(body).ok();
    let extra = fields.as_ref().and_then(|fields| fields.get(EXTRA_BODY));
    extra.is_some_and(|extra| !extra.is_null() && extra.as_object().is_none_or(|fields| !fields.is_empty()))
}

/// `path` with `[]` for every position, so that each name is reported alike wherever it stands.
fn without_positions(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, .. } => format!("{}[]", without_positions(parent)),
        Path::Map { parent, key } => match without_positions(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            without_positions(parent)
        }
    }
}

fn explain(error: &serde_json::Error, path: &str) -> ParseError {
    let text = error.to_string();
    let reason = in_plain_words(text.split(" at line ").next().unwrap_or(&text));
    // `.` is the body itself, `?` a key that was cut off.
    let place = Some(path.split('?').next().unwrap_or(path).trim_end_matches('.')).filter(|path| !path.is_empty());
    let param = match (place, missing_field(&reason)) {
        (Some(place), Some(field)) => Some(format!("{place}.{field}")),
        (None, Some(field)) => Some(field.to_owned()),
        (place, None) => place.map(str::to_owned),
    };
    let message = match (error.classify(), &param) {
        (Category::Data, Some(param)) => format!("`{param}`: {reason}"),
        (Category::Data, None) => format!("invalid request body: {reason}"),
        (Category::Syntax | Category::Eof | Category::Io, _) => {
            format!("the body is not valid JSON: {reason} at line {} column {}", error.line(), error.column())
        }
    };
    ParseError { message, param }
}

/// The field that a `missing field` error is about; serde reports it at the object that lacks it.
fn missing_field(reason: &str) -> Option<&str> {
    reason.strip_prefix("missing field `")?.strip_suffix('`')
}

/// Rust's names of types, in the words of JSON.
fn in_plain_words(reason: &str) -> String {
    const WORDS: [(&str, &str); 7] = [
        ("expected u64", "expected a whole number that is not negative"),
        ("expected i64", "expected a whole number"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected an array"),
        ("expected a map", "expected an object"),
        ("invalid type: map", "invalid type: object"),
        ("invalid type: sequence", "invalid type: array"),
    ];
    WORDS.iter().fold(reason.to_owned(), |text, (rust, plain)| text.replace(rust, plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChatRequest;

    fn refused(body: &str) -> ParseError {
        from_slice::<ChatRequest>(body.as_bytes()).expect_err("refused")
    }

    fn check(body: &str, param: Option<&str>, message: &str) {
        let error = refused(body);
        assert_eq!(error.param.as_deref(), param, "{body}: {}", error.message);
        assert!(error.message.contains(message), "{body}: {}", error.message);
    }

    #[test]
    fn wrong_types_name_the_field() {
        check(r#"{"messages": "hi"}"#, Some("messages"), "expected an array");
        check(r#"{"messages": [{"role": "user"}, {"content": "x"}]}"#, Some("messages[1].role"), "missing field");
        check(
            r#"{"messages": [{"role": "user", "content": {}}]}"#,
            Some("messages[0].content"),
            "a string, null, or an array",
        );
        check(r#"{"messages": [], "max_tokens": -2}"#, Some("max_tokens"), "whole number that is not negative");
        check(r#"{"messages": [], "temperature": "hot"}"#, Some("temperature"), "expected a number");
        check(r#"{"messages": [], "logit_bias": [1]}"#, Some("logit_bias"), "expected an object");
        check(r#"{"messages": [], "top_k": 0.5}"#, Some("top_k"), "expected a whole number");
        check(r#"{"messages": [], "stream": "yes"}"#, Some("stream"), "expected a boolean");
        check(r#"{"messages": [], "pad": {"beta": []}}"#, Some("pad.beta"), "expected a number");
        check(r#"{"messages": [], "pad": [1, 10]}"#, Some("pad"), "expected an object with `beta`");
        check(r#"{"messages": [], "seed": 1.5}"#, Some("seed"), "expected a whole number");
        check("{}", Some("messages"), "missing field");
    }

    #[test]
    fn what_is_not_json_says_where() {
        check("", None, "not valid JSON");
        check("{", None, "not valid JSON");
        check(r#"{"messages": []} trailing"#, None, "line 1 column 18");
        check("[]", None, "expected an object with `messages`");
        check(r#""hi""#, None, "expected an object with `messages`");
    }

    #[test]
    fn fields_in_extra_body_are_not_ignored_in_silence() {
        check(
            r#"{"messages": [], "extra_body": {"preference": {"concise": 1}}}"#,
            Some("extra_body"),
            "at the top level",
        );
        check(r#"{"messages": [], "extra_body": "x"}"#, Some("extra_body"), "at the top level");
        for harmless in [r#"{"messages": [], "extra_body": {}}"#, r#"{"messages": [], "extra_body": null}"#] {
            assert!(from_slice::<ChatRequest>(harmless.as_bytes()).is_ok(), "{harmless}");
        }
    }

    #[test]
    fn unknown_fields_are_reported_without_their_values() {
        let body = r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "x": 1}], "secret": "no"}], "pad": {"y": 2}, "z": {"deep": 3}}"#;
        let parsed = from_slice::<ChatRequest>(body.as_bytes()).expect("unknown fields are no error");
        assert_eq!(parsed.ignored, ["messages[].content[].x", "messages[].secret", "pad.y", "z"]);
    }
}
