//! Calls of tools.

use axum::Router;
use serde_json::{Value, json};

use super::client::{Stream, chat, post_chat, send};
use super::model::{ANSWER, Behaviour, Script};
use super::server::{app, state};

fn tool(name: &str, parameters: &Value) -> Value {
    json!({"type": "function", "function": {"name": name, "description": "d", "parameters": parameters}})
}

/// Parameters with which a call is one text, but for white space.
pub(super) fn greeting() -> Value {
    let word = json!({"enum": ["hi, joe"]});
    json!({"type": "object", "properties": {"word": word}, "required": ["word"], "additionalProperties": false})
}

fn greet() -> Value {
    tool("greet", &greeting())
}

fn fields(choice: &Value) -> Value {
    let wait = tool("wait", &json!({"type": "object", "properties": {}, "additionalProperties": false}));
    json!({"tools": [greet(), wait], "tool_choice": choice, "max_tokens": 200, "parallel_tool_calls": false})
}

fn named(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

/// The one call of a choice's message: its name and its arguments.
fn call(message: &Value) -> (String, Value) {
    let calls = message["tool_calls"].as_array().expect("calls");
    let [call] = &calls[..] else { panic!("one call, not {calls:?}") };
    assert!(call["id"].as_str().is_some_and(|id| id.starts_with("call_") && id.len() == 29), "{call}");
    assert_eq!(call["type"], "function");
    let arguments = call["function"]["arguments"].as_str().expect("a text");
    let arguments = serde_json::from_str(arguments).unwrap_or_else(|error| panic!("{error}: {arguments}"));
    (call["function"]["name"].as_str().expect("a name").to_owned(), arguments)
}

/// What the deltas of a streamed call make together, read as SDKs do: the first has the id and the name, the others add to the arguments.
fn streamed(stream: &Stream) -> Value {
    let choices: Vec<&Value> = stream.choices(0).collect();
    let (opening, rest) = choices.split_first().expect("chunks");
    assert_eq!(opening["delta"], json!({"role": "assistant", "content": null}));
    let (finish, deltas) = rest.split_last().expect("an end");
    assert_eq!((&finish["delta"], &finish["finish_reason"]), (&json!({}), &json!("tool_calls")));
    let mut calls: Vec<Value> = Vec::new();
    for choice in deltas {
        assert!(choice["finish_reason"].is_null());
        let [delta] = &choice["delta"]["tool_calls"].as_array().expect("calls")[..] else { panic!("{choice}") };
        assert_eq!(choice["delta"].as_object().map(serde_json::Map::len), Some(1), "{choice}");
        let index = delta["index"].as_u64().expect("an index") as usize;
        if index == calls.len() {
            assert_eq!((&delta["type"], &delta["function"]["arguments"]), (&json!("function"), &json!("")));
            calls.push(delta.clone());
            continue;
        }
        let keys: Vec<&String> = delta.as_object().expect("an object").keys().collect();
        assert_eq!((keys.len(), index), (2, calls.len() - 1), "{delta}");
        let more = delta["function"]["arguments"].as_str().filter(|more| !more.is_empty()).expect("arguments");
        let so_far = calls[index]["function"]["arguments"].as_str().expect("arguments");
        calls[index]["function"]["arguments"] = json!(format!("{so_far}{more}"));
    }
    json!({"tool_calls": calls})
}

#[tokio::test]
async fn a_required_call_is_made() {
    let app = app();
    for (choice, name, arguments) in [
        (named("greet"), "greet", json!({"word": "hi, joe"})),
        (named("wait"), "wait", json!({})),
        (json!("required"), "", json!(null)),
    ] {
        for preference in [json!({}), json!({"loud": 2})] {
            let mut fields = fields(&choice);
            fields["preference"] = preference;
            let answer = chat(&app, fields.clone()).await.json();
            let choice = &answer["choices"][0];
            assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &json!(null)));
            let whole = call(&choice["message"]);
            assert!(name.is_empty() || whole == (name.to_owned(), arguments.clone()), "{whole:?}");
            fields["stream"] = json!(true);
            let stream = Stream::read(&chat(&app, fields).await);
            assert_eq!(call(&streamed(&stream)), whole);
        }
    }
}

