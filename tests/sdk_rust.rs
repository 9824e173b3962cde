//! async-openai, an SDK for Rust, against the server.

use std::collections::BTreeSet;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::{
    ChatCompletionMessageToolCalls, CompletionUsage, CreateChatCompletionRequest, CreateChatCompletionResponse,
    FinishReason, Role,
};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::client::{ask, with};
use crate::server::Server;

fn client() -> Client<OpenAIConfig> {
    let config = OpenAIConfig::new().with_api_base(format!("http://{}/v1", Server::reference().address()));
    let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    Client::build(http, config.with_api_key("unused"))
}

/// A request in the SDK's own types.
fn request(fields: &Value) -> CreateChatCompletionRequest {
    let body = with(ask("What is the capital of France?", 16), json!({"model": "smollm2-135m-instruct"}));
    serde_json::from_value(with(body, fields.clone())).expect("a request as the SDK knows it")
}

fn whole(fields: &Value) -> Result<CreateChatCompletionResponse, OpenAIError> {
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async { client().chat().create(request(fields)).await })
}

/// What a stream said, as the SDK tells it.
#[derive(Default)]
struct Told {
    text: String,
    roles: Vec<Role>,
    reasons: Vec<FinishReason>,
    usages: Vec<CompletionUsage>,
    ids: BTreeSet<String>,
    calls: Vec<(String, String)>,
}

fn streamed(fields: &Value) -> Told {
    let mut told = Told::default();
    let fields = with(fields.clone(), json!({"stream_options": {"include_usage": true}}));
    Runtime::new().expect("a runtime").block_on(async {
        let mut stream = client().chat().create_stream(request(&fields)).await.expect("a stream");
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.expect("a chunk that the SDK knows");
            told.ids.insert(chunk.id);
            told.usages.extend(chunk.usage);
            for choice in chunk.choices {
                told.text.push_str(&choice.delta.content.unwrap_or_default());
                told.roles.extend(choice.delta.role);
                told.reasons.extend(choice.finish_reason);
                for call in choice.delta.tool_calls.into_iter().flatten() {
                    let function = call.function.expect("a function");
                    if let Some(name) = function.name {
                        assert_eq!(call.index as usize, told.calls.len(), "calls begin in order");
                        told.calls.push((name, String::new()));
                    }
                    told.calls[call.index as usize].1.push_str(&function.arguments.unwrap_or_default());
                }
            }
        }
    });
    assert_eq!((told.ids.len(), told.roles.as_slice(), told.reasons.len()), (1, [Role::Assistant].as_slice(), 1));
    assert_eq!(told.usages.len(), 1);
    told
}

fn city() -> Value {
    json!({
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}, "people": {"type": "integer", "minimum": 0, "maximum": 99}},
        "required": ["city", "people"],
        "additionalProperties": false
    })
}

fn assert_city(text: &str) {
    let value: Value = serde_json::from_str(text).expect("JSON");
    assert!(value["city"].is_string() && value["people"].as_u64().is_some_and(|people| people < 100), "{text}");
    assert_eq!(value.as_object().map(serde_json::Map::len), Some(2), "{text}");
}

#[test]
fn words_come_whole_and_in_chunks() {
    let completion = whole(&json!({})).expect("a completion");
    let choice = &completion.choices[0];
    let text = choice.message.content.as_deref().expect("a text");
    assert!(text.contains("Paris"), "{text}");
    assert_eq!(choice.finish_reason, Some(FinishReason::Stop));
    let usage = completion.usage.expect("usage");
    assert_eq!(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
    let told = streamed(&json!({}));
    assert_eq!(told.text, text);
    assert_eq!((told.reasons[0], told.usages[0].total_tokens), (FinishReason::Stop, usage.total_tokens));
}

#[test]
fn tools_are_called() {
    let fields = json!({
        "max_tokens": 120,
        "tools": [{"type": "function", "function": {"name": "get_weather", "strict": true, "parameters": city()}}],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}}
    });
    let completion = whole(&fields).expect("a completion");
    let choice = &completion.choices[0];
    assert_eq!((choice.finish_reason, &choice.message.content), (Some(FinishReason::ToolCalls), &None));
    let calls = choice.message.tool_calls.as_deref().unwrap_or_default();
    let [ChatCompletionMessageToolCalls::Function(call)] = calls else { panic!("one call of a function: {calls:?}") };
    assert_eq!(call.function.name, "get_weather");
    assert_city(&call.function.arguments);
    let told = streamed(&fields);
    assert_eq!(told.calls, [(call.function.name.clone(), call.function.arguments.clone())]);
    assert_eq!((told.reasons[0], told.text.as_str()), (FinishReason::ToolCalls, ""));
}

#[test]
fn answers_have_the_form_of_a_schema() {
    let format = json!({"type": "json_schema", "json_schema": {"name": "city", "strict": true, "schema": city()}});
    let fields = json!({"max_tokens": 80, "response_format": format});
    let completion = whole(&fields).expect("a completion");
    let text = completion.choices[0].message.content.as_deref().expect("a text");
    assert_city(text);
    assert_eq!(streamed(&fields).text, text);
}

#[test]
fn refusals_are_errors_of_the_sdk() {
    let refused = whole(&json!({"temperature": 1.5, "top_p": -1.0})).expect_err("it is refused");
    let OpenAIError::ApiError(answer) = refused else { panic!("an error of the interface: {refused:?}") };
    assert_eq!((answer.status_code.as_u16(), answer.api_error.param.as_deref()), (400, Some("top_p")));
    assert_eq!(answer.api_error.r#type.as_deref(), Some("invalid_request_error"));
    assert!(!answer.api_error.message.is_empty());
}
