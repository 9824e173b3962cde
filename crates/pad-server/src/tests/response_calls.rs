//! Responses that call functions, have a form, or tell log-probabilities.

use axum::Router;
use serde_json::{Value, json};

use super::client::Answer;
use super::model::{ANSWER, Behaviour, Script};
use super::responses::{events, respond, response, text};
use super::server::{app, state};
use super::tools::greeting;

fn tool(name: &str, parameters: &Value) -> Value {
    json!({"type": "function", "name": name, "description": "d", "parameters": parameters, "strict": true})
}

fn greet() -> Value {
    tool("greet", &greeting())
}

fn fields(choice: &Value) -> Value {
    let wait = tool("wait", &json!({"type": "object", "properties": {}, "additionalProperties": false}));
    json!({"tools": [greet(), wait], "tool_choice": choice, "max_output_tokens": 200, "parallel_tool_calls": false})
}

fn named(name: &str) -> Value {
    json!({"type": "function", "name": name})
}

/// A server whose model says this, as far as it is allowed to.
fn saying(words: &'static str) -> Router {
    crate::app(state(Behaviour { script: Some(Script::of(words)), ..Behaviour::default() }))
}

/// A call's name and arguments.
fn call(item: &Value) -> (&str, Value) {
    assert_eq!((&item["type"], &item["status"]), (&json!("function_call"), &json!("completed")), "{item}");
    let begins = |key: &str, with: &str| item[key].as_str().is_some_and(|id| id.starts_with(with));
    assert!(begins("id", "fc_") && begins("call_id", "call_"), "{item}");
    let arguments = item["arguments"].as_str().expect("a text");
    (item["name"].as_str().expect("a name"), serde_json::from_str(arguments).expect("JSON"))
}

/// Reads a stream as SDKs do: items are added, grow by deltas and are done, one after the other; the items, with what the deltas make.
fn grown(answer: &Answer) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    let mut open = false;
    let events = events(answer);
    for event in &events {
        let kind = event["type"].as_str().expect("a type");
        let item_event = event.get("output_index").is_some();
        if kind == "response.output_item.added" {
            assert!(!open, "one after the other");
            open = true;
            assert_eq!(
                (&event["output_index"], &event["item"]["status"]),
                (&json!(items.len()), &json!("in_progress"))
            );
            items.push(json!({"id": event["item"]["id"], "type": event["item"]["type"], "grown": ""}));
            continue;
        }
        let count = items.len();
        let Some(item) = items.last_mut().filter(|_| item_event) else { continue };
        assert!(open && event["output_index"] == count - 1, "{event}");
        if kind == "response.output_item.done" {
            assert_eq!(event["item"]["id"], item["id"]);
            let whole = [&event["item"]["arguments"], &event["item"]["content"][0]["text"]];
            assert!(whole.contains(&&item["grown"]), "{event} is not {item}");
            *item = event["item"].clone();
            open = false;
            continue;
        }
        assert_eq!(event["item_id"], item["id"], "{event}");
        if let Some(delta) = event["delta"].as_str() {
            assert!(!delta.is_empty(), "{event}");
            item["grown"] = json!(format!("{}{delta}", item["grown"].as_str().expect("a text")));
        }
        if let Some(arguments) = event.get("arguments") {
            assert_eq!((kind, arguments), ("response.function_call_arguments.done", &item["grown"]));
        }
    }
    let last = &events.last().expect("events")["response"];
    assert_eq!(last["output"].as_array(), Some(&items), "the response has what was told");
    items
}

#[tokio::test]
async fn a_required_call_is_made() {
    let app = app();
    for (choice, name, arguments) in
        [(named("greet"), "greet", json!({"word": "hi, joe"})), (named("wait"), "wait", json!({}))]
    {
        for preference in [json!({}), json!({"loud": 2})] {
            let mut fields = fields(&choice);
            fields["preference"] = preference;
            let whole = response(&app, fields.clone()).await;
            assert_eq!((&whole["status"], whole["output"].as_array().map(Vec::len)), (&json!("completed"), Some(1)));
            assert_eq!(call(&whole["output"][0]), (name, arguments.clone()));
            assert_eq!((&whole["tools"][0], &whole["tool_choice"]), (&greet(), &choice), "the request's");
            assert_eq!(whole["parallel_tool_calls"], false);
            fields["stream"] = json!(true);
            let items = grown(&respond(&app, fields).await);
            assert_eq!((items.len(), call(&items[0])), (1, (name, arguments.clone())));
        }
    }
}

