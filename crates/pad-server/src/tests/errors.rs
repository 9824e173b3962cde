//! Every error in the one shape.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{Answer, bare, chat, hello, post_chat, send};
use super::model::{Behaviour, CONTEXT};
use super::server::{app, state};
use crate::RequestLimits;

/// Status, `param` and `code` of an error.
fn brief(answer: &Answer) -> (u16, Value, Value) {
    let error = answer.error();
    (answer.status.as_u16(), error["param"].clone(), error["code"].clone())
}

#[tokio::test]
async fn values_that_are_not_allowed_are_named() {
    let app = app();
    let cases = [
        (json!({"temperature": 2.1}), "temperature", "0 to 2"),
        (json!({"temperature": -0.1}), "temperature", "-0.1"),
        (json!({"temperature": "hot"}), "temperature", "a number"),
        (json!({"top_p": -0.1}), "top_p", "0 to 1"),
        (json!({"top_p": 1.5}), "top_p", "1.5"),
        (json!({"min_p": 1.1}), "min_p", "0 to 1"),
        (json!({"min_p": -0.1}), "min_p", "-0.1"),
        (json!({"top_k": -2}), "top_k", "-1 or 0"),
        (json!({"top_k": 1.5}), "top_k", "whole number"),
        (json!({"presence_penalty": 2.1}), "presence_penalty", "-2 to 2"),
        (json!({"frequency_penalty": -2.1}), "frequency_penalty", "-2 to 2"),
        (json!({"repetition_penalty": 0}), "repetition_penalty", "0.01 to 100"),
        (json!({"repetition_penalty": 101}), "repetition_penalty", "101"),
        (json!({"logit_bias": {"5": 100.5}}), "logit_bias", "-100 to 100"),
        (json!({"logit_bias": {"hello": 1}}), "logit_bias", "`hello`"),
        (json!({"logit_bias": {"-1": 1}}), "logit_bias", "`-1`"),
        (json!({"logit_bias": {"259": 101}}), "logit_bias", "-100 to 100"),
        (json!({"logit_bias": {"5": "much"}}), "logit_bias", "a number"),
        (json!({"logit_bias": [5]}), "logit_bias", "an object"),
        (json!({"ignore_eos": 1}), "ignore_eos", "boolean"),
        (json!({"min_tokens": 5, "max_tokens": 4}), "min_tokens", "which is 4"),
        (json!({"min_tokens": 5, "max_completion_tokens": 3}), "min_tokens", "`max_completion_tokens`, which is 3"),
        (json!({"min_tokens": -1}), "min_tokens", "not negative"),
        (json!({"logprobs": 5}), "logprobs", "boolean"),
        (json!({"top_logprobs": 3}), "top_logprobs", "with `logprobs` true"),
        (json!({"logprobs": false, "top_logprobs": 1}), "top_logprobs", "with `logprobs` true"),
        (json!({"logprobs": true, "top_logprobs": 21}), "top_logprobs", "0 to 20"),
        (json!({"logprobs": true, "top_logprobs": -1}), "top_logprobs", "not negative"),
        (json!({"n": 0}), "n", "1 to 16"),
        (json!({"n": 17}), "n", "17"),
        (json!({"n": 1.5}), "n", "whole number"),
        (json!({"max_tokens": -2}), "max_tokens", "not negative"),
        (json!({"max_tokens": 4.5}), "max_tokens", "whole number"),
        (json!({"stop": ["a", "b", "c", "d", "e"]}), "stop", "5 strings"),
        (json!({"stop": ["a", ""]}), "stop", "empty"),
        (json!({"stop": {"a": 1}}), "stop", "array of strings"),
        (json!({"stream": true, "stream_options": 1}), "stream_options", "include_usage"),
        (json!({"messages": []}), "messages", "one message"),
        (json!({"messages": [{"role": "user", "content": 1}]}), "messages[0].content", "text parts"),
        (json!({"messages": [{"role": "king", "content": "a"}]}), "messages[0].role", "`king`"),
        (json!({"messages": [{"role": "user", "content": "refuse"}]}), "messages", "not that"),
        (json!({"messages": [{"role": "system", "content": "a"}], "preference": [1, 1]}), "messages", "user"),
        (json!({"preference": {"quiet": 1}}), "preference", "quiet"),
        (json!({"preference": {"loud": 3}}), "preference", "-2"),
        (json!({"preference": {"loud": "very"}}), "preference", "a number"),
        (json!({"preference": [1]}), "preference", "2 dimensions"),
        (json!({"preference": ""}), "preference", "empty"),
        (json!({"preference": true}), "preference", "a principle"),
        (json!({"pad": {"beta": 4.5}}), "pad.beta", "0 to 4"),
        (json!({"pad": {"top_k": 0}}), "pad.top_k", "1 to 100"),
        (json!({"pad": {"top_k": 101}}), "pad.top_k", "101"),
        (json!({"pad": {"candidates": "all"}}), "pad.candidates", "union"),
        (json!({"pad": {"plausibility": 1.5}}), "pad.plausibility", "0 to 1"),
        (json!({"pad": {"loop_guard": 65}}), "pad.loop_guard", "0 to 64"),
        (json!({"pad": {"max_kl": -0.1}}), "pad.max_kl", "0 to 1000"),
        (json!({"pad": {"guide_tokens": 1 << 25}}), "pad.guide_tokens", "0 to"),
        (json!({"pad": {"best_of_by": "taste"}, "best_of": 2}), "pad.best_of_by", "reward"),
        (json!({"pad": {"best_of_by": "reward"}}), "pad.best_of_by", "with `best_of`"),
        (json!({"pad": {"best_of_by": "reward"}, "best_of": 2}), "pad.best_of_by", "nothing is rewarded"),
        (json!({"pad": {"best_of_by": "score"}, "best_of": 2, "preference": {"loud": 0}}), "pad.best_of_by", "`score`"),
        (json!({"best_of": 17}), "best_of", "1 to 16"),
        (json!({"best_of": 2, "n": 3}), "best_of", "3 to 16"),
        (json!({"best_of": 2, "stream": true}), "best_of", "stream"),
        (json!({"pad": {"trace": "yes"}}), "pad.trace", "boolean"),
        (json!({"pad": 5}), "pad", "an object"),
    ];
    for (fields, param, says) in cases {
        let answer = chat(&app, fields.clone()).await;
        let error = answer.error();
        assert_eq!((answer.status.as_u16(), &error["param"]), (400, &json!(param)), "{fields}: {error}");
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(says)), "{fields}: {error}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_request() {
    let app = app();
    for body in ["", "{", "nonsense", "[]", "null", "{\"messages\": [}"] {
        let answer = send(&app, post_chat(body)).await;
        assert_eq!((answer.status.as_u16(), &answer.error()["type"]), (400, &json!("invalid_request_error")), "{body}");
    }
    let nan = r#"{"messages": [{"role": "user", "content": "a"}], "preference": {"loud": NaN}}"#;
    assert_eq!(brief(&send(&app, post_chat(nan)).await), (400, json!("preference"), Value::Null));
    let missing = send(&app, post_chat("{}")).await;
    assert_eq!(brief(&missing), (400, json!("messages"), Value::Null));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let mut state = state(Behaviour::default());
    state.limits = RequestLimits { body_bytes: 100, ..state.limits };
    let answer = send(&crate::app(state), post_chat(hello(json!({"user": "x".repeat(100)})).to_string())).await;
    assert_eq!(brief(&answer), (413, Value::Null, json!("body_too_large")));
    assert!(answer.text.contains("100 bytes"), "{}", answer.text);
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let app = app();
    let unknown = chat(&app, json!({"model": "gpt-5"})).await;
    assert_eq!(brief(&unknown), (404, json!("model"), json!("model_not_found")));
    assert!(unknown.text.contains("gpt-5") && unknown.text.contains("lab/parrot"), "{}", unknown.text);
    for path in ["/", "/v1", "/v1/nothing", "/v1/chat/completions/", "/v1/chat"] {
        assert_eq!(
            brief(&send(&app, bare(Method::GET, path)).await),
            (404, Value::Null, json!("route_not_found")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_and_names_the_right_ones() {
    let app = app();
    for (method, path, allow) in [
        (Method::GET, "/v1/chat/completions", "POST"),
        (Method::POST, "/v1/models", "GET,HEAD"),
        (Method::DELETE, "/v1/models/lab/parrot", "GET,HEAD"),
        (Method::PUT, "/health", "GET,HEAD"),
    ] {
        let answer = send(&app, bare(method.clone(), path)).await;
        assert_eq!(brief(&answer), (405, Value::Null, json!("method_not_allowed")), "{method} {path}");
        assert_eq!(answer.headers["allow"], allow, "{method} {path}");
    }
}

#[tokio::test]
async fn a_prompt_beyond_the_context_names_both_numbers() {
    let app = app();
    let long = json!({"messages": [{"role": "user", "content": "a".repeat(CONTEXT)}]});
    let answer = chat(&app, long).await;
    assert_eq!(brief(&answer), (400, json!("messages"), json!("context_length_exceeded")));
    let prompt = "_user\n_\n_assistant\n".len() + CONTEXT;
    for number in [prompt, CONTEXT] {
        assert!(answer.text.contains(&number.to_string()), "{number} is in {}", answer.text);
    }
}

#[tokio::test]
async fn without_a_reward_model_a_preference_is_refused() {
    let mut state = state(Behaviour::default());
    state.reward = None;
    let app = crate::app(state);
    for preference in [json!({"loud": 1}), json!([1]), json!("kindly")] {
        assert_eq!(
            brief(&chat(&app, json!({"preference": preference})).await),
            (400, json!("preference"), Value::Null)
        );
    }
    assert_eq!(chat(&app, json!({"preference": {}})).await.status, StatusCode::OK);
    let listed = super::client::get(&app, "/v1/preferences").await.json();
    assert_eq!((&listed["kind"], &listed["data"]), (&json!("none"), &json!([])));
}
