//! Prompts continued as they stand.

use axum::Router;
use serde_json::{Value, json};

use super::client::{Answer, events, post, send};
use super::model::{ANSWER, Behaviour, CONTEXT, Gate, STEERED};
use super::server::{app, state, until};
use super::tokenizer::token;

/// A prompt that the model answers: it ends with a line break, as every chat does.
const PROMPT: &str = "Say it.\n";

pub(super) async fn complete(app: &Router, fields: Value) -> Answer {
    let mut body = json!({"prompt": PROMPT});
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    send(app, post("/v1/completions", body.to_string())).await
}

async fn completion(app: &Router, fields: Value) -> Value {
    let answer = complete(app, fields).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()
}

fn texts(completion: &Value) -> Vec<&str> {
    let choices = completion["choices"].as_array().expect("choices");
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index, "{completion}");
    }
    choices.iter().map(|choice| choice["text"].as_str().expect("a text")).collect()
}

#[tokio::test]
async fn a_prompt_is_continued_as_it_stands() {
    let app = app();
    let whole = completion(&app, json!({"model": "default"})).await;
    assert_eq!((texts(&whole), &whole["object"]), (vec![ANSWER], &json!("text_completion")));
    assert!(whole["id"].as_str().is_some_and(|id| id.starts_with("cmpl-")), "{whole}");
    let choice = &whole["choices"][0];
    assert_eq!((&choice["finish_reason"], &choice["logprobs"]), (&json!("stop"), &Value::Null));
    // Neither a template nor a control token was added.
    assert_eq!(whole["usage"]["prompt_tokens"], PROMPT.len());
    assert_eq!(whole["usage"]["completion_tokens"], ANSWER.len() + 1);
    let cut = completion(&app, json!({"prompt": "abc", "ignore_eos": true, "logit_bias": {"2": -100}})).await;
    assert_eq!(
        (&cut["usage"]["completion_tokens"], &cut["choices"][0]["finish_reason"]),
        (&json!(16), &json!("length"))
    );
}

#[tokio::test]
async fn a_prompt_has_four_forms() {
    let app = app();
    let tokens = |text: &str| text.bytes().map(token).collect::<Vec<u32>>();
    for (prompt, count) in [
        (json!(PROMPT), 1),
        (json!([PROMPT, "\n"]), 2),
        (json!(tokens(PROMPT)), 1),
        (json!([tokens("\n"), tokens(PROMPT), tokens("x\n")]), 3),
    ] {
        let answer = completion(&app, json!({"prompt": prompt})).await;
        assert_eq!(texts(&answer), vec![ANSWER; count], "{prompt}");
    }
    let several = completion(&app, json!({"prompt": [PROMPT, "\n"], "n": 2, "echo": true, "max_tokens": 2})).await;
    let [first, second] = [format!("{PROMPT}hi"), "\nhi".to_owned()];
    assert_eq!(texts(&several), [&*first, &*first, &*second, &*second]);
    assert_eq!(several["usage"]["prompt_tokens"], PROMPT.len() + 1);
}

#[tokio::test]
async fn a_principle_is_put_around_the_prompt() {
    let app = app();
    let steered = completion(&app, json!({"preference": {"loud": 1}, "pad": {"trace": true}})).await;
    assert_eq!(texts(&steered), [STEERED]);
    assert_eq!(steered["usage"]["pad"]["reward_lanes"], 1);
    let reward = steered["choices"][0]["pad"]["trace"][0]["rewards"]["loud"].as_f64();
    assert!(reward.is_some_and(|reward| reward > 1.0), "{steered}");
    let tokens: Vec<u32> = PROMPT.bytes().map(token).collect();
    let same = completion(&app, json!({"prompt": tokens, "preference": "speak up"})).await;
    assert_eq!(texts(&same), [STEERED]);
    let unsteered = completion(&app, json!({"preference": {"loud": 1}, "pad": {"beta": 0}})).await;
    assert_eq!((texts(&unsteered), &unsteered["usage"]["pad"]["reward_lanes"]), (vec![ANSWER], &json!(0)));
}

#[tokio::test]
async fn logprobs_have_the_older_shape() {
    let app = app();
    let answer = completion(&app, json!({"logprobs": 2, "stop": "e"})).await;
    let logprobs = &answer["choices"][0]["logprobs"];
    assert_eq!(logprobs["tokens"], json!(["h", "i", ",", " ", "j", "o"]));
    assert_eq!(logprobs["text_offset"], json!([0, 1, 2, 3, 4, 5]));
    let first = logprobs["token_logprobs"][0].as_f64().expect("a number");
    assert!((-0.5..0.0).contains(&first), "{first}");
    let top = logprobs["top_logprobs"][0].as_object().expect("a map");
    assert_eq!(top.keys().collect::<Vec<_>>(), ["H", "h"]);
    assert_eq!(top["h"], logprobs["token_logprobs"][0]);
    let bare = completion(&app, json!({"logprobs": 0, "max_tokens": 1})).await;
    assert_eq!(bare["choices"][0]["logprobs"]["top_logprobs"][0].as_object().map(serde_json::Map::len), Some(1));
}