#[tokio::test]
async fn where_the_model_says_something_else_it_is_said() {
    let app = app();
    for choice in [json!("auto"), json!("none"), json!(null)] {
        let mut fields = fields(&choice);
        let answer = chat(&app, fields.clone()).await.json();
        let message = &answer["choices"][0]["message"];
        assert_eq!((&message["content"], message.get("tool_calls")), (&json!(ANSWER), None), "{answer}");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        fields["stream"] = json!(true);
        assert_eq!(Stream::read(&chat(&app, fields).await).choice(0), (ANSWER.to_owned(), "stop".to_owned()));
    }
}

/// A server whose model says this, as far as it is allowed to.
fn saying(words: &'static str) -> Router {
    crate::app(state(Behaviour { script: Some(Script::of(words)), ..Behaviour::default() }))
}

#[tokio::test]
async fn an_opened_call_is_a_call_to_its_end() {
    let words = "So. \n<tool_call>\n{\"name\": \"greet\", whatever it is that the model wants to say here, it cannot";
    let whole = chat(&saying(words), fields(&json!("auto"))).await.json()["choices"][0].take();
    assert_eq!(
        (&whole["finish_reason"], &whole["message"]["content"]),
        (&json!("tool_calls"), &json!("So.")),
        "{whole}"
    );
    assert_eq!(call(&whole["message"]), ("greet".to_owned(), json!({"word": "hi, joe"})));
    let mut fields = fields(&json!(null));
    fields["stream"] = json!(true);
    let stream = Stream::read(&chat(&saying(words), fields).await);
    let deltas: Vec<Value> = stream.choices(0).map(|choice| choice["delta"].clone()).collect();
    assert_eq!(deltas[0], json!({"role": "assistant", "content": ""}));
    let text: String = deltas.iter().filter_map(|delta| delta["content"].as_str()).collect();
    let named: Vec<&Value> = deltas.iter().filter(|delta| delta["tool_calls"][0]["id"].is_string()).collect();
    assert_eq!((text.as_str(), named.len()), ("So.", 1), "{deltas:?}");
}

#[tokio::test]
async fn several_calls_are_made_where_they_may_be() {
    let wait = "<tool_call>\n{\"name\": \"wait\", \"arguments\": {}}\n</tool_call>";
    let greet = "<tool_call>\n{\"name\": \"greet\", \"arguments\": {\"word\": \"hi, joe\"}}\n</tool_call>";
    // Whatever the model wants, no call is made twice: of two tools with one call each there are two calls.
    let both: &'static str = format!("{wait}\n{greet}\n{wait}").leak();
    let twice: &'static str = format!("{wait}\n{wait}").leak();
    for (parallel, count, default) in [
        (json!(true), 2, true),
        (json!(null), 2, true),
        (json!(false), 1, true),
        (json!(null), 1, false),
        (json!(true), 2, false),
    ] {
        let mut fields = fields(&json!("auto"));
        fields["parallel_tool_calls"] = parallel;
        let saying = |words| {
            let mut state = state(Behaviour { script: Some(Script::of(words)), ..Behaviour::default() });
            state.defaults.parallel_calls = default;
            crate::app(state)
        };
        let again = chat(&saying(twice), fields.clone()).await.json()["choices"][0].take();
        let made = again["message"]["tool_calls"].as_array().expect("calls");
        assert!(
            made.len() <= count && made.iter().filter(|call| call["function"]["name"] == "wait").count() == 1,
            "{again}"
        );
        let choice = chat(&saying(both), fields).await.json()["choices"][0].take();
        assert_eq!(choice["message"]["tool_calls"].as_array().map(Vec::len), Some(count), "{choice}");
        assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &json!(null)));
    }
}

#[tokio::test]
async fn what_opens_no_call_is_text() {
    let answer = chat(&saying("a <tool_box> \n<tool"), fields(&json!("auto"))).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "a <tool_box> \n<tool");
    let answer = chat(&saying("<tool_call>"), fields(&json!("none"))).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "<tool_call>", "nothing is called where nothing may be");
}

#[tokio::test]
async fn a_call_that_is_cut_is_told_as_far_as_it_came() {
    let app = app();
    let mut fields = fields(&named("greet"));
    fields["max_tokens"] = json!(20);
    let choice = chat(&app, fields.clone()).await.json()["choices"][0].take();
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("length"), &json!("")),
        "no call yet"
    );
    let head = "<tool_call>\n{\"name\": \"greet\", \"arguments\": ".len();
    fields["max_tokens"] = json!(head + 3);
    let choice = chat(&app, fields).await.json()["choices"][0].take();
    assert_eq!(choice["finish_reason"], "length");
    let arguments = choice["message"]["tool_calls"][0]["function"]["arguments"].as_str().expect("a text");
    assert!(arguments.len() == 3 && arguments.starts_with('{'), "{arguments}");
}

