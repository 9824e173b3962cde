//! Properties of decoding: nothing asked for is nothing changed, and no answer depends on what else runs.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::catalogue::principle;
use crate::client::{ask, tokens, with};
use crate::poll::until;
use crate::server::Server;

const QUESTION: &str =
    "Explain to me in a few sentences how a bicycle stays upright when it moves, and why it falls when it stands.";

fn traced(fields: Value) -> Value {
    with(ask(QUESTION, 24), with(json!({"pad": {"trace": true}}), fields))
}

fn chosen(server: &Server, body: &Value) -> Vec<u64> {
    tokens(&server.client().completion(body)["choices"][0])
}

#[test]
fn nothing_asked_for_is_the_base_models_own_answer() {
    let client = Server::shared().client();
    let plain = client.completion(&traced(json!({})));
    for fields in [
        json!({"preference": {}}),
        json!({"preference": {"humorous": 0, "expert": 0.0}}),
        json!({"preference": vec![0; 13]}),
        json!({"preference": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -0.0]}),
        json!({"preference": {"humorous": 2}, "pad": {"trace": true, "beta": 0}}),
        json!({"preference": "like a pirate", "pad": {"trace": true, "beta": 0}}),
    ] {
        let answer = client.completion(&traced(fields.clone()));
        assert_eq!(answer["choices"], plain["choices"], "{fields}: text, trace and reason are the same");
        let mut pad = answer["usage"]["pad"].clone();
        let source = pad.as_object_mut().and_then(|pad| pad.remove("preference_source"));
        assert!(source.is_some_and(|source| source.is_string()), "{fields}");
        assert_eq!(pad, json!({"reward_lanes": 0, "steered_tokens": 0, "mean_kl": 0.0}), "{fields}");
    }
    let first = &plain["choices"][0]["pad"]["trace"][0];
    assert_eq!((&first["base_rank"], &first["rewards"]), (&json!(0), &json!({})));
}

#[test]
fn what_is_asked_for_is_counted_and_explained() {
    let client = Server::shared().client();
    let answer = client.completion(&traced(json!({"preference": {"expert": 2.0, "concise": -1.0, "humorous": 0}})));
    let usage = &answer["usage"]["pad"];
    assert_eq!(usage["reward_lanes"], 2, "a weight of 0 costs no lane");
    assert!(usage["mean_kl"].as_f64().is_some_and(|kl| kl > 0.0), "{usage}");
    let trace = answer["choices"][0]["pad"]["trace"].as_array().expect("a trace");
    let steered = trace.iter().filter(|step| step["base_rank"] != 0).count();
    assert!(steered > 0, "two strong wishes change something");
    assert_eq!(usage["steered_tokens"], steered);
    for candidate in trace.iter().flat_map(|step| step["candidates"].as_array().expect("candidates")) {
        let number = |value: &Value| value.as_f64().expect("a number");
        let weighted = 2.0 * number(&candidate["rewards"]["expert"]) - number(&candidate["rewards"]["concise"]);
        assert!((number(&candidate["reward"]) - weighted).abs() < 1e-4, "{candidate}");
        let score = number(&candidate["base_logprob"]) + number(&candidate["reward"]);
        assert!((number(&candidate["score"]) - score).abs() < 1e-4, "{candidate}");
    }
    let best = |step: &Value| {
        let scores =
            step["candidates"].as_array().expect("candidates").iter().map(|c| c["score"].as_f64().expect("a score"));
        scores.fold(f64::NEG_INFINITY, f64::max)
    };
    assert!(trace.iter().all(|step| step["score"].as_f64() == Some(best(step))), "greedy is the best score");
}

#[test]
fn a_principle_in_plain_words_is_a_dimension_of_weight_one() {
    let client = Server::shared().client();
    let named = client.completion(&traced(json!({"preference": {"expert": 1}})));
    let words = principle(&client, "expert");
    let free = client.completion(&traced(json!({"preference": words})));
    assert_eq!(tokens(&named["choices"][0]), tokens(&free["choices"][0]));
    assert_eq!(free["usage"]["pad"], named["usage"]["pad"]);
    let rewards = &free["choices"][0]["pad"]["trace"][0]["rewards"];
    assert!(rewards["principle"].is_number(), "{rewards}");
}

