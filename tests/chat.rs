//! Answers in one piece: shape, usage, length, stop strings, choices, seeds, contents.

use serde_json::{Value, json};

use crate::catalogue::CATALOGUE;
use crate::client::{ask, text, tokens, with};
use crate::server::Server;

const QUESTION: &str = "What is the capital of France?";
const ANSWER: &str = "The capital of France is Paris.";

fn complete(fields: Value) -> Value {
    Server::reference().client().completion(&with(ask(QUESTION, 16), fields))
}

#[test]
fn a_completion_has_openais_shape() {
    let answer = complete(json!({"model": "smollm2-135m-instruct", "user": "u", "store": true, "made_up": [1]}));
    assert_eq!(answer["object"], "chat.completion");
    assert!(answer["id"].as_str().is_some_and(|id| id.starts_with("chatcmpl-") && id.len() > 20), "{answer}");
    assert!(answer["created"].as_u64().is_some_and(|created| created > 1_700_000_000), "{answer}");
    assert!(answer["system_fingerprint"].as_str().is_some_and(|print| !print.is_empty()), "{answer}");
    assert_eq!(answer["model"], "smollm2-135m-instruct");
    let message = json!({"role": "assistant", "content": ANSWER, "refusal": null});
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
    assert_eq!(answer["choices"], json!([choice]));
    let usage = &answer["usage"];
    // Seven tokens and the one that ends the answer.
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(37), &json!(8)));
    assert_eq!(usage["total_tokens"], 45);
    assert_eq!(
        usage["pad"],
        json!({"reward_lanes": 0, "steered_tokens": 0, "mean_kl": 0.0, "preference_source": "default"})
    );
    assert_ne!(answer["id"], complete(json!({}))["id"]);
}

#[test]
fn length_ends_an_answer() {
    for (fields, tokens, said) in [
        (json!({"max_tokens": 3}), 3, "The capital of"),
        (json!({"max_completion_tokens": 2}), 2, "The capital"),
        (json!({"max_tokens": 9, "max_completion_tokens": 2}), 2, "The capital"),
        (json!({"max_tokens": 1, "max_completion_tokens": 2}), 2, "The capital"),
        (json!({"max_tokens": 0}), 0, ""),
    ] {
        let answer = complete(fields.clone());
        assert_eq!(answer["choices"][0]["finish_reason"], "length", "{fields}");
        assert_eq!((&answer["usage"]["completion_tokens"], text(&answer, 0)), (&json!(tokens), said), "{fields}");
    }
}

#[test]
fn stop_strings_end_an_answer_wherever_tokens_end() {
    for (stop, said) in [
        (json!(" Paris"), "The capital of France is"),
        // Across tokens, and within them.
        (json!("ital of Fr"), "The cap"),
        (json!(["is Par", "nowhere"]), "The capital of France "),
        // The first to be met wins, whatever its place in the list.
        (json!(["Paris", "France"]), "The capital of "),
        (json!("The"), ""),
        (json!("Madrid"), ANSWER),
    ] {
        let answer = complete(json!({"stop": stop}));
        assert_eq!((text(&answer, 0), &answer["choices"][0]["finish_reason"]), (said, &json!("stop")), "{stop}");
    }
}

#[test]
fn choices_share_the_prompt_and_differ() {
    let client = Server::reference().client();
    let body = |fields| with(ask("Invent a name for a cat.", 12), fields);
    let sampled = json!({"n": 4, "temperature": 1.5, "seed": 5, "pad": {"trace": true}});
    let answer = client.completion(&body(sampled.clone()));
    let choices = answer["choices"].as_array().expect("choices");
    assert_eq!(choices.len(), 4);
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
    }
    let distinct: std::collections::BTreeSet<Vec<u64>> = choices.iter().map(tokens).collect();
    assert!(distinct.len() > 1, "sampled choices are not all the same: {answer}");
    let alone = client.completion(&body(json!({"max_tokens": 1})));
    assert_eq!(answer["usage"]["prompt_tokens"], alone["usage"]["prompt_tokens"], "counted once");
    let all: usize = choices.iter().map(|choice| tokens(choice).len()).sum();
    assert_eq!(answer["usage"]["completion_tokens"], all);
    let greedy = client.completion(&body(json!({"n": 2})));
    assert_eq!(text(&greedy, 0), text(&greedy, 1), "without chance there is one answer");
}