#[tokio::test]
async fn a_stream_says_the_same() {
    let app = app();
    let fields = json!({
        "prompt": [PROMPT, "\n"], "echo": true, "stream": true, "stream_options": {"include_usage": true}, "pad": {"trace": true}
    });
    let answer = complete(&app, fields).await;
    let events = events(&answer);
    let (usage, chunks) = events.split_last().expect("events");
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(2 * (ANSWER.len() + 1))));
    for (index, prompt) in [PROMPT, "\n"].into_iter().enumerate() {
        let choices = chunks.iter().map(|chunk| &chunk["choices"][0]).filter(|choice| choice["index"] == index);
        let (finish, words) = choices.collect::<Vec<_>>().split_last().map(|(l, r)| (*l, r.to_vec())).expect("chunks");
        assert_eq!((&finish["text"], &finish["finish_reason"]), (&json!(""), &json!("stop")));
        let text: String = words.iter().filter_map(|choice| choice["text"].as_str()).collect();
        assert_eq!(text, format!("{prompt}{ANSWER}"));
        assert!(words.iter().all(|choice| choice["finish_reason"].is_null() && choice["text"] != ""));
        let traced = |choice: &Value| choice["pad"]["trace"].as_array().map_or(0, Vec::len);
        assert_eq!(words.iter().map(|word| traced(word)).sum::<usize>() + traced(finish), ANSWER.len() + 1);
    }
    for chunk in chunks {
        assert_eq!((&chunk["object"], &chunk["id"]), (&json!("text_completion"), &chunks[0]["id"]));
    }
    let told = complete(&app, json!({"stream": true, "logprobs": 1})).await;
    let words = super::client::events(&told);
    let offsets: Vec<u64> = words
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["logprobs"]["text_offset"].as_array())
        .flatten()
        .filter_map(Value::as_u64)
        .collect();
    assert_eq!(offsets.len(), ANSWER.len(), "{offsets:?}");
    assert!(offsets.is_sorted() && offsets.last() == Some(&(ANSWER.chars().count() as u64 - 1)), "{offsets:?}");
}

#[tokio::test]
async fn the_best_of_several_is_kept() {
    let app = app();
    // Hot enough for the choices to differ.
    let fields = json!({"temperature": 2, "pad": {"top_k": 3}, "seed": 7, "max_tokens": 4, "logprobs": 0});
    let with = |more: Value| {
        let mut fields = fields.clone();
        fields.as_object_mut().expect("fields").extend(more.as_object().expect("more").clone());
        fields
    };
    let merit = |choice: &Value| {
        let logprobs = choice["logprobs"]["token_logprobs"].as_array().expect("logprobs");
        logprobs.iter().filter_map(Value::as_f64).sum::<f64>() / logprobs.len() as f64
    };
    let all = completion(&app, with(json!({"n": 8}))).await;
    let mut merits: Vec<f64> = all["choices"].as_array().expect("choices").iter().map(merit).collect();
    merits.sort_by(|a, b| b.total_cmp(a));
    assert!(merits[0] > merits[7] + 0.1, "they differ: {merits:?}");
    let best = completion(&app, with(json!({"n": 2, "best_of": 8}))).await;
    assert_eq!(best["usage"]["completion_tokens"], all["usage"]["completion_tokens"], "all are paid for");
    let kept: Vec<f64> = best["choices"].as_array().expect("choices").iter().map(merit).collect();
    assert_eq!(kept.len(), 2);
    assert!((kept[0] - merits[0]).abs() < 1e-6 && (kept[1] - merits[1]).abs() < 1e-6, "{kept:?} of {merits:?}");
    let told = &best["usage"]["pad"]["best_of"];
    assert_eq!((&told["by"], told["left_out"].as_array().map(Vec::len)), (&json!("logprob"), Some(6)));
    assert!((told["values"][0].as_f64().expect("a number") - merits[0]).abs() < 1e-6, "{told} of {merits:?}");
    assert!(all["usage"]["pad"].get("best_of").is_none(), "nothing was left out");
}

#[tokio::test]
async fn nothing_but_the_prompt() {
    let echoed = completion(&app(), json!({"echo": true, "max_tokens": 0})).await;
    assert_eq!((texts(&echoed), &echoed["choices"][0]["finish_reason"]), (vec![PROMPT], &json!("length")));
}

