//! Biases, penalties, end tokens put off, and log-probabilities, of the real model.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{Client, ask, text, tokens, with};
use crate::server::Server;

const QUESTION: &str = "What is the capital of France?";
const ANSWER: &str = "The capital of France is Paris.";

fn client() -> Client {
    Server::reference().client()
}

fn complete(fields: Value) -> Value {
    client().completion(&with(ask(QUESTION, 16), fields))
}

/// The only token of a text.
fn token(text: &str) -> String {
    let answer = client().send("POST", "/tokenize", &json!({"prompt": text}).to_string());
    let tokens = answer.json()["tokens"].take();
    assert_eq!(tokens.as_array().map(Vec::len), Some(1), "{text}: {tokens}");
    tokens[0].to_string()
}

#[test]
fn a_bias_of_a_hundred_forces_a_token_and_one_of_minus_a_hundred_bans_it() {
    let forced = complete(json!({"logit_bias": {token(" Paris"): 100}, "max_tokens": 4}));
    assert_eq!(text(&forced, 0), " Paris".repeat(4));
    let steered =
        complete(json!({"logit_bias": {token(" Paris"): 100}, "max_tokens": 4, "preference": {"humorous": 2}}));
    assert_eq!(text(&steered, 0), " Paris".repeat(4), "whatever the rewards say");
    let banned = complete(json!({"logit_bias": {token(" Paris"): -100}}));
    let said = text(&banned, 0);
    assert!(said.starts_with("The capital of France is") && !said.contains(" Paris"), "{said}");
    let neither = complete(json!({"logit_bias": {token(" Paris"): 0.0, "foo": 0}, "presence_penalty": 0}));
    assert_eq!(text(&neither, 0), ANSWER);
}

/// How many different tokens an answer has that invites repetition, and how many in all.
fn distinct(fields: Value) -> (usize, usize) {
    let body = with(ask("Repeat after me: la la la la la la la la la la", 64), fields);
    let body = with(body, json!({"pad": {"trace": true}, "ignore_eos": true}));
    let said = tokens(&client().completion(&body)["choices"][0]);
    (said.iter().collect::<BTreeSet<_>>().len(), said.len())
}

#[test]
fn penalties_end_repetition_and_rewards_for_it_bring_it() {
    let (plain, length) = distinct(json!({}));
    assert!(plain * 2 < length, "it repeats itself: {plain} of {length} tokens differ");
    for fields in [
        json!({"frequency_penalty": 2}),
        json!({"presence_penalty": 2, "frequency_penalty": 1}),
        json!({"repetition_penalty": 1.5}),
        json!({"frequency_penalty": 2, "preference": {"concise": 0.5}}),
    ] {
        let (penalised, length) = distinct(fields.clone());
        assert!(penalised * 4 > length * 3, "{fields}: {penalised} of {length} tokens differ");
    }
    let (rewarded, _) = distinct(json!({"frequency_penalty": -2}));
    assert!(rewarded * 2 < plain, "{rewarded} where {plain} differ without");
}

#[test]
fn an_answer_that_ignores_its_end_has_the_full_length() {
    let plain = complete(json!({}));
    assert_eq!(
        (&plain["choices"][0]["finish_reason"], &plain["usage"]["completion_tokens"]),
        (&json!("stop"), &json!(8))
    );
    let long = complete(json!({"ignore_eos": true}));
    assert_eq!(
        (&long["choices"][0]["finish_reason"], &long["usage"]["completion_tokens"]),
        (&json!("length"), &json!(16))
    );
    assert!(text(&long, 0).starts_with(ANSWER), "{long}");
    let least = complete(json!({"min_tokens": 11}));
    assert!(least["usage"]["completion_tokens"].as_u64().is_some_and(|count| count >= 11), "{least}");
}

#[test]
fn narrow_cuts_are_greedy() {
    for cut in [json!({"top_k": 1}), json!({"min_p": 1}), json!({"top_p": 0.000_001})] {
        let sampled = complete(with(json!({"temperature": 2, "seed": 1}), cut.clone()));
        assert_eq!(text(&sampled, 0), ANSWER, "{cut}");
    }
}

