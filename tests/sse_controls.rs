//! Negative controls: the strict reader accepts a good stream and fails on every bad one.

use serde_json::{Value, json};

use crate::sse::Stream;

fn chunk(choices: &Value) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m",
        "system_fingerprint": "pad", "choices": choices
    })
}

fn choice(index: u64, delta: &Value, finish: &Value) -> Value {
    chunk(&json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish}]))
}

fn opening() -> Value {
    choice(0, &json!({"role": "assistant", "content": ""}), &Value::Null)
}

fn words(text: &str) -> Value {
    choice(0, &json!({"content": text}), &Value::Null)
}

fn end() -> Value {
    choice(0, &json!({}), &json!("stop"))
}

fn usage() -> Value {
    let mut usage = chunk(&json!([]));
    let details = json!({"cached_tokens": 0});
    usage["usage"] =
        json!({"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5, "prompt_tokens_details": details});
    usage
}

fn error() -> Value {
    json!({"error": {"message": "broken", "type": "server_error", "param": null, "code": null}})
}

/// `value` with the field at a JSON pointer set.
pub fn set(mut value: Value, pointer: &str, field: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    value.pointer_mut(parent).expect("the parent")[key] = field;
    value
}

/// `value` without the field at a JSON pointer.
fn without(mut value: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = value.pointer_mut(parent).and_then(Value::as_object_mut);
    assert!(parent.is_some_and(|parent| parent.remove(key).is_some()), "{pointer} is there");
    value
}

fn events(chunks: &[Value]) -> String {
    chunks.iter().fold(String::new(), |text, chunk| text + &format!("data: {chunk}\n\n"))
}

fn whole(chunks: &[Value]) -> String {
    events(chunks) + "data: [DONE]\n\n"
}

#[test]
fn good_streams_are_read() {
    let stream = Stream::read(&whole(&[opening(), words("Hel"), words("lo"), end(), usage()])).expect("a good stream");
    assert_eq!((stream.choices[&0].text.as_str(), stream.choices[&0].chunks), ("Hello", 2));
    assert_eq!(stream.choices[&0].finish.as_deref(), Some("stop"));
    assert_eq!(stream.usage.expect("usage")["total_tokens"], 5);
    let commented = format!(": keep-alive\n\n{}: keep-alive\n\n{}", events(&[opening()]), whole(&[end()]));
    Stream::read(&commented).expect("comments are no fault");
    let broken = Stream::read(&whole(&[opening(), words("Hel"), error()])).expect("an error may end a stream");
    assert_eq!(broken.error.expect("the error")["message"], "broken");
}

#[test]
fn wrong_framing_is_seen() {
    let good = whole(&[opening(), words("a"), end()]);
    for (what, bad) in [
        ("no [DONE]", events(&[opening(), words("a"), end()])),
        ("[DONE] twice", good.clone() + "data: [DONE]\n\n"),
        ("something after [DONE]", good.clone() + &events(&[words("b")])),
        ("cut off", good.trim_end().to_owned()),
        ("one line break only", good.replace("\n\n", "\n")),
        ("carriage returns", good.replace('\n', "\r\n")),
        ("no space", good.replace("data: ", "data:")),
        ("an event name", format!("event: message\n{good}")),
        ("an unknown field", format!("id: 1\n\n{good}")),
        ("not JSON", format!("data: hello\n\n{good}")),
        ("nothing", "data: [DONE]\n\n".to_owned()),
        ("empty", String::new()),
    ] {
        assert!(Stream::read(&bad).is_err(), "{what} must be seen: {bad}");
    }
}

#[test]
fn wrong_order_is_seen() {
    for (what, bad) in [
        ("no opening", vec![words("a"), end()]),
        ("the role twice", vec![opening(), opening(), end()]),
        ("the role with words", vec![opening(), set(words("a"), "/choices/0/delta/role", json!("assistant")), end()]),
        ("words in the opening", vec![set(opening(), "/choices/0/delta/content", json!("a")), end()]),
        ("an opening without content", vec![without(opening(), "/choices/0/delta/content"), end()]),
        ("no end", vec![opening(), words("a")]),
        ("two ends", vec![opening(), end(), end()]),
        ("words after the end", vec![opening(), end(), words("a")]),
        ("words in the end", vec![opening(), set(words("a"), "/choices/0/finish_reason", json!("stop"))]),
        ("another choice without an end", vec![opening(), set(opening(), "/choices/0/index", json!(1)), end()]),
        ("no words in a delta", vec![opening(), choice(0, &json!({}), &Value::Null), end()]),
        ("empty words", vec![opening(), words(""), end()]),
        ("usage before the end", vec![opening(), usage(), end()]),
        ("usage twice", vec![opening(), end(), usage(), usage()]),
        ("usage with a choice", vec![opening(), set(end(), "/usage", usage()["usage"].clone())]),
        ("words after an error", vec![opening(), error(), words("a")]),
    ] {
        assert!(Stream::read(&whole(&bad)).is_err(), "{what} must be seen: {bad:?}");
    }
}

#[test]
fn wrong_fields_are_seen() {
    let changed = |chunk: Value| vec![opening(), chunk, end(), usage()];
    for (what, bad) in [
        ("another id", changed(set(words("a"), "/id", json!("chatcmpl-2")))),
        ("another time", changed(set(words("a"), "/created", json!(1_700_000_001)))),
        ("another model", changed(set(words("a"), "/model", json!("n")))),
        ("no fingerprint", changed(without(words("a"), "/system_fingerprint"))),
        ("another object", changed(set(words("a"), "/object", json!("chat.completion")))),
        ("no index", changed(without(words("a"), "/choices/0/index"))),
        ("no logprobs", changed(without(words("a"), "/choices/0/logprobs"))),
        ("no finish_reason", changed(without(words("a"), "/choices/0/finish_reason"))),
        ("no delta", changed(without(words("a"), "/choices/0/delta"))),
        ("words that are no string", changed(set(words("a"), "/choices/0/delta/content", json!(1)))),
        ("no choices", changed(without(words("a"), "/choices"))),
        ("an unknown reason", vec![opening(), set(end(), "/choices/0/finish_reason", json!("eos_token"))]),
        ("no usage in the usage", vec![opening(), end(), without(usage(), "/usage")]),
        ("a wrong total", vec![opening(), end(), set(usage(), "/usage/total_tokens", json!(6))]),
        ("no cached tokens", vec![opening(), end(), without(usage(), "/usage/prompt_tokens_details/cached_tokens")]),
        ("an error without a code", vec![opening(), without(error(), "/error/code")]),
        ("a numeric code", vec![opening(), set(error(), "/error/code", json!(500))]),
        ("an error that is a string", vec![opening(), json!({"error": "broken"})]),
    ] {
        assert!(Stream::read(&whole(&bad)).is_err(), "{what} must be seen: {bad:?}");
    }
    let fraction = whole(&changed(words("a"))).replace("1700000000", "1700000000.5");
    assert!(Stream::read(&fraction).is_err(), "seconds are whole");
}

fn call(call: &Value) -> Value {
    choice(0, &json!({"tool_calls": [call]}), &Value::Null)
}

fn begun(index: u64) -> Value {
    call(&json!({"index": index, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}))
}

fn more(index: u64, arguments: &str) -> Value {
    call(&json!({"index": index, "function": {"arguments": arguments}}))
}

fn called() -> Value {
    choice(0, &json!({}), &json!("tool_calls"))
}

#[test]
fn wrong_calls_are_seen() {
    let silent = || set(opening(), "/choices/0/delta/content", Value::Null);
    let good = [silent(), begun(0), more(0, "{\"a\""), more(0, ": 1}"), begun(1), more(1, "{}"), called()];
    let stream = Stream::read(&whole(&good)).expect("a good stream");
    let calls = [("f", "{\"a\": 1}"), ("f", "{}")].map(|(name, arguments)| (name.to_owned(), arguments.to_owned()));
    assert_eq!(stream.choices[&0].calls, calls);
    let delta = "/choices/0/delta/tool_calls/0";
    for (what, bad) in [
        ("another reason", vec![silent(), begun(0), more(0, "{}"), end()]),
        ("the reason without a call", vec![opening(), words("a"), called()]),
        ("words after a call", vec![silent(), begun(0), words("a"), called()]),
        ("a call that does not begin", vec![silent(), more(0, "{}"), called()]),
        ("a call that begins late", vec![silent(), begun(1), called()]),
        ("a call that begins twice", vec![silent(), begun(0), begun(0), called()]),
        ("an earlier call going on", vec![silent(), begun(0), begun(1), more(0, "{}"), called()]),
        ("no id", vec![silent(), without(begun(0), &format!("{delta}/id")), called()]),
        ("no name", vec![silent(), without(begun(0), &format!("{delta}/function/name")), called()]),
        ("no type", vec![silent(), without(begun(0), &format!("{delta}/type")), called()]),
        (
            "arguments at once",
            vec![silent(), set(begun(0), &format!("{delta}/function/arguments"), json!("{}")), called()],
        ),
        ("no index", vec![silent(), without(begun(0), &format!("{delta}/index")), called()]),
        ("nothing more", vec![silent(), begun(0), more(0, ""), called()]),
        (
            "the id again",
            vec![silent(), begun(0), set(more(0, "{}"), &format!("{delta}/id"), json!("call_1")), called()],
        ),
        (
            "arguments that are no string",
            vec![silent(), begun(0), set(more(0, ""), &format!("{delta}/function/arguments"), json!({})), called()],
        ),
    ] {
        assert!(Stream::read(&whole(&bad)).is_err(), "{what} must be seen: {bad:?}");
    }
}