/// Sixteen requests at once, of which the first is `body`; the first's tokens.
fn in_company(server: &Server, body: &Value) -> Vec<u64> {
    let names = ["concise", "harmless", "humorous", "formal", "expert"];
    let others = (0..15_u32).map(|i| {
        let name = names[i as usize % names.len()];
        let weight = f64::from(i) / 5.0 - 1.0;
        let question = format!("Question {i}: what is {} times {}?", i * 3, i + 2);
        with(
            ask(&question, 16 + i as usize),
            json!({"preference": {name: weight}, "temperature": 0.1 * f64::from(i % 3)}),
        )
    });
    let bodies: Vec<Value> = std::iter::once(body.clone()).chain(others).collect();
    let start = Barrier::new(bodies.len());
    thread::scope(|scope| {
        let send = |body| {
            let (client, start) = (server.client(), &start);
            scope.spawn(move || {
                start.wait();
                client.completion(body)
            })
        };
        let running: Vec<_> = bodies.iter().map(send).collect();
        let answers: Vec<Value> = running.into_iter().map(|thread| thread.join().expect("an answer")).collect();
        tokens(&answers[0]["choices"][0])
    })
}

/// (steps, tokens generated) so far; the figures of a step are seen after its tokens.
fn work(server: &Server) -> (u64, u64) {
    let engine = until("nothing runs", || {
        let engine = server.engine();
        (engine["running"] == 0 && engine["waiting"] == 0).then_some(engine)
    });
    let figure = |key: &str| engine[key].as_u64().expect("a figure");
    (figure("steps"), figure("tokens_generated"))
}

fn company_and_chunks_change_nothing(flags: &[&str]) {
    let body = traced(json!({"preference": {"expert": 1.5, "concise": -0.5}}));
    let whole = Server::start(flags, &[("PAD_ENGINE__TOKEN_BUDGET", "512")]);
    let alone = chosen(&whole, &body);
    let (steps_alone, generated) = work(&whole);
    assert_eq!((alone.len() as u64, steps_alone), (generated, generated), "the prompts fit one step");
    assert_eq!(chosen(&whole, &body), alone, "{flags:?}: with its prompt in the cache");
    let before = work(&whole);
    assert_eq!(in_company(&whole, &body), alone, "{flags:?}: in company");
    let after = work(&whole);
    let (steps, generated) = (after.0 - before.0, after.1 - before.1);
    assert!(steps * 4 < generated, "it was a batch: {steps} steps for {generated} tokens");
    drop(whole);
    let chunked = Server::start(flags, &[("PAD_ENGINE__TOKEN_BUDGET", "7")]);
    assert_eq!(chosen(&chunked, &body), alone, "{flags:?}: prompts read in chunks of 7");
    let (steps, _) = work(&chunked);
    assert!(steps > steps_alone + 20, "they were chunks: {steps} steps, not {steps_alone}");
}

#[test]
fn a_seed_repeats_whatever_else_runs() {
    let server = Server::shared();
    let sampled = |seed: u64| traced(json!({"preference": {"expert": 1}, "temperature": 1.2, "seed": seed}));
    let alone = chosen(server, &sampled(3));
    assert_ne!(chosen(server, &sampled(4)), alone, "it is sampled");
    for _ in 0..2 {
        assert_eq!(in_company(server, &sampled(3)), alone);
    }
}

/// Rows of prompts that were computed so far.
fn prefilled(server: &Server) -> u64 {
    let _ = work(server);
    server.engine()["tokens_prefilled"].as_u64().expect("a figure")
}

#[test]
fn choices_share_one_prefill() {
    let server = Server::start(&[], &[]);
    let (before, choices) = (prefilled(&server), 8);
    let answer = server.client().completion(&traced(json!({"n": choices, "temperature": 1, "seed": 1})));
    let prompt = answer["usage"]["prompt_tokens"].as_u64().expect("a number");
    let computed = prefilled(&server) - before;
    // What does not fill a block of 16 is each choice's own.
    assert!(
        prompt > 32 && computed + 1 >= prompt && computed <= prompt + 16 * (choices - 1),
        "{computed} for {prompt}"
    );
    assert!(computed < prompt * choices / 2, "{computed} rows for {choices} times {prompt}");
}

#[test]
fn an_answer_does_not_depend_on_company_or_chunks_in_the_fast_arithmetic() {
    company_and_chunks_change_nothing(&["--dtype", "auto"]);
}

#[test]
fn an_answer_does_not_depend_on_company_or_chunks_in_the_reference_arithmetic() {
    company_and_chunks_change_nothing(&["--dtype", "f32"]);
}

#[test]
fn an_answer_does_not_depend_on_company_or_chunks_with_keys_and_values_of_8_bits() {
    company_and_chunks_change_nothing(&["--kv-dtype", "q8"]);
}
