//! Answers in one piece.

use serde_json::{Value, json};

use super::client::{Answer, chat, get, post_chat, send};
use super::model::{ANSWER, Behaviour, CONTEXT, STEERED};
use super::server::{app, state};

fn content(answer: &Answer) -> String {
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()["choices"][0]["message"]["content"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn the_answer_has_openais_shape() {
    let answer = chat(&app(), json!({"model": "default"})).await;
    let body = answer.json();
    assert_eq!(content(&answer), ANSWER);
    assert!(body["id"].as_str().is_some_and(|id| id.starts_with("chatcmpl-") && id.len() > 20), "{body}");
    assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!("lab/parrot")));
    assert_eq!(body["system_fingerprint"], "pad-test");
    assert!(body["created"].as_u64().is_some_and(|created| created > 1_700_000_000), "{body}");
    let choice = json!({
        "index": 0, "message": {"role": "assistant", "content": ANSWER, "refusal": null}, "logprobs": null, "finish_reason": "stop"
    });
    assert_eq!(body["choices"], json!([choice]));
    let usage = &body["usage"];
    let prompt = "\u{1}user\nhello\u{1}\n\u{1}assistant\n".len();
    assert_eq!(usage["prompt_tokens"], prompt);
    assert_eq!(usage["completion_tokens"], ANSWER.len() + 1, "the end token counts");
    assert_eq!(usage["total_tokens"], prompt + ANSWER.len() + 1);
    assert!(usage["prompt_tokens_details"]["cached_tokens"].is_u64(), "{usage}");
    assert_eq!(
        usage["pad"],
        json!({"reward_lanes": 0, "steered_tokens": 0, "mean_kl": 0.0, "preference_source": "default"})
    );
}

#[tokio::test]
async fn a_preference_steers_in_each_of_its_forms() {
    let app = app();
    for preference in [json!({"loud": 1}), json!([1, 0]), json!("speak in capitals")] {
        let answer = chat(&app, json!({"preference": preference})).await;
        assert_eq!(content(&answer), STEERED, "{preference}");
        let pad = &answer.json()["usage"]["pad"];
        assert_eq!((&pad["reward_lanes"], &pad["steered_tokens"]), (&json!(1), &json!(5)), "{pad}");
        assert!(pad["mean_kl"].as_f64().is_some_and(|kl| kl > 0.0), "{pad}");
    }
    let both = chat(&app, json!({"preference": {"loud": 1, "kind": 0.5}})).await.json();
    assert_eq!(both["usage"]["pad"]["reward_lanes"], 2);
    assert_eq!(both["usage"]["prompt_tokens"], 24, "the base lane's prompt alone is counted");
}

#[tokio::test]
async fn nothing_to_weigh_runs_no_reward_lane() {
    let app = app();
    for fields in [
        json!({"preference": {"loud": 0, "kind": 0}}),
        json!({"preference": {"loud": 1}, "pad": {"beta": 0}}),
        json!({"preference": {}}),
        json!({"preference": null, "pad": null}),
    ] {
        let answer = chat(&app, fields.clone()).await;
        assert_eq!(content(&answer), ANSWER, "{fields}");
        assert_eq!(answer.json()["usage"]["pad"]["reward_lanes"], 0, "{fields}");
    }
}

