//! Many at once, and more than fit.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::catalogue::CATALOGUE;
use crate::client::{Answer, ask, with};
use crate::poll::until;
use crate::server::Server;

/// Send all at the same moment.
fn at_once<T: Send>(count: usize, send: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(count);
    thread::scope(|scope| {
        let (start, send) = (&start, &send);
        let begin = |i| {
            scope.spawn(move || {
                start.wait();
                send(i)
            })
        };
        let running: Vec<_> = (0..count).map(begin).collect();
        running.into_iter().map(|thread| thread.join().expect("it ends well")).collect()
    })
}

#[test]
fn sixty_four_preferences_at_once_are_all_served() {
    let server = Server::shared();
    let names = CATALOGUE;
    let answers = at_once(64, |i| {
        let weights: Vec<f64> = (0..names.len()).map(|d| ((i * 7 + d * 3) % 9) as f64 / 4.0 - 1.0).collect();
        let preference = match i % 4 {
            0 => json!(weights),
            1 => json!({names[i % names.len()]: weights[0]}),
            2 => json!("answer like a pirate"),
            _ => Value::Null,
        };
        let body = with(ask(&format!("Tell me something about the number {i}."), 8), json!({"preference": preference}));
        if i % 2 == 0 {
            let stream = server.client().stream(&with(body, json!({"stream_options": {"include_usage": true}})));
            stream.usage.expect("usage")["completion_tokens"].clone()
        } else {
            server.client().completion(&body)["usage"]["completion_tokens"].clone()
        }
    });
    assert!(
        answers.iter().all(|tokens| tokens.as_u64().is_some_and(|tokens| (1..=8).contains(&tokens))),
        "{answers:?}"
    );
}

#[test]
fn more_than_the_queue_holds_is_refused_at_once() {
    let server = Server::start(&[], &[("PAD_ENGINE__MAX_SEQUENCES", "2"), ("PAD_ENGINE__QUEUE", "2")]);
    let answers: Vec<Answer> = at_once(32, |i| server.client().chat(&ask(&format!("Count to {i} slowly."), 48)));
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(refused.len() < 32 && !refused.is_empty(), "some fit, some do not: {} refused", refused.len());
    for answer in refused {
        let error = answer.error();
        assert_eq!((answer.status, &error["code"]), (429, &json!("queue_full")), "{error}");
        assert_eq!(error["type"], "rate_limit_error");
        let seconds: Option<u64> = answer.headers["retry-after"].to_str().ok().and_then(|text| text.parse().ok());
        assert!(seconds.is_some_and(|seconds| seconds >= 1));
    }
    assert_eq!(server.client().chat(&ask("hi", 1)).status, 200, "room again");
}

#[test]
fn a_small_cache_serves_one_after_the_other() {
    let server = Server::start(&[], &[("PAD_ENGINE__KV_POSITIONS", "512")]);
    let steered = json!({"preference": {"humorous": 1}});
    let big = server.client().completion(&with(ask("Tell a story.", 500), steered.clone()));
    let told = big["usage"]["completion_tokens"].as_u64().expect("a number");
    assert!(told < 256, "two lanes have half of the cache each, less their prompts: {told}");
    let long = server.client().chat(&with(ask(&"story ".repeat(300), 1), steered.clone()));
    assert_eq!((long.status, long.error()["code"].as_str()), (400, Some("kv_room_exceeded")), "two prompts never fit");
    let alone = server.client().completion(&with(ask("Tell a story of a fox.", 64), steered.clone()));
    let answers = at_once(12, |i| {
        let question = if i == 0 { "Tell a story of a fox.".to_owned() } else { format!("Tell a story of {i} birds.") };
        server.client().completion(&with(ask(&question, 64), steered.clone()))
    });
    assert_eq!(answers[0]["choices"][0]["message"], alone["choices"][0]["message"], "waiting changes no answer");
    let engine = until("all blocks are given back", || {
        let engine = server.engine();
        (engine["running"] == 0 && engine["kv_blocks"]["used"] == 0).then_some(engine)
    });
    assert_eq!((&engine["failed"], &engine["kv_blocks"]["total"]), (&json!(0), &json!(32)));
}