#[tokio::test]
async fn an_echoed_prompt_has_log_probabilities() {
    let app = app();
    for (max_tokens, generated) in [(0, ""), (1, "h"), (40, ANSWER)] {
        let fields = json!({"echo": true, "logprobs": 2, "max_tokens": max_tokens});
        let whole = completion(&app, fields.clone()).await;
        let choice = &whole["choices"][0];
        let text = format!("{PROMPT}{generated}");
        assert_eq!(choice["text"], text);
        let told = &choice["logprobs"];
        let list = |key: &str| told[key].as_array().expect("a list").clone();
        let joined: String = list("tokens").iter().filter_map(Value::as_str).collect();
        // The end token has an entry of its own, and no text.
        let tokens = PROMPT.len() + generated.len() + usize::from(generated == ANSWER);
        assert_eq!((joined, list("tokens").len()), (text, tokens));
        for key in ["token_logprobs", "top_logprobs", "text_offset"] {
            assert_eq!(list(key).len(), tokens, "{key}");
        }
        let logprobs = list("token_logprobs");
        assert_eq!((&logprobs[0], &told["top_logprobs"][0]), (&Value::Null, &Value::Null), "it follows nothing");
        assert!(logprobs[1..PROMPT.len()].iter().all(|logprob| *logprob == -2.0), "{logprobs:?}");
        assert!(logprobs[PROMPT.len()..].iter().all(|logprob| logprob.as_f64().is_some_and(|value| value > -2.0)));
        let top = told["top_logprobs"][1].as_object().expect("a map");
        assert_eq!(json!(top), json!({"a": -2.0, "b": -2.5}), "the token itself, and the others");
        assert_eq!(told["text_offset"][PROMPT.len() - 1], PROMPT.len() - 1);
        assert_eq!(whole["usage"]["prompt_tokens_details"]["cached_tokens"], 0, "it was computed for this request");
        let mut streamed = fields;
        streamed["stream"] = json!(true);
        let events = events(&complete(&app, streamed).await);
        let parts = |key: &str| -> Vec<Value> {
            let lists = events.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"][key].as_array());
            lists.flatten().cloned().collect()
        };
        for key in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
            assert_eq!(parts(key), list(key), "{key}");
        }
    }
}

#[tokio::test]
async fn each_echoed_prompt_has_its_own_log_probabilities() {
    let app = app();
    let prompts = json!([[token(b'x')], [token(b'A'), token(0xc3), token(0xa9), token(0xff), token(b'\n')]]);
    let fields = json!({"prompt": prompts, "echo": true, "logprobs": 0, "max_tokens": 0, "n": 2});
    let whole = completion(&app, fields).await;
    assert_eq!(texts(&whole), ["x", "x", "A\u{e9}\u{fffd}\n", "A\u{e9}\u{fffd}\n"]);
    let [one, other] = [0, 3].map(|index| &whole["choices"][index]["logprobs"]);
    assert_eq!((&one["tokens"], &one["token_logprobs"]), (&json!(["x"]), &json!([null])));
    assert_eq!(other["tokens"], json!(["A", "", "\u{e9}", "\u{fffd}", "\n"]));
    assert_eq!(other["text_offset"], json!([0, 1, 1, 2, 3]));
    assert_eq!(other["top_logprobs"][2], json!({"\u{e9}": -2.0}));
    let long = json!({"prompt": "a".repeat(CONTEXT + 1), "echo": true, "logprobs": 1, "max_tokens": 0});
    let answer = complete(&app, long).await;
    assert_eq!((answer.status.as_u16(), &answer.error()["param"]), (400, &json!("prompt")));
}

#[tokio::test]
async fn what_is_not_allowed_is_named() {
    let app = app();
    let cases = [
        (json!({"prompt": ""}), "prompt", "empty"),
        (json!({"prompt": []}), "prompt", "empty"),
        (json!({"prompt": ["a", ""]}), "prompt", "empty"),
        (json!({"prompt": [[]]}), "prompt", "empty"),
        (json!({"prompt": [259]}), "prompt", "0 to 258"),
        (json!({"prompt": null}), "prompt", "token ids"),
        (json!({"prompt": vec!["a"; 257]}), "prompt", "256 choices"),
        (json!({"prompt": "a".repeat(CONTEXT)}), "prompt", "2048"),
        (json!({"suffix": "end"}), "suffix", "middle"),
        (json!({"best_of": 1, "n": 2}), "best_of", "2 to 16"),
        (json!({"best_of": 17}), "best_of", "1 to 16"),
        (json!({"best_of": 2, "stream": true}), "best_of", "stream"),
        (json!({"logprobs": 21}), "logprobs", "0 to 20"),
        (json!({"logprobs": true}), "logprobs", "whole number"),
        (json!({"temperature": 3}), "temperature", "0 to 2"),
        (json!({"preference": {"quiet": 1}}), "preference", "quiet"),
    ];
    for (fields, param, says) in cases {
        let answer = complete(&app, fields.clone()).await;
        let error = answer.error();
        assert_eq!((answer.status.as_u16(), &error["param"]), (400, &json!(param)), "{fields}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(says)), "{fields}: {error}");
    }
    let other = complete(&app, json!({"model": "gpt-9"})).await;
    assert_eq!((other.status.as_u16(), &other.error()["param"]), (404, &json!("model")));
}

#[tokio::test]
async fn a_refused_prompt_takes_the_others_with_it() {
    let gate = Gate::after(0);
    let state = state(Behaviour { gate: gate.clone(), ..Behaviour::default() });
    let engine = state.engine.clone();
    let long = "a".repeat(CONTEXT);
    let answer = complete(&crate::app(state), json!({"prompt": [PROMPT, long]})).await;
    assert_eq!(answer.status.as_u16(), 400, "{}", answer.text);
    gate.open();
    until(&engine, |status| status.running + status.waiting == 0).await;
    assert_eq!(engine.status().kv_blocks_used, 0);
}
