//! What real clients send, as they send it.

use serde_json::{Value, json};

use super::client::{chat, get, post_chat, send};
use super::completions::complete;
use super::model::ANSWER;
use super::responses::respond;
use super::server::app;

#[tokio::test]
async fn what_clients_send_by_habit_changes_nothing() {
    let app = app();
    for habit in [
        json!({"stop": []}),
        json!({"top_p": 0}),
        json!({"top_p": 0, "temperature": 1}),
        json!({"seed": 1.0, "n": 1.0, "max_tokens": 400.0}),
        json!({"logprobs": false, "top_logprobs": 0}),
        json!({"top_logprobs": 0}),
        json!({"functions": []}),
        json!({"functions": [], "function_call": "auto"}),
        json!({"stream_options": {"include_usage": true}}),
        json!({"max_tokens": -1}),
        json!({"max_completion_tokens": -1}),
        json!({"max_tokens": 32000}),
        json!({"max_tokens": i64::MAX}),
        json!({"model": ""}),
        json!({"logit_bias": {"100257": -100}}),
        json!({"logit_bias": {"99999999999": 5}}),
        json!({"modalities": ["text"], "audio": {"voice": "alloy", "format": "wav"}}),
        json!({"add_generation_prompt": true}),
        json!({"extra_body": {}}),
        json!({"metadata": {"trace": "t"}}),
        json!({"tool_choice": "none", "tools": [{"type": "function", "function": {"name": "a.b-c_d"}}]}),
    ] {
        let answer = chat(&app, habit.clone()).await;
        assert_eq!(answer.status, 200, "{habit}: {}", answer.text);
        assert_eq!(answer.json()["choices"][0]["message"]["content"], ANSWER, "{habit}");
    }
    for habit in
        [json!({"stop": []}), json!({"top_p": 0}), json!({"max_tokens": -1}), json!({"seed": 2.0, "best_of": 1.0})]
    {
        let answer = complete(&app, habit.clone()).await;
        assert_eq!(answer.status, 200, "{habit}: {}", answer.text);
    }
    for habit in [json!({"top_p": 0}), json!({"max_output_tokens": 32000}), json!({"seed": 2.0}), json!({"model": ""})]
    {
        let answer = respond(&app, habit.clone()).await;
        assert_eq!(answer.status, 200, "{habit}: {}", answer.text);
    }
}

#[tokio::test]
async fn older_and_richer_messages_are_read() {
    let app = app();
    let said = |message: Value| json!({"messages": [{"role": "user", "content": "a"}, message, {"role": "user", "content": "b"}]});
    let tokens = async |message: Value| {
        let answer = send(&app, post_chat(said(message.clone()).to_string())).await;
        assert_eq!(answer.status, 200, "{message}: {}", answer.text);
        answer.json()["usage"]["prompt_tokens"].clone()
    };
    let plain = tokens(json!({"role": "assistant", "content": "no"})).await;
    let refusal = json!({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]});
    assert_eq!(tokens(refusal).await, plain, "a refusal is what was said");
    let call = |arguments: Value| {
        let call = json!({"id": "f", "type": "function", "function": {"name": "f", "arguments": arguments}});
        json!({"role": "assistant", "content": null, "tool_calls": [call]})
    };
    let written = tokens(call(json!("{\"a\":1}"))).await;
    assert_eq!(tokens(call(json!({"a": 1}))).await, written, "arguments may be an object");
    let older = json!({"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{\"a\":1}"}});
    assert_eq!(tokens(older).await, written, "a call by its older name");
    let tool = tokens(json!({"role": "tool", "tool_call_id": "f", "content": "42"})).await;
    assert_eq!(
        tokens(json!({"role": "function", "name": "f", "content": "42"})).await,
        tool,
        "a result by its older name"
    );
}

#[tokio::test]
async fn what_would_be_ignored_in_silence_is_refused() {
    let app = app();
    for (fields, param) in [
        (json!({"extra_body": {"preference": {"loud": 1}}}), "extra_body"),
        (json!({"modalities": ["text", "audio"]}), "modalities"),
        (json!({"audio": {"voice": "alloy"}}), "audio"),
        (json!({"functions": [{"name": "f"}]}), "functions"),
        (json!({"preference": "{\"loud\": 1"}), "preference"),
        (json!({"continue_final_message": true}), "continue_final_message"),
        (json!({"continue_final_message": true, "add_generation_prompt": true}), "add_generation_prompt"),
        (json!({"add_generation_prompt": false}), "add_generation_prompt"),
        (
            json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
            {"type": "function", "function": {"name": "f"}}]}}}),
            "tool_choice",
        ),
    ] {
        let answer = chat(&app, fields.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.error()["param"]),
            (400, &json!(param)),
            "{fields}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_preference_in_a_string_of_json_steers() {
    let app = app();
    let loud = chat(&app, json!({"preference": {"loud": 1}})).await.json();
    let written = chat(&app, json!({"preference": "{\"loud\": 1}"})).await.json();
    assert_eq!(written["choices"], loud["choices"]);
    assert_eq!(written["usage"]["pad"]["reward_lanes"], 1);
}

/// The parrot's next word follows from the last byte that it reads.
#[tokio::test]
async fn the_last_message_is_continued() {
    let app = app();
    let continued = async |begun: &str| {
        let messages = json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": begun}]);
        let fields = json!({"messages": messages, "continue_final_message": true, "add_generation_prompt": false});
        let answer = send(&app, post_chat(fields.to_string())).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    };
    let answer = continued("hi,").await;
    assert_eq!(answer["choices"][0]["message"]["content"], ANSWER["hi,".len()..]);
    let whole = chat(&app, json!({})).await.json();
    let tokens = |answer: &Value| answer["usage"]["prompt_tokens"].as_u64().expect("a number");
    assert_eq!(tokens(&answer), tokens(&whole) + 3, "no end of a turn, and no new turn");
    assert_eq!(continued("").await["choices"][0]["message"]["content"], ANSWER);
}

#[tokio::test]
async fn tools_of_a_choice_are_the_only_ones_that_are_called() {
    let app = app();
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}});
    let fields = json!({"tools": [tool("first"), tool("second.one")], "tool_choice": {"type": "allowed_tools", "allowed_tools": {
        "mode": "required", "tools": [{"type": "function", "function": {"name": "second.one"}}]
    }}, "parallel_tool_calls": false, "max_tokens": 300});
    let answer = chat(&app, fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let calls = answer.json()["choices"][0]["message"]["tool_calls"].clone();
    assert_eq!(calls[0]["function"]["name"], "second.one", "{calls}");
}

#[tokio::test]
async fn tools_of_a_namespace_are_called_by_both_names() {
    let app = app();
    let function = json!({"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}});
    let tools = json!([{"type": "web_search"}, {"type": "namespace", "name": "mcp__files", "tools": [function]}]);
    let fields =
        json!({"tools": tools, "tool_choice": "required", "parallel_tool_calls": false, "max_output_tokens": 300});
    let answer = respond(&app, fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let response = answer.json();
    let call = &response["output"][0];
    assert_eq!(
        (&call["type"], &call["name"], &call["namespace"]),
        (&json!("function_call"), &json!("read"), &json!("mcp__files"))
    );
    assert_eq!(response["tools"].as_array().map(Vec::len), Some(1), "what is not run here is left out");
    let items =
        get(&app, &format!("/v1/responses/{}/input_items", response["id"].as_str().expect("an id"))).await.json();
    assert_eq!(items["data"][0]["content"][0]["type"], "input_text", "{items}");
}
