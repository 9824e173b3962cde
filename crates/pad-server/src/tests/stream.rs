//! Answers in chunks, read strictly.

use axum::body::BodyDataStream;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::client::{Stream, chat, get, hello, post_chat};
use super::model::{ANSWER, Behaviour, Gate, STEERED};
use super::server::{app, state, until};

#[tokio::test]
async fn chunks_make_the_answer() {
    let stream = Stream::read(&chat(&app(), json!({"stream": true})).await);
    assert_eq!(stream.choice(0), (ANSWER.to_owned(), "stop".to_owned()));
    assert!(stream.events.len() > 5, "it comes in parts");
    assert!(stream.events.iter().all(|chunk| chunk.get("usage").is_none()), "usage was not asked for");
}

#[tokio::test]
async fn usage_comes_last_and_alone() {
    let app = app();
    let fields = json!({"stream": true, "stream_options": {"include_usage": true}, "preference": {"loud": 1}});
    let stream = Stream::read(&chat(&app, fields).await);
    let (last, others) = stream.events.split_last().expect("events");
    assert_eq!(last["choices"], json!([]));
    assert!(others.iter().all(|chunk| chunk.get("usage").is_none() && chunk["choices"].get(0).is_some()));
    let mut whole = chat(&app, json!({"preference": {"loud": 1}})).await.json()["usage"].take();
    let mut usage = last["usage"].clone();
    for usage in [&mut whole, &mut usage] {
        usage["prompt_tokens_details"].take();
    }
    assert_eq!(usage, whole, "the same as in one piece");
    assert_eq!(stream.choice(0).0, STEERED);
}

#[tokio::test]
async fn choices_are_told_apart_by_index() {
    let stream = Stream::read(&chat(&app(), json!({"stream": true, "n": 4})).await);
    for index in 0..4 {
        assert_eq!(stream.choice(index), (ANSWER.to_owned(), "stop".to_owned()), "choice {index}");
    }
}

#[tokio::test]
async fn stop_strings_do_not_leak() {
    let stream = Stream::read(&chat(&app(), json!({"stream": true, "stop": [", joe", "x"]})).await);
    assert_eq!(stream.choice(0), ("hi".to_owned(), "stop".to_owned()));
    let stream = Stream::read(&chat(&app(), json!({"stream": true, "max_tokens": 0})).await);
    assert_eq!(stream.choice(0), (String::new(), "length".to_owned()));
}

#[tokio::test]
async fn the_trace_comes_with_the_text_it_explains() {
    let app = app();
    let fields = json!({"stream": true, "pad": {"trace": true, "top_k": 2}, "stop": "joe?"});
    let stream = Stream::read(&chat(&app, fields).await);
    let mut tokens = 0;
    for choice in stream.choices(0) {
        let Some(trace) = choice.get("pad").map(|pad| pad["trace"].as_array().expect("a list").clone()) else {
            assert_eq!(choice["delta"]["content"], "", "only the opening explains nothing: {choice}");
            continue;
        };
        tokens += trace.len();
        let explained: String = trace.iter().map(|token| token["text"].as_str().expect("a text")).collect();
        assert_eq!(explained, choice["delta"]["content"].as_str().unwrap_or_default(), "{choice}");
    }
    assert_eq!(tokens, ANSWER.len() + 1, "bytes that were held back and the end token are explained too");
    let held = stream.choices(0).find(|choice| choice["delta"]["content"] == "joe\u{1F600}");
    let held = held.expect("what may become a stop string, or a character, waits for the byte that tells");
    assert_eq!(held["pad"]["trace"].as_array().map(Vec::len), Some(7));
}

#[tokio::test]
async fn a_failure_half_way_is_an_event_and_the_end() {
    let app = crate::app(state(Behaviour { fail_after: Some(b','), ..Behaviour::default() }));
    let answer = chat(&app, json!({"stream": true, "stream_options": {"include_usage": true}})).await;
    let stream = Stream::read(&answer);
    let (error, chunks) = stream.events.split_last().expect("events");
    assert_eq!(error["error"]["type"], "server_error");
    assert!(
        error["error"]["message"].is_string() && error["error"].get("param").is_some_and(Value::is_null),
        "{error}"
    );
    assert_eq!(chunks.len(), 4, "the opening and three bytes: {chunks:?}");
    let whole = chat(&app, json!({})).await;
    assert_eq!((whole.status.as_u16(), &whole.error()["code"]), (500, &json!("internal_error")));
}

/// The next event of a stream that goes on.
async fn next(body: &mut BodyDataStream) -> String {
    let bytes = body.next().await.expect("the stream goes on").expect("the body is whole");
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[tokio::test]
async fn a_client_that_leaves_cancels_what_it_asked_for() {
    let gate = Gate::after(2);
    let state = state(Behaviour { gate: gate.clone(), ..Behaviour::default() });
    let engine = state.engine.clone();
    let app = crate::app(state);
    let body = hello(json!({"stream": true, "n": 2}));
    let response = app.clone().oneshot(post_chat(body.to_string())).await.expect("an answer");
    let mut stream = response.into_body().into_data_stream();
    assert!(next(&mut stream).await.contains("assistant"));
    drop(stream);
    gate.open();
    until(&engine, |status| status.cancelled == 2).await;
    assert_eq!((engine.status().finished, engine.status().kv_blocks_used), (0, 0));
    // Two steps had passed, and the third was under way.
    assert!(engine.status().steps <= 3 && engine.status().tokens_generated <= 6, "{:?}", engine.status());
    let page = get(&app, "/metrics").await.text;
    assert!(page.contains("pad_requests_disconnected_total{model_name=\"lab/parrot\"} 1"), "{page}");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_whole_answer_cancels_too() {
    let gate = Gate::after(3);
    let state = state(Behaviour { gate: gate.clone(), ..Behaviour::default() });
    let engine = state.engine.clone();
    let app = crate::app(state);
    let mut waiting = Box::pin(chat(&app, json!({})));
    while engine.status().tokens_generated < 3 {
        assert!(futures::poll!(&mut waiting).is_pending());
        tokio::task::yield_now().await;
    }
    drop(waiting);
    gate.open();
    until(&engine, |status| status.cancelled == 1).await;
    assert_eq!((engine.status().finished, engine.status().kv_blocks_used), (0, 0));
    assert!(engine.status().tokens_generated <= 4, "within a step: {:?}", engine.status());
}

#[tokio::test]
async fn a_stop_string_ends_the_sequence_in_the_engine() {
    let gate = Gate::after(ANSWER.find("joe").expect("it is said") + 2);
    let state = state(Behaviour { gate: gate.clone(), ..Behaviour::default() });
    let engine = state.engine.clone();
    let stream = Stream::read(&chat(&crate::app(state), json!({"stream": true, "stop": ", jo"})).await);
    assert_eq!(stream.choice(0), ("hi".to_owned(), "stop".to_owned()));
    gate.open();
    until(&engine, |status| status.cancelled == 1).await;
    assert_eq!((engine.status().finished, engine.status().kv_blocks_used), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn comments_are_sent_while_nothing_comes() {
    let gate = Gate::after(0);
    let app = crate::app(state(Behaviour { gate: gate.clone(), ..Behaviour::default() }));
    let response = app.oneshot(post_chat(hello(json!({"stream": true})).to_string())).await.expect("an answer");
    let mut stream = response.into_body().into_data_stream();
    let begun = tokio::time::Instant::now();
    assert_eq!(next(&mut stream).await, ": keep-alive\n\n");
    assert_eq!(begun.elapsed().as_secs(), 15);
    gate.open();
}