#[tokio::test]
async fn the_trace_explains_every_token() {
    let answer =
        chat(&app(), json!({"preference": {"loud": 1, "kind": -0.5}, "pad": {"trace": true, "top_k": 3, "beta": 2}}))
            .await;
    let body = answer.json();
    let trace = body["choices"][0]["pad"]["trace"].as_array().expect("a trace").clone();
    assert_eq!(trace.len() as u64, body["usage"]["completion_tokens"].as_u64().expect("a count"));
    let text: String = trace.iter().map(|token| token["text"].as_str().expect("a text")).collect();
    assert_eq!(Value::from(text), body["choices"][0]["message"]["content"]);
    assert_eq!(trace.last().map(|end| &end["text"]), Some(&json!("")), "the end token has no text");
    for token in &trace {
        let candidates = token["candidates"].as_array().expect("candidates");
        assert_eq!(candidates.len(), 3);
        let chosen = &candidates[token["base_rank"].as_u64().expect("a rank") as usize];
        assert!(token["text"] == "" || token["text"] == chosen["text"], "{token}");
        for key in ["token", "base_logprob", "rewards", "reward", "score"] {
            assert_eq!(token[key], chosen[key], "{key} of {token}");
        }
        for candidate in candidates {
            let number = |value: &Value| value.as_f64().expect("a number");
            let rewards = &candidate["rewards"];
            let reward = number(&rewards["loud"]) - 0.5 * number(&rewards["kind"]);
            assert!((number(&candidate["reward"]) - reward).abs() < 1e-4, "{candidate}");
            let score = number(&candidate["base_logprob"]) + 2.0 * number(&candidate["reward"]);
            assert!((number(&candidate["score"]) - score).abs() < 1e-4, "{candidate}");
        }
    }
}

#[tokio::test]
async fn without_being_asked_nothing_is_explained() {
    let body = chat(&app(), json!({"pad": {"trace": false}})).await.json();
    assert!(body["choices"][0].get("pad").is_none(), "{body}");
}

#[tokio::test]
async fn stop_strings_end_the_answer_and_are_no_part_of_it() {
    let app = app();
    for (stop, text) in [(json!(", j"), "hi"), (json!(["zzz", "joe"]), "hi, "), (json!("\u{1F600}"), "hi, joe")] {
        let answer = chat(&app, json!({"stop": stop})).await;
        assert_eq!(content(&answer), text, "{stop}");
        assert_eq!(answer.json()["choices"][0]["finish_reason"], "stop");
    }
    let body = chat(&app, json!({"stop": ["nothing like it", "!?"]})).await;
    assert_eq!(content(&body), ANSWER, "a partial match is given back at the end");
}

#[tokio::test]
async fn the_number_of_tokens_is_kept() {
    let app = app();
    for (fields, text) in [
        (json!({"max_tokens": 2}), "hi"),
        (json!({"max_completion_tokens": 3, "max_tokens": 1}), "hi,"),
        (json!({"max_tokens": 0}), ""),
        (json!({"max_tokens": 8}), "hi, joe"),
        (json!({"max_tokens": 9}), "hi, joe"),
    ] {
        let answer = chat(&app, fields.clone()).await;
        assert_eq!(content(&answer), text, "{fields}");
        assert_eq!(answer.json()["choices"][0]["finish_reason"], "length", "{fields}");
    }
}

#[tokio::test]
async fn a_default_length_gives_way_to_what_fits() {
    for (default, text) in [(CONTEXT, ANSWER), (2, "hi")] {
        let mut state = state(Behaviour::default());
        state.defaults.max_tokens = Some(default);
        assert_eq!(content(&chat(&crate::app(state), json!({})).await), text, "a default of {default} tokens");
    }
}

#[tokio::test]
async fn several_choices_share_the_prompt_and_one_usage() {
    let body = chat(&app(), json!({"n": 3})).await.json();
    let choices = body["choices"].as_array().expect("choices");
    let seen: Vec<_> = choices.iter().map(|choice| (&choice["index"], &choice["message"]["content"])).collect();
    let said = json!(ANSWER);
    assert_eq!(seen, [(&json!(0), &said), (&json!(1), &said), (&json!(2), &said)]);
    assert_eq!(body["usage"]["completion_tokens"], 3 * (ANSWER.len() + 1));
    assert_eq!(body["usage"]["prompt_tokens"], 24);
}

#[tokio::test]
async fn a_seed_repeats_the_answer() {
    let app = app();
    let fields = json!({"seed": -7, "temperature": 2, "max_tokens": 12, "pad": {"top_k": 100}});
    let first = content(&chat(&app, fields.clone()).await);
    assert_eq!(content(&chat(&app, fields).await), first);
    let mut others = Vec::new();
    for seed in 0..8 {
        others.push(content(&chat(&app, json!({"seed": seed, "temperature": 2, "max_tokens": 12})).await));
    }
    assert!(others.iter().any(|other| *other != first), "seeds make a difference");
}

