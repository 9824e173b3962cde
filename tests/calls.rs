//! Calls of tools with the real model, read strictly.

use serde_json::{Value, json};

use crate::client::{ask, with};
use crate::server::Server;

fn tools() -> Value {
    let city = json!({"type": "string", "maxLength": 20});
    let unit = json!({"enum": ["celsius", "fahrenheit"]});
    let weather = json!({"type": "object", "properties": {"city": city, "unit": unit}, "required": ["city", "unit"],
        "additionalProperties": false});
    let hours = json!({"type": "object", "properties": {"hours": {"type": "integer", "minimum": 0, "maximum": 24}},
        "required": ["hours"], "additionalProperties": false});
    json!([
        {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": weather}},
        {"type": "function", "function": {"name": "set_alarm", "description": "Sets an alarm.", "parameters": hours, "strict": true}}
    ])
}

fn asked(fields: Value) -> Value {
    with(with(ask("What is the weather like in Oslo?", 160), json!({"tools": tools()})), fields)
}

fn check(name: &str, arguments: &str) {
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_else(|error| panic!("{error}: {arguments}"));
    let good = match name {
        "get_weather" => {
            arguments["city"].as_str().is_some_and(|city| city.chars().count() <= 20)
                && ["celsius", "fahrenheit"].iter().any(|unit| arguments["unit"] == *unit)
        }
        "set_alarm" => arguments["hours"].as_u64().is_some_and(|hours| hours <= 24),
        _ => false,
    };
    assert!(good, "{name}: {arguments}");
}

#[test]
fn calls_come_whole_and_in_chunks_with_and_without_a_preference() {
    let client = Server::shared().client();
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    for choice in [json!("required"), named("get_weather"), named("set_alarm")] {
        for fields in [json!({}), json!({"preference": {"concise": 1}}), json!({"temperature": 1, "seed": 3})] {
            let body = asked(with(json!({"tool_choice": choice, "parallel_tool_calls": false}), fields));
            let completion = client.completion(&body);
            let message = &completion["choices"][0]["message"];
            assert_eq!(
                (&completion["choices"][0]["finish_reason"], &message["content"]),
                (&json!("tool_calls"), &json!(null))
            );
            let calls = message["tool_calls"].as_array().expect("calls");
            let function = &calls[0]["function"];
            let (name, arguments) =
                (function["name"].as_str().expect("a name"), function["arguments"].as_str().expect("a text"));
            check(name, arguments);
            assert_eq!(calls.len(), 1);
            assert!(choice == "required" || choice["function"]["name"] == name, "{completion}");
            let stream = client.stream(&body);
            let said = &stream.choices[&0];
            assert_eq!((said.finish.as_deref(), said.text.as_str()), (Some("tool_calls"), ""));
            assert_eq!(said.calls, [(name.to_owned(), arguments.to_owned())]);
        }
    }
}

#[test]
fn several_calls_are_counted() {
    let client = Server::shared().client();
    let body = asked(json!({"tool_choice": "required", "temperature": 1, "n": 4, "seed": 1, "max_tokens": 300}));
    let stream = client.stream(&body);
    for said in stream.choices.values() {
        assert!(!said.calls.is_empty(), "{said:?}");
        let whole = if said.finish.as_deref() == Some("length") { said.calls.len() - 1 } else { said.calls.len() };
        said.calls[..whole].iter().for_each(|(name, arguments)| check(name, arguments));
    }
}

/// A small model calls when it likes to; whatever it does, it is words or whole calls.
#[test]
fn where_a_call_may_come_words_or_calls_come() {
    let client = Server::shared().client();
    for seed in 0..4 {
        let stream = client.stream(&asked(json!({"temperature": 1, "seed": seed})));
        let said = &stream.choices[&0];
        match said.finish.as_deref() {
            Some("tool_calls") => said.calls.iter().for_each(|(name, arguments)| check(name, arguments)),
            Some("stop") => assert!(said.calls.is_empty() && !said.text.is_empty(), "{said:?}"),
            other => assert_eq!(other, Some("length"), "{said:?}"),
        }
    }
}

#[test]
fn a_conversation_goes_on_after_a_call() {
    let client = Server::shared().client();
    let call = json!({"id": "call_1", "type": "function",
        "function": {"name": "get_weather", "arguments": "{\"city\": \"Oslo\", \"unit\": \"celsius\"}"}});
    let messages = json!([
        {"role": "user", "content": "What is the weather like in Oslo?"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "It is sunny, and 21 degrees."}
    ]);
    let fields = json!({"messages": messages, "tool_choice": "none", "preference": {"concise": 1}});
    let completion = client.completion(&asked(fields));
    let content = completion["choices"][0]["message"]["content"].as_str().expect("words");
    assert!(!content.is_empty() && completion["choices"][0]["message"].get("tool_calls").is_none(), "{completion}");
}