#[test]
fn a_seed_makes_an_answer_repeatable() {
    let sample = |seed: i64| {
        let fields = json!({"temperature": 1.3, "seed": seed, "preference": {"humorous": 0.5}, "pad": {"trace": true}});
        let body = with(ask("Invent a name for a dog.", 12), fields);
        tokens(&Server::reference().client().completion(&body)["choices"][0])
    };
    assert_eq!(sample(11), sample(11));
    assert_eq!(sample(-3), sample(-3));
    let others: Vec<Vec<u64>> = (0..4).map(sample).collect();
    assert!(others.iter().any(|other| *other != others[0]), "seeds matter: {others:?}");
}

#[test]
fn contents_and_roles_come_in_several_forms() {
    let client = Server::reference().client();
    let said = |messages: Value| {
        let answer = client.completion(&json!({"messages": messages, "max_tokens": 16, "temperature": 0}));
        (text(&answer, 0).to_owned(), answer["usage"]["prompt_tokens"].as_u64().expect("a count"))
    };
    let whole = said(json!([{"role": "user", "content": "What is the capital of France?"}]));
    let parts = json!([{"type": "text", "text": "What is the capital of France?"}]);
    assert_eq!(said(json!([{"role": "user", "content": parts}])), whole);
    let two = json!([{"type": "text", "text": "Hello."}, {"type": "text", "text": "Who are you?"}]);
    assert_eq!(
        said(json!([{"role": "user", "content": two}])),
        said(json!([{"role": "user", "content": "Hello.\nWho are you?"}]))
    );
    let instructed = |role: &str| {
        said(json!([{"role": role, "content": "Answer in French."}, {"role": "user", "content": "Hello!"}]))
    };
    assert_eq!(instructed("developer"), instructed("system"));
    let called = json!([
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
        {"role": "user", "content": "And now?"}
    ]);
    assert!(said(called).1 > whole.1);
}

#[test]
fn text_of_several_bytes_per_character_is_whole() {
    let client = Server::reference().client();
    let echo = "Repeat exactly: \u{1F600} \u{65E5}\u{672C}\u{8A9E} caf\u{e9}";
    let whole = client.completion(&ask(echo, 32));
    let said = text(&whole, 0);
    assert_eq!(client.stream(&ask(echo, 32)).choices[&0].text, said);
    assert!(said.chars().any(|c| c.len_utf8() > 2), "the question brings such characters out: {said}");
    // The last one may be cut off by `max_tokens`.
    assert!(!said.trim_end_matches('\u{FFFD}').contains('\u{FFFD}'), "{said}");
}

#[test]
fn the_server_tells_what_it_serves() {
    let client = Server::shared().client();
    let models = client.get("/v1/models").json();
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&json!("list"), &json!("smollm2-135m-instruct")));
    assert_eq!(client.get("/v1/models/smollm2-135m-instruct").json(), models["data"][0]);
    let preferences = client.get("/v1/preferences").json();
    let names: Vec<&str> =
        preferences["data"].as_array().expect("a list").iter().filter_map(|d| d["name"].as_str()).collect();
    assert_eq!(names, CATALOGUE);
    assert_eq!(client.get("/ready").json(), json!({"ready": true, "status": "ok"}));
    assert_eq!(client.get("/health").json()["status"], "ok");
    let page = client.get("/metrics");
    assert!(page.headers["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/plain")));
    for name in [
        "vllm:num_requests_running",
        "vllm:kv_cache_usage_perc",
        "vllm:generation_tokens_total",
        "pad_steered_tokens_total",
    ] {
        assert!(page.text.contains(&format!("\n{name}{{")), "{name} in\n{}", page.text);
    }
}
