//! A reader of streams of `/v1/responses` that call a function; it fails on any deviation, with controls that it does.

use serde_json::{Value, json};

use crate::client::with;
use crate::server::Server;
use crate::sse_responses::{check_controls, events, whole};

/// Reads a whole stream of one call: the call's item, and the response at its end.
fn read(text: &str) -> Result<(Value, Value), String> {
    let events = events(text)?;
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    let deltas = kinds.iter().filter(|kind| kind.ends_with("arguments.delta")).count();
    let mut expected = vec!["response.created", "response.in_progress", "response.output_item.added"];
    expected.extend(vec!["response.function_call_arguments.delta"; deltas]);
    expected.push("response.function_call_arguments.done");
    expected.extend(["response.output_item.done", "response.completed"]);
    if deltas == 0 || kinds != expected {
        return Err(format!("the order is wrong: {kinds:?}"));
    }
    let (added, words) = (&events[2], &events[3..3 + deltas]);
    let [done, item, last] = [&events[3 + deltas], &events[4 + deltas], &events[5 + deltas]];
    let (begun, call, response) = (&added["item"], &item["item"], &last["response"]);
    let named = |field: &str| begun[field].as_str().is_some_and(|text| !text.is_empty()) && begun[field] == call[field];
    if begun["type"] != "function_call" || begun["arguments"] != "" || !["id", "call_id", "name"].into_iter().all(named)
    {
        return Err("the call does not begin as it ends".to_owned());
    }
    let placed = |event: &Value| event["item_id"] == call["id"] && event["output_index"] == 0;
    if !words.iter().all(placed) || !placed(done) || added["output_index"] != 0 || item["output_index"] != 0 {
        return Err("an event is not in its place".to_owned());
    }
    let said: Option<String> =
        words.iter().map(|event| event["delta"].as_str().filter(|delta| !delta.is_empty())).collect();
    let arguments = said.ok_or("a delta has no words")?;
    if [done, call].into_iter().any(|whole| whole["arguments"] != arguments.as_str()) || done["name"] != call["name"] {
        return Err("the parts are not the whole".to_owned());
    }
    let begun = &events[0]["response"];
    let same = begun["status"] == "in_progress" && begun["id"] == response["id"] && response["status"] == "completed";
    if !same || response["output"] != json!([call]) || !response["usage"].is_object() {
        return Err("the response at the end is not what was told".to_owned());
    }
    Ok((call.clone(), response.clone()))
}

#[test]
fn calls_come_as_they_are_made() {
    let client = Server::reference().client();
    let city = json!({"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}},
        "required": ["city"], "additionalProperties": false});
    let tool = json!({"type": "function", "name": "get_weather", "strict": true, "parameters": city});
    let body = json!({"input": "What is the weather in Oslo?", "max_output_tokens": 60, "temperature": 0,
        "tools": [tool], "tool_choice": "required", "parallel_tool_calls": false});
    for fields in [json!({}), json!({"preference": {"humorous": 1.5}})] {
        let body = with(body.clone(), fields);
        let whole = client.send("POST", "/v1/responses", &body.to_string()).json();
        let answer = client.send("POST", "/v1/responses", &with(body, json!({"stream": true})).to_string());
        let (call, response) = read(&answer.text).unwrap_or_else(|fault| panic!("{fault} in\n{}", answer.text));
        let arguments: Value = serde_json::from_str(call["arguments"].as_str().expect("a text")).expect("JSON");
        assert!(arguments["city"].is_string(), "{arguments}");
        assert_eq!(call["arguments"], whole["output"][0]["arguments"]);
        assert_eq!(response["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
    }
}

/// A good stream's events, without their numbers.
fn good() -> Vec<Value> {
    let call = |arguments: &str| json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": arguments});
    let place = |event: Value| with(event, json!({"item_id": "fc_1", "output_index": 0}));
    let response = |status: &str| json!({"id": "resp_1", "status": status, "output": [call("{\"a\":1}")], "usage": {}});
    let delta = "response.function_call_arguments.delta";
    vec![
        json!({"type": "response.created", "response": response("in_progress")}),
        json!({"type": "response.in_progress", "response": response("in_progress")}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": call("")}),
        place(json!({"type": delta, "delta": "{\"a\""})),
        place(json!({"type": delta, "delta": ":1}"})),
        place(json!({"type": "response.function_call_arguments.done", "name": "f", "arguments": "{\"a\":1}"})),
        json!({"type": "response.output_item.done", "output_index": 0, "item": call("{\"a\":1}")}),
        json!({"type": "response.completed", "response": response("completed")}),
    ]
}

#[test]
fn wrong_streams_of_calls_are_seen() {
    read(&whole(&good())).expect("a good stream");
    let wrong = [
        (2, "/item/arguments", json!("{")),
        (2, "/item/call_id", json!("call_2")),
        (2, "/item/name", json!("")),
        (2, "/item/type", json!("message")),
        (2, "/output_index", json!(1)),
        (3, "/delta", json!("")),
        (4, "/delta", json!(":2}")),
        (4, "/item_id", json!("fc_2")),
        (5, "/output_index", json!(1)),
        (5, "/name", json!("g")),
        (5, "/arguments", json!("{}")),
        (6, "/item/id", json!("fc_2")),
        (6, "/item/arguments", json!("{}")),
        (0, "/response/status", json!("completed")),
        (7, "/response/status", json!("in_progress")),
        (7, "/response/id", json!("resp_2")),
        (7, "/response/usage", Value::Null),
        (7, "/response/output", json!([])),
    ];
    check_controls(&good(), &wrong, |text| read(text).is_err());
}