#[tokio::test]
async fn words_come_before_a_call() {
    let words = "So. \n<tool_call>\n{\"name\": \"greet\", whatever it is that the model wants to say here, it cannot";
    let mut fields = fields(&json!("auto"));
    (fields["include"], fields["pad"]) = (json!(["message.output_text.logprobs"]), json!({"trace": true}));
    let whole = response(&saying(words), fields.clone()).await;
    fields["stream"] = json!(true);
    for items in [whole["output"].as_array().expect("items").clone(), grown(&respond(&saying(words), fields).await)] {
        let [message, greeting] = &items[..] else { panic!("{items:?}") };
        assert_eq!((&message["content"][0]["text"], &message["status"]), (&json!("So."), &json!("completed")));
        let tokens = message["content"][0]["logprobs"].as_array().expect("a list");
        let joined: String = tokens.iter().filter_map(|entry| entry["token"].as_str()).collect();
        assert_eq!(joined, "So.", "the tokens of the call are not the message's");
        assert_eq!(call(greeting), ("greet", json!({"word": "hi, joe"})));
        let traced = |item: &Value| item["pad"]["trace"].as_array().map_or(0, Vec::len);
        assert!(traced(message) >= 3 && traced(greeting) >= 10, "{items:?}");
        let tokens = whole["usage"]["output_tokens"].as_u64().expect("a number") as usize;
        assert_eq!(traced(message) + traced(greeting), tokens, "every token is explained");
    }
}

#[tokio::test]
async fn several_calls_are_items_of_their_own() {
    let one = "<tool_call>\n{\"name\": \"wait\", \"arguments\": {}}\n</tool_call>";
    let other = "<tool_call>\n{\"name\": \"greet\", \"arguments\": {\"word\": \"hi, joe\"}}\n</tool_call>";
    let words: &'static str = format!("{one}\n{other}").leak();
    for (parallel, count) in [(json!(null), 2), (json!(false), 1)] {
        let mut fields = fields(&json!("auto"));
        fields["parallel_tool_calls"] = parallel;
        fields["stream"] = json!(true);
        let items = grown(&respond(&saying(words), fields).await);
        assert_eq!(items.iter().map(|item| call(item).0).collect::<Vec<_>>(), ["wait", "greet"][..count]);
        assert!(count == 1 || items[0]["call_id"] != items[1]["call_id"]);
    }
}

#[tokio::test]
async fn a_call_that_is_cut_is_incomplete() {
    let mut fields = fields(&named("greet"));
    fields["max_output_tokens"] = json!("<tool_call>\n{\"name\": \"greet\", \"arguments\": ".len() + 3);
    let whole = response(&app(), fields.clone()).await;
    assert_eq!((&whole["status"], &whole["output"][0]["status"]), (&json!("incomplete"), &json!("incomplete")));
    assert_eq!(whole["output"][0]["arguments"].as_str().map(str::len), Some(3), "{whole}");
    fields["max_output_tokens"] = json!(20);
    let early = response(&app(), fields).await;
    assert_eq!((text(&early), &early["status"]), ("", &json!("incomplete")), "no call yet");
}

#[tokio::test]
async fn calls_and_what_they_gave_go_on() {
    let app = app();
    let first = response(&app, fields(&named("greet"))).await;
    let called = &first["output"][0];
    let given = json!({"type": "function_call_output", "call_id": called["call_id"], "output": "done"});
    let follow = json!({"previous_response_id": first["id"], "input": [given]});
    let after = response(&app, follow).await;
    assert_eq!(text(&after), ANSWER);
    // The same conversation, sent whole: it is as long.
    let hello = json!({"role": "user", "content": "hello"});
    let whole = response(&app, json!({"input": [hello, called, given]})).await;
    assert_eq!(whole["usage"]["input_tokens"], after["usage"]["input_tokens"]);
    let without = response(&app, json!({"input": [hello, given]})).await;
    let tokens = |response: &Value| response["usage"]["input_tokens"].as_u64().expect("a number");
    assert!(tokens(&whole) > tokens(&without) + 40, "the call is read");
    // A call joins the words before it, and calls each other.
    let said = json!({"role": "assistant", "content": "So."});
    let input = |items: &[&Value]| json!({"input": items});
    let (one, two) = (json!([hello, said, called, called, given]), json!([hello, said, called, given]));
    assert!(
        tokens(&response(&app, json!({"input": one})).await) > tokens(&response(&app, json!({"input": two})).await)
    );
    let turn = "_assistant\n_\n".len() as u64;
    let apart = tokens(&response(&app, input(&[&hello, &said, &given])).await) + tokens(&whole) - tokens(&without);
    let joined = tokens(&response(&app, input(&[&hello, &said, called, &given])).await);
    assert_eq!(joined, apart - turn + 1, "one turn, and a line break between");
}

