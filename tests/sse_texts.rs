//! A reader of the streams of `/v1/completions` that fails on any deviation, with controls that it does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::error_shape;
use crate::server::Server;
use crate::sse::payloads;
use crate::sse_controls::set;

/// What the choices of a stream said: the words, joined, and why they ended.
type Told = BTreeMap<u64, (String, Option<String>)>;

/// Read a whole stream; its usage, or the error that broke it off, comes beside what it said.
fn read(text: &str) -> Result<(Told, Option<Value>), String> {
    let mut payloads = payloads(text)?;
    if payloads.pop() != Some("[DONE]") {
        return Err("the last event is not [DONE]".to_owned());
    }
    let (mut told, mut last, mut constant) = (Told::new(), None, None);
    for payload in payloads {
        let event: Value = serde_json::from_str(payload).map_err(|error| format!("{error} in {payload}"))?;
        if last.is_some() {
            return Err(format!("something follows the last chunk: {event}"));
        }
        if event.get("error").is_some() {
            error_shape(&event)?;
            last = Some(event["error"].clone());
            continue;
        }
        let kept = json!([event["id"], event["created"], event["model"], event["system_fingerprint"]]);
        let words = |key: &str| event[key].as_str().is_some_and(|text| !text.is_empty());
        let named = words("id") && words("model") && words("system_fingerprint") && event["created"].is_u64();
        if event["object"] != "text_completion" || !named || *constant.get_or_insert_with(|| kept.clone()) != kept {
            return Err(format!("an envelope that is not that of the others: {event}"));
        }
        match event["choices"].as_array().map(Vec::as_slice) {
            Some([]) if event["usage"]["total_tokens"].is_u64() => last = Some(event["usage"].clone()),
            Some([choice]) if event.get("usage").is_none_or(Value::is_null) => add(&mut told, choice)?,
            _ => return Err(format!("a chunk has one choice, or none with the usage: {event}")),
        }
    }
    let broken = last.as_ref().is_some_and(|last| last.get("message").is_some());
    if !broken && (told.is_empty() || told.values().any(|(_, end)| end.is_none())) {
        return Err("a choice has no end".to_owned());
    }
    Ok((told, last))
}

/// A chunk has words or is the end.
fn add(told: &mut Told, choice: &Value) -> Result<(), String> {
    let index = choice["index"].as_u64().ok_or("a choice has no index")?;
    let text = choice["text"].as_str().ok_or("a choice has no text")?;
    let end = choice.get("finish_reason").ok_or("a choice has no finish_reason")?;
    choice.get("logprobs").ok_or("a choice has no logprobs")?;
    let (said, ended) = told.entry(index).or_default();
    match (ended.is_some(), text.is_empty(), end.as_str()) {
        (true, ..) => return Err("a choice goes on after its end".to_owned()),
        (_, false, None) if end.is_null() => said.push_str(text),
        (_, true, Some("stop" | "length" | "content_filter")) => *ended = end.as_str().map(ToOwned::to_owned),
        _ => return Err(format!("neither words nor an end of its own: {choice}")),
    }
    Ok(())
}

#[test]
fn texts_come_as_they_are_made() {
    let client = Server::reference().client();
    let body = |fields: Value| {
        crate::client::with(
            json!({"prompt": ["One, two,", "The capital of France is"], "max_tokens": 6, "n": 2, "temperature": 0}),
            fields,
        )
    };
    let whole = client.send("POST", "/v1/completions", &body(json!({})).to_string()).json();
    let fields = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = client.send("POST", "/v1/completions", &body(fields).to_string());
    let (told, usage) = read(&answer.text).unwrap_or_else(|fault| panic!("{fault} in\n{}", answer.text));
    let choices = whole["choices"].as_array().expect("choices");
    assert_eq!((told.len(), choices.len()), (4, 4));
    for choice in choices {
        let (text, end) = &told[&choice["index"].as_u64().expect("an index")];
        assert_eq!((Some(text.as_str()), end.as_deref()), (choice["text"].as_str(), choice["finish_reason"].as_str()));
    }
    assert_eq!(usage.expect("usage was asked for")["total_tokens"], whole["usage"]["total_tokens"]);
    let answer = client.send("POST", "/v1/completions", &body(json!({"stream": true})).to_string());
    assert!(matches!(read(&answer.text), Ok((_, None))), "usage was not asked for: {}", answer.text);
}

/// A chunk of choice 0.
fn chunk(text: &str, end: &Value) -> Value {
    json!({
        "id": "cmpl-1", "object": "text_completion", "created": 1_700_000_000, "model": "m", "system_fingerprint": "pad",
        "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": end}]
    })
}

#[test]
fn wrong_streams_of_texts_are_seen() {
    let (words, end) = (|| chunk("a", &Value::Null), || chunk("", &json!("stop")));
    let mut usage = set(end(), "/choices", json!([]));
    usage["usage"] = json!({"total_tokens": 3});
    let error = json!({"error": {"message": "broken", "type": "server_error", "param": null, "code": null}});
    let whole = |chunks: &[Value]| {
        chunks.iter().fold(String::new(), |text, chunk| text + &format!("data: {chunk}\n\n")) + "data: [DONE]\n\n"
    };
    read(&whole(&[words(), words(), end(), usage.clone()])).expect("a good stream");
    read(&whole(&[words(), error.clone()])).expect("an error may end a stream");
    for (what, bad) in [
        ("no end", vec![words()]),
        ("nothing", vec![]),
        ("two ends", vec![words(), end(), end()]),
        ("words after the end", vec![end(), words()]),
        ("words in the end", vec![chunk("a", &json!("stop"))]),
        ("a chunk without words", vec![chunk("", &Value::Null), end()]),
        ("an unknown reason", vec![words(), chunk("", &json!("eos"))]),
        ("another choice without an end", vec![set(words(), "/choices/0/index", json!(1)), end()]),
        ("another id", vec![words(), set(end(), "/id", json!("cmpl-2"))]),
        ("another time", vec![words(), set(end(), "/created", json!(1_700_000_001))]),
        ("another object", vec![set(words(), "/object", json!("text_completion.chunk")), end()]),
        ("an empty model", vec![set(words(), "/model", json!("")), set(end(), "/model", json!(""))]),
        ("usage before the end", vec![usage.clone(), end()]),
        ("usage twice", vec![end(), usage.clone(), usage.clone()]),
        ("usage without numbers", vec![end(), set(usage.clone(), "/usage", json!({}))]),
        ("words after an error", vec![error.clone(), words()]),
        ("an error that is a string", vec![words(), json!({"error": "broken"})]),
    ] {
        assert!(read(&whole(&bad)).is_err(), "{what} must be seen: {bad:?}");
    }
    let good = whole(&[words(), end()]);
    for bad in [good.replace("data: [DONE]\n\n", ""), good.clone() + "data: [DONE]\n\n", good + &whole(&[words()])] {
        assert!(read(&bad).is_err(), "{bad}");
    }
}