#[tokio::test]
async fn messages_of_every_role_and_form_reach_the_template() {
    let body = json!({"messages": [
        {"role": "developer", "content": "ab"},
        {"role": "user", "content": [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}]},
        {"role": "assistant", "content": null, "tool_calls": []},
        {"role": "tool", "content": "e", "tool_call_id": "x"}
    ]});
    let answer = send(&app(), post_chat(body.to_string())).await;
    let expected: usize = ["system\nab", "user\nc\nd", "assistant\n", "user\n<tool_response>\ne\n</tool_response>"]
        .iter()
        .map(|turn| turn.len() + 3)
        .sum();
    assert_eq!(answer.json()["usage"]["prompt_tokens"], expected + "_assistant\n".len());
}

#[tokio::test]
async fn a_long_conversation_is_read_off_the_servers_threads() {
    let content = "a".repeat(20_000);
    let body = json!({"messages": [{"role": "user", "content": content}]});
    let answer = send(&app(), post_chat(body.to_string())).await;
    let error = answer.error();
    assert_eq!((&error["code"], &error["param"]), (&json!("context_length_exceeded"), &json!("messages")));
}

#[tokio::test]
async fn what_can_be_preferred_is_listed() {
    let body = get(&app(), "/v1/preferences").await.json();
    assert_eq!((&body["object"], &body["kind"]), (&json!("list"), &json!("prompted")));
    let weight = json!({"minimum": -2.0, "maximum": 2.0});
    assert_eq!(
        body["data"],
        json!([
            {
                "name": "loud", "description": "Louder.", "principle": "speak in capitals", "opposite": null, "weight": weight,
                "recommended": {"minimum": -2.0, "maximum": 1.0}, "strong": [{"minimum": 1.0, "maximum": 2.0}]
            },
            {
                "name": "kind", "description": null, "principle": "be kind", "opposite": null, "weight": weight,
                "recommended": null, "strong": []
            },
        ])
    );
    assert_eq!(body["default"], json!({"loud": 0.0, "kind": 0.0}));
    assert_eq!(body["beta"], json!({"default": 1.0, "minimum": 0.0, "maximum": 4.0}));
    assert_eq!(body["top_k"], json!({"default": 40, "minimum": 1, "maximum": 100}));
    assert_eq!(body["candidates"], json!("base"));
    assert_eq!(
        body["guards"],
        json!({
            "plausibility": {"default": 0.0, "minimum": 0.0, "maximum": 1.0},
            "loop_guard": {"default": 0, "minimum": 0, "maximum": 64},
            "max_kl": {"default": 1000.0, "minimum": 0.0, "maximum": 1000.0},
            "guide_tokens": {"default": 0, "minimum": 0, "maximum": 16_777_216}
        })
    );
}

#[tokio::test]
async fn models_are_listed_and_found_by_id_and_alias() {
    let app = app();
    let model = json!({
        "id": "lab/parrot", "object": "model", "created": 1_700_000_000, "owned_by": "pad", "max_model_len": CONTEXT,
        "family": "bird", "format": "F32"
    });
    let mut preset = model.clone();
    let own = json!({"id": "loud-parrot", "parent": "lab/parrot", "preference": {"loud": 1.0}});
    preset.as_object_mut().expect("an object").extend(own.as_object().expect("an object").clone());
    assert_eq!(get(&app, "/v1/models").await.json(), json!({"object": "list", "data": [model, preset]}));
    assert_eq!(get(&app, "/v1/models/loud-parrot").await.json(), preset);
    for path in ["/v1/models/lab/parrot", "/v1/models/lab%2Fparrot", "/v1/models/default"] {
        assert_eq!(get(&app, path).await.json(), model, "{path}");
    }
    let missing = get(&app, "/v1/models/gpt").await;
    assert_eq!((missing.status.as_u16(), &missing.error()["code"]), (404, &json!("model_not_found")));
}