#[tokio::test]
async fn a_text_has_a_form() {
    let app = app();
    let letter = json!({"type": "object", "properties": {"a": {"enum": ["h", "H"]}}, "required": ["a"], "additionalProperties": false});
    let format = json!({"type": "json_schema", "name": "n", "strict": true, "schema": letter});
    for stream in [false, true] {
        let fields = json!({"text": {"format": format}, "max_output_tokens": 60, "stream": stream});
        let answer = respond(&app, fields).await;
        let item = if stream { grown(&answer)[0].clone() } else { answer.json()["output"][0].clone() };
        let text = item["content"][0]["text"].as_str().expect("a text");
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(value["a"] == "h" || value["a"] == "H", "{text}");
        if !stream {
            assert_eq!(answer.json()["text"]["format"], format, "the request's");
        }
    }
    let object = response(&app, json!({"text": {"format": {"type": "json_object"}}, "max_output_tokens": 3})).await;
    assert!(text(&object).starts_with('{'), "{object}");
    let plain = response(&app, json!({"text": {"format": {"type": "text"}, "verbosity": "low"}})).await;
    assert_eq!((text(&plain), &plain["text"]), (ANSWER, &json!({"format": {"type": "text"}})));
}

#[tokio::test]
async fn log_probabilities_are_told_where_they_are_asked_for() {
    let app = app();
    let asked = json!({"include": ["message.output_text.logprobs", "reasoning.encrypted_content"]});
    let joined = |list: &[Value]| -> String { list.iter().filter_map(|entry| entry["token"].as_str()).collect() };
    for (mut fields, top) in [(asked, 0), (json!({"top_logprobs": 2}), 2)] {
        let whole = response(&app, fields.clone()).await;
        let told = whole["output"][0]["content"][0]["logprobs"].as_array().expect("a list").clone();
        assert_eq!((joined(&told).as_str(), &whole["top_logprobs"]), (ANSWER, &json!(top)));
        assert!(told.iter().all(|entry| entry["top_logprobs"].as_array().map(Vec::len) == Some(top)));
        fields["stream"] = json!(true);
        let events = events(&respond(&app, fields).await);
        let mut streamed = Vec::new();
        for event in events.iter().filter(|event| event["type"] == "response.output_text.delta") {
            let entries = event["logprobs"].as_array().expect("a list");
            assert_eq!(joined(entries), event["delta"].as_str().expect("words"));
            streamed.extend(entries.iter().cloned());
        }
        assert_eq!(streamed, told);
        let done = events.iter().find(|event| event["type"] == "response.output_text.done").expect("an end");
        assert_eq!(done["logprobs"].as_array(), Some(&told));
    }
    assert_eq!(response(&app, json!({})).await["output"][0]["content"][0]["logprobs"], json!([]));
}

#[tokio::test]
async fn what_is_wrong_is_named_as_it_is_written_here() {
    let app = app();
    let unique = json!({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": true}}});
    let schema = |schema: Value| json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}});
    for (fields, param) in [
        (json!({"tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"tools": [greet(), greet()]}), "tools[1].name"),
        (json!({"tools": [greet(), tool("f", &unique)]}), "tools[1].parameters"),
        (json!({"tools": [greet()], "tool_choice": named("other")}), "tool_choice"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (schema(unique.clone()), "text.format.schema"),
        (json!({"text": {"format": {"type": "json_schema", "name": "n"}}}), "text.format.schema"),
        (json!({"text": {"format": {"type": "json_schema", "schema": {}}}}), "text.format.name"),
        (json!({"text": {"format": {"type": "xml"}}}), "text.format.type"),
        (json!({"top_logprobs": 21}), "top_logprobs"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"prompt": {"id": "p"}}), "prompt"),
        (json!({"input": [{"type": "function_call_output", "output": "o"}]}), "input[0].call_id"),
    ] {
        let answer = respond(&app, fields.clone()).await;
        let error = answer.error();
        assert_eq!((answer.status.as_u16(), &error["param"]), (400, &json!(param)), "{fields}: {error}");
        let names = error["message"].as_str().is_some_and(|message| message.contains(&format!("`{param}`")));
        assert!(names || param == "tool_choice" || param == "tools[0].name" || param == "input[0].call_id", "{error}");
    }
}