/// Text and entries of each choice, in one piece and as a stream tells them.
fn both(content: &str, fields: &Value) -> Vec<(String, Vec<Value>)> {
    let body = with(ask(content, 24), with(json!({"logprobs": true, "top_logprobs": 4}), fields.clone()));
    let entries = |choice: &Value| choice["logprobs"]["content"].as_array().cloned().unwrap_or_default();
    let answer = client().completion(&body);
    let choices = answer["choices"].as_array().expect("choices");
    let whole: Vec<(String, Vec<Value>)> =
        choices.iter().enumerate().map(|(i, choice)| (text(&answer, i).to_owned(), entries(choice))).collect();
    let mut streamed = vec![(String::new(), Vec::new()); whole.len()];
    for line in client().lines(&body) {
        let Some(chunk) = line.strip_prefix("data: {").map(|rest| format!("{{{rest}")) else { continue };
        let chunk: Value = serde_json::from_str(&chunk).expect("a chunk is JSON");
        let choice = &chunk["choices"][0];
        let (said, told) = &mut streamed[choice["index"].as_u64().expect("an index") as usize];
        said.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        told.extend(entries(choice));
    }
    assert_eq!(streamed, whole, "{fields}");
    whole
}

#[test]
fn log_probabilities_go_with_the_text() {
    let smiles = "Repeat exactly: \u{1F600} \u{65E5}\u{672C}\u{8A9E} caf\u{e9}";
    for (content, fields) in [
        (QUESTION, json!({})),
        (QUESTION, json!({"stop": "ital of Fr"})),
        (QUESTION, json!({"stop": ["is Parma", "nce is P"], "preference": {"humorous": 0.1}})),
        (QUESTION, json!({"n": 3, "temperature": 1.5, "seed": 4, "preference": {"expert": 1}})),
        (smiles, json!({})),
        (smiles, json!({"max_tokens": 7})),
        (smiles, json!({"stop": "\u{672C}"})),
    ] {
        for (said, entries) in both(content, &fields) {
            let joined: String = entries.iter().map(|entry| entry["token"].as_str().expect("a text")).collect();
            assert_eq!(joined, said, "{fields}");
            let bytes: Vec<u8> = entries
                .iter()
                .flat_map(|entry| entry["bytes"].as_array().expect("bytes").clone())
                .map(|byte| byte.as_u64().expect("a byte") as u8)
                .collect();
            assert_eq!(String::from_utf8_lossy(&bytes), said, "{fields}");
            for entry in entries {
                let top = entry["top_logprobs"].as_array().expect("a list");
                let number = |value: &Value| value["logprob"].as_f64().expect("a number");
                assert!(number(&entry) <= 0.0 && top.len() == 4, "{entry}");
                assert!(top.windows(2).all(|pair| number(&pair[0]) >= number(&pair[1])), "{entry}");
                assert!(number(&entry) <= number(&top[0]), "{entry}");
                let mass: f64 = top.iter().map(|candidate| number(candidate).exp()).sum();
                assert!(mass < 1.000_001, "{entry}");
            }
        }
    }
}

#[test]
fn greedy_tokens_are_the_most_probable() {
    let (said, entries) = both(QUESTION, &json!({})).remove(0);
    assert_eq!((said.as_str(), entries.len()), (ANSWER, 7), "the end token has no entry");
    for entry in entries {
        for key in ["token", "logprob", "bytes"] {
            assert_eq!(entry[key], entry["top_logprobs"][0][key], "{entry}");
        }
    }
}

#[test]
fn tokens_and_texts_turn_into_each_other() {
    let client = client();
    let post = |path: &str, body: Value| client.send("POST", path, &body.to_string()).json();
    let words = "Caf\u{e9} \u{1F600}\n\n  x = 1;<|im_end|>";
    let tokens = post("/tokenize", json!({"prompt": words}));
    assert_eq!(tokens["count"].as_u64().map(|count| count as usize), tokens["tokens"].as_array().map(Vec::len));
    assert!(tokens["max_model_len"].as_u64().is_some_and(|length| length > 100), "{tokens}");
    assert_eq!(post("/detokenize", json!({"tokens": tokens["tokens"]})), json!({"prompt": words}));
    let asked = post("/tokenize", json!({"messages": ask(QUESTION, 1)["messages"]}));
    assert_eq!(asked["count"], complete(json!({}))["usage"]["prompt_tokens"]);
    assert!(client.get("/version").json()["version"].is_string());
}