#[tokio::test]
async fn log_probabilities_tell_the_call_as_it_was_written() {
    let mut fields = fields(&named("greet"));
    (fields["logprobs"], fields["pad"]) = (json!(true), json!({"trace": true}));
    let app = app();
    let whole = chat(&app, fields.clone()).await.json()["choices"][0].take();
    fields["stream"] = json!(true);
    let stream = Stream::read(&chat(&app, fields).await);
    let joined = |choices: &[&Value], list: fn(&Value) -> &Value, key: &str| -> String {
        let entries = choices.iter().filter_map(|choice| list(choice).as_array()).flatten();
        entries.map(|entry| entry[key].as_str().expect("a text")).collect()
    };
    let chunks: Vec<&Value> = stream.choices(0).collect();
    for choices in [&[&whole][..], &chunks[..]] {
        let text = joined(choices, |choice| &choice["logprobs"]["content"], "token");
        assert!(text.starts_with("<tool_call>\n{\"name\": \"greet\"") && text.ends_with("}\n</tool_call>"), "{text}");
        assert_eq!(joined(choices, |choice| &choice["pad"]["trace"], "text"), text);
    }
}

#[tokio::test]
async fn several_choices_have_calls_of_their_own() {
    let mut fields = fields(&named("greet"));
    fields["n"] = json!(3);
    let answer = chat(&app(), fields).await.json();
    let ids: Vec<&Value> = (0..3).map(|i| &answer["choices"][i]["message"]["tool_calls"][0]["id"]).collect();
    assert!(ids.iter().all(|id| id.is_string()) && ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn calls_and_results_can_be_sent_back() {
    let call =
        json!({"id": "call_1", "type": "function", "function": {"name": "greet", "arguments": "{\"word\": \"hi\"}"}});
    let messages = json!([
        {"role": "user", "content": "greet joe"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"}
    ]);
    let app = app();
    for tools in [json!(null), json!([greet()])] {
        let body = json!({"messages": messages, "tools": tools, "preference": {"loud": 1}});
        let answer = send(&app, post_chat(body.to_string())).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

#[tokio::test]
async fn what_is_wrong_with_tools_is_named() {
    let app = app();
    let parameters = |parameters: Value, strict: bool| {
        let mut tool = tool("f", &parameters);
        tool["function"]["strict"] = json!(strict);
        json!({"tools": [greet(), tool]})
    };
    let place = "tools[1].function.parameters";
    for (fields, param, says) in [
        (json!({"tools": [tool("no blanks", &json!({}))]}), "tools[0].function.name", "no blanks"),
        (json!({"tools": [tool("", &json!({}))]}), "tools[0].function.name", "1 to 64"),
        (json!({"tools": [greet(), greet()]}), "tools[1].function.name", "another"),
        (json!({"tools": vec![greet(); 129]}), "tools", "128"),
        (json!({"tools": [{"type": "custom"}]}), "tools[0].type", "function"),
        (parameters(json!({"type": "array"}), false), place, "object"),
        (parameters(json!({"properties": {"a": {"uniqueItems": true, "type": "array"}}}), true), place, "uniqueItems"),
        (parameters(json!({"properties": {"a": {"type": "strin"}}}), false), place, "strin"),
        (json!({"tools": [greet()], "tool_choice": named("other")}), "tool_choice", "not among"),
        (json!({"tool_choice": "required"}), "tool_choice", "no tool"),
        (json!({"tools": [greet()], "tool_choice": "any"}), "tool_choice", "required"),
        (json!({"functions": [{"name": "f"}]}), "functions", "tools"),
    ] {
        let answer = chat(&app, fields.clone()).await;
        assert_eq!(answer.status, 400, "{fields}: {}", answer.text);
        let error = answer.error();
        assert_eq!(error["param"], param, "{error}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(says)), "{error}");
    }
    // What is not strict is held to as far as it can be.
    let lenient = parameters(json!({"properties": {"a": {"uniqueItems": true, "type": "array"}}}), false);
    assert_eq!(chat(&app, lenient).await.status, 200);
    for harmless in [json!({"tools": []}), json!({"tool_choice": "auto"}), json!({"tool_choice": "none"})] {
        assert_eq!(chat(&app, harmless).await.json()["choices"][0]["message"]["content"], ANSWER);
    }
}
