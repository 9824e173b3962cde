//! Requests as coding agents send them: the bodies in `data/agents` were recorded, and only their texts were shortened.
//!
//! docs/comparison.md has what each agent was run with.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::client::with;
use crate::sdk::file;
use crate::server::Server;
use crate::sse::Stream;
use crate::sse_responses::events;

/// The route and the body of an agent's request, for a short answer.
fn recorded(agent: &str) -> (String, Value) {
    let text = fs::read_to_string(file("data/agents").join(agent).with_extension("json")).expect("the file is there");
    let request: Value = serde_json::from_str(&text).expect("it is JSON");
    let path = request["path"].as_str().expect("a path").to_owned();
    let limit = ["max_tokens", "max_completion_tokens"].into_iter().find(|name| request["body"].get(name).is_some());
    (path, with(request["body"].clone(), json!({limit.unwrap_or("max_output_tokens"): 40, "temperature": 0})))
}

/// The names of all functions that a request offers, those in namespaces as well.
fn names(tools: &Value) -> BTreeSet<String> {
    let tools = tools.as_array().expect("tools").iter();
    let of = |tool: &Value| match &tool["tools"] {
        Value::Array(_) => names(&tool["tools"]),
        _ => [&tool["function"]["name"], &tool["name"]]
            .into_iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    };
    tools.flat_map(of).collect()
}

#[test]
fn chats_of_agents_are_answered() {
    let client = Server::shared().client();
    for agent in ["opencode", "qwen-code", "pi"] {
        let (path, body) = recorded(agent);
        for choice in [json!({}), json!({"tool_choice": "required"})] {
            let is_required = choice != json!({});
            let answer = client.send("POST", &path, &with(body.clone(), choice).to_string());
            assert_eq!(answer.status, 200, "{agent}: {}", answer.text);
            let stream =
                Stream::read(&answer.text).unwrap_or_else(|fault| panic!("{agent}: {fault} in\n{}", answer.text));
            let said = &stream.choices[&0];
            assert!(stream.usage.is_some() && (!is_required || !said.calls.is_empty()), "{agent}: {said:?}");
            for (name, _) in &said.calls {
                assert!(names(&body["tools"]).contains(name), "{agent}: {name}");
            }
        }
    }
}

#[test]
fn responses_of_codex_are_answered() {
    let client = Server::shared().client();
    let (path, body) = recorded("codex");
    for choice in ["auto", "required"] {
        let answer = client.send("POST", &path, &with(body.clone(), json!({"tool_choice": choice})).to_string());
        assert_eq!(answer.status, 200, "{}", answer.text);
        let events = events(&answer.text).unwrap_or_else(|fault| panic!("{fault} in\n{}", answer.text));
        let last = events.last().expect("an event");
        assert!(["response.completed", "response.incomplete"].iter().any(|kind| last["type"] == *kind), "{last}");
        let calls = events.iter().filter(|event| event["type"] == "response.output_item.added");
        let calls: Vec<&Value> =
            calls.map(|event| &event["item"]).filter(|item| item["type"] == "function_call").collect();
        assert!(choice == "auto" || !calls.is_empty(), "{}", answer.text);
        let names = names(&body["tools"]);
        assert!(calls.iter().all(|call| call["name"].as_str().is_some_and(|name| names.contains(name))), "{calls:?}");
    }
}
