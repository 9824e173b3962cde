//! A reader of the streams of `/v1/responses` that fails on any deviation, with controls that it does.

use serde_json::{Value, json};

use crate::client::with;
use crate::server::Server;

/// What a stream said: its words, joined, and the response at its end.
struct Told {
    text: String,
    response: Value,
}

/// The events of a stream: a name, data, and an empty line each; `[DONE]` does not belong to this interface.
pub fn events(text: &str) -> Result<Vec<Value>, String> {
    let blocks = text.strip_suffix("\n\n").ok_or("the last event is not complete")?.split("\n\n");
    let mut events: Vec<Value> = Vec::new();
    for block in blocks.filter(|block| !block.starts_with(':')) {
        let lines: Vec<&str> = block.split('\n').collect();
        let [name, data] = lines.as_slice() else { return Err(format!("not two lines: {block:?}")) };
        let name = name.strip_prefix("event: ").ok_or("an event has no name")?;
        let data = data.strip_prefix("data: ").ok_or("an event has no data")?;
        let event: Value = serde_json::from_str(data).map_err(|error| format!("{error} in {data}"))?;
        if event["type"] != name || event["sequence_number"] != events.len() {
            return Err(format!("the name or the number is wrong: {block}"));
        }
        events.push(event);
    }
    Ok(events)
}

/// Read a whole stream of one message.
fn read(text: &str) -> Result<Told, String> {
    let events = events(text)?;
    let kind = |event: &Value| event["type"].as_str().unwrap_or_default().trim_start_matches("response.").to_owned();
    let kinds: Vec<String> = events.iter().map(kind).collect();
    let deltas = kinds.iter().filter(|kind| *kind == "output_text.delta").count();
    let ended = match kinds.last().map(String::as_str) {
        Some(last @ ("completed" | "incomplete")) => last,
        Some("failed") => return failed(&events),
        last => return Err(format!("the last event is {last:?}")),
    };
    let mut expected = vec!["created", "in_progress", "output_item.added", "content_part.added"];
    expected.extend(vec!["output_text.delta"; deltas]);
    expected.extend(["output_text.done", "content_part.done", "output_item.done", ended]);
    if kinds != expected {
        return Err(format!("the order is wrong: {kinds:?}"));
    }
    let (first, last) = (&events[0]["response"], &events[events.len() - 1]["response"]);
    if first["status"] != "in_progress"
        || last["status"] != ended
        || first["id"] != last["id"]
        || !last["usage"].is_object()
    {
        return Err("the response at the end is not that of the beginning, come to its end".to_owned());
    }
    let (words, item) = (&events[4..4 + deltas], &events[2]["item"]["id"]);
    if item.as_str().is_none_or(str::is_empty) {
        return Err("the message has no id".to_owned());
    }
    let placed = |event: &Value| event["item_id"] == *item && event["output_index"] == 0 && event["content_index"] == 0;
    if !events[3..events.len() - 2].iter().all(placed) {
        return Err("an event is not in its place".to_owned());
    }
    let said: Option<String> =
        words.iter().map(|event| event["delta"].as_str().filter(|delta| !delta.is_empty())).collect();
    let text = said.ok_or("a delta has no words")?;
    let [done, part, message] = [&events[4 + deltas], &events[5 + deltas], &events[6 + deltas]];
    let same = done["text"] == text.as_str() && part["part"]["text"] == text.as_str();
    if !same || message["item"] != last["output"][0] || message["item"]["content"][0] != part["part"] {
        return Err("what was said is not what is told at the end".to_owned());
    }
    Ok(Told { text, response: last.clone() })
}

/// A stream may break off, and then says why.
fn failed(events: &[Value]) -> Result<Told, String> {
    let response = &events[events.len() - 1]["response"];
    let why = &response["error"];
    if events[0]["type"] != "response.created"
        || response["status"] != "failed"
        || response["id"] != events[0]["response"]["id"]
    {
        return Err("the response that failed is not the one that began".to_owned());
    }
    if !why["code"].is_string() || why["message"].as_str().is_none_or(str::is_empty) {
        return Err("a failure does not say why".to_owned());
    }
    Ok(Told { text: String::new(), response: response.clone() })
}

fn respond(fields: Value) -> Value {
    with(json!({"input": "What is the capital of France?", "max_output_tokens": 16, "temperature": 0}), fields)
}

