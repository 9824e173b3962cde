//! Made-up bodies: whatever is sent, the answer is an answer or a refusal in the one shape, and never a fault.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::client::ask;
use crate::server::Server;

/// Names that mean something, so that most of what is made up is read.
const FIELDS: [&str; 29] = [
    "messages",
    "model",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "min_p",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "ignore_eos",
    "min_tokens",
    "logprobs",
    "top_logprobs",
    "42",
    "seed",
    "stop",
    "n",
    "stream",
    "stream_options",
    "preference",
    "pad",
    "beta",
    "top_k",
    "role",
    "content",
    "humorous",
    "unheard_of",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5..20_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3.0..3.0).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        proptest::sample::select(&["user", "assistant", "like a pirate", "text"][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let field = proptest::sample::select(&FIELDS[..]).prop_map(str::to_owned);
        let fields = proptest::collection::vec((field, inner.clone()), 0..5);
        prop_oneof![
            proptest::collection::vec(inner, 0..6).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A good request in which one or two fields are made up.
fn body() -> impl Strategy<Value = Value> {
    let change = (proptest::sample::select(&FIELDS[..]), value());
    proptest::collection::vec(change, 1..3).prop_map(|changes| {
        let mut body = ask("hi", 2);
        for (field, value) in changes {
            body[field] = value;
        }
        // Long answers are asked for elsewhere.
        // A float may be a whole number, and -1 means as many as fit.
        let long = |tokens: &Value| tokens.as_f64().is_some_and(|tokens| tokens > 4.0 || (-1.0..0.0).contains(&tokens));
        if !body["max_tokens"].is_string() && long(&body["max_completion_tokens"]) {
            body["max_completion_tokens"] = json!(4);
        }
        if body["max_tokens"].is_null() || long(&body["max_tokens"]) {
            body["max_tokens"] = json!(4);
        }
        body
    })
}

/// What is made up is the same each time the tests run.
fn check(cases: u32, strategy: impl Strategy<Value = String>) {
    let client = Server::shared().client();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let seed = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    let outcome = TestRunner::new_with_rng(config, seed).run(&strategy, |body| {
        let answer = client.send("POST", "/v1/chat/completions", &body);
        prop_assert!(matches!(answer.status, 200 | 400 | 404), "{} for {body}", answer.status);
        if answer.status != 200 {
            let error = answer.error();
            prop_assert_eq!(&error["type"], "invalid_request_error");
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(client.completion(&ask("hi", 1))["usage"]["completion_tokens"], 1, "it still answers");
}

#[test]
fn requests_with_made_up_fields() {
    check(300, body().prop_map(|body| body.to_string()));
}

#[test]
fn bodies_that_are_made_up_altogether() {
    check(150, prop_oneof![value().prop_map(|value| value.to_string()), "\\PC{1,60}"]);
}