#[test]
fn responses_come_as_they_are_made() {
    let client = Server::reference().client();
    for fields in [json!({}), json!({"max_output_tokens": 3}), json!({"preference": {"humorous": 1.5}})] {
        let whole = client.send("POST", "/v1/responses", &respond(fields.clone()).to_string()).json();
        let body = with(respond(fields), json!({"stream": true}));
        let answer = client.send("POST", "/v1/responses", &body.to_string());
        let told = read(&answer.text).unwrap_or_else(|fault| panic!("{fault} in\n{}", answer.text));
        assert_eq!(Some(told.text.as_str()), whole["output"][0]["content"][0]["text"].as_str());
        assert_eq!((&told.response["status"], &told.response["usage"]), (&whole["status"], &whole["usage"]));
    }
}

/// A good stream's events, without their numbers.
fn good() -> Vec<Value> {
    let place = |event: Value| with(event, json!({"item_id": "msg_1", "output_index": 0, "content_index": 0}));
    let part = json!({"type": "output_text", "text": "ab"});
    let message = json!({"id": "msg_1", "content": [part]});
    let response = |status: &str| json!({"id": "resp_1", "status": status, "output": [message], "usage": {}});
    vec![
        json!({"type": "response.created", "response": response("in_progress")}),
        json!({"type": "response.in_progress", "response": response("in_progress")}),
        json!({"type": "response.output_item.added", "item": message}),
        place(json!({"type": "response.content_part.added"})),
        place(json!({"type": "response.output_text.delta", "delta": "a"})),
        place(json!({"type": "response.output_text.delta", "delta": "b"})),
        place(json!({"type": "response.output_text.done", "text": "ab"})),
        place(json!({"type": "response.content_part.done", "part": part})),
        json!({"type": "response.output_item.done", "item": message}),
        json!({"type": "response.completed", "response": response("completed")}),
    ]
}

/// The events with their names and numbers.
pub fn whole(events: &[Value]) -> String {
    let block = |(number, event): (usize, &Value)| {
        let event = with(json!({"sequence_number": number}), event.clone());
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
    };
    events.iter().enumerate().map(block).fold(String::new(), |text, block| text + &block)
}

/// A stream without one of these events, with one of them twice, or with one of these fields in place of its own, must be seen.
pub fn check_controls(good: &[Value], wrong: &[(usize, &str, Value)], is_seen: impl Fn(&str) -> bool) {
    for event in 0..good.len() {
        let mut bad = good.to_vec();
        bad.remove(event);
        assert!(is_seen(&whole(&bad)), "without event {event}");
        let mut bad = good.to_vec();
        bad.insert(event, good[event].clone());
        assert!(is_seen(&whole(&bad)), "event {event} twice");
    }
    for (event, pointer, field) in wrong {
        let mut bad = good.to_vec();
        *bad[*event].pointer_mut(pointer).expect("the field") = field.clone();
        assert!(is_seen(&whole(&bad)), "{pointer} of event {event}");
    }
}

#[test]
fn wrong_streams_of_responses_are_seen() {
    assert_eq!(read(&whole(&good())).map(|told| told.text), Ok("ab".to_owned()));
    let failure = json!({"type": "response.failed", "response": {
        "id": "resp_1", "status": "failed", "error": {"code": "server_error", "message": "broken"}
    }});
    let broken = |failure: Value| [&good()[..5], &[failure]].concat();
    read(&whole(&broken(failure.clone()))).map(|told| told.response["status"].clone()).expect("a stream may break off");
    let wrong = [
        (4, "/delta", json!("c")),
        (4, "/delta", json!("")),
        (5, "/item_id", json!("msg_2")),
        (5, "/output_index", json!(1)),
        (5, "/content_index", json!(1)),
        (6, "/text", json!("a")),
        (7, "/part/text", json!("a")),
        (8, "/item/content", json!([])),
        (0, "/response/status", json!("completed")),
        (9, "/response/status", json!("in_progress")),
        (9, "/response/id", json!("resp_2")),
        (9, "/response/usage", Value::Null),
        (9, "/response/output", json!([])),
    ];
    check_controls(&good(), &wrong, |text| read(text).is_err());
    for pointer in ["/response/id", "/response/status", "/response/error/code", "/response/error/message"] {
        let mut bad = failure.clone();
        *bad.pointer_mut(pointer).expect("the field") = Value::Null;
        assert!(read(&whole(&broken(bad))).is_err(), "{pointer} of a failure");
    }
    let good = whole(&good());
    for bad in [
        good.clone() + "data: [DONE]\n\n",
        good.replace("\"sequence_number\":3", "\"sequence_number\":4"),
        good.replace("event: response.completed", "event: response.incomplete"),
        good.replace("event: response.created\n", ""),
        good.replace("data: ", "data:"),
        good.trim_end().to_owned(),
        String::new(),
    ] {
        assert!(read(&bad).is_err(), "{bad}");
    }
}
