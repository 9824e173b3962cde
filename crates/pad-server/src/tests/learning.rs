//! Feedback: what users choose, and how profiles follow.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use futures::future::join_all;
use serde_json::{Value, json};

use super::client::{Answer, bare, chat, hello, post, post_chat, send};
use super::model::{ANSWER, Behaviour, STEERED};
use super::responses::{response, text};
use super::server::state;
use crate::{ApiKey, ApiKeys, ProfileRules};

const ALICE: &str = "/v1/preferences/profiles/alice";

fn app() -> Router {
    crate::app(state(Behaviour::default()))
}

async fn give(app: &Router, body: Value) -> Answer {
    send(app, post(&format!("{ALICE}/feedback"), body.to_string())).await
}

async fn given(app: &Router, body: Value) -> Value {
    let answer = give(app, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// To a reward lane every capital is worth 1: the chosen answer has 4 of them.
fn loud() -> Value {
    json!({"messages": [{"role": "user", "content": "hello"}], "chosen": "HI JO", "rejected": "hi jo"})
}

async fn alice(app: &Router) -> Value {
    let answer = send(app, bare(Method::GET, ALICE)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn said(app: &Router) -> String {
    let answer = chat(app, json!({"preference": {"profile": "alice"}})).await.json();
    answer["choices"][0]["message"]["content"].as_str().expect("a text").to_owned()
}

async fn undo(app: &Router, id: &Value) -> Answer {
    let path = format!("{ALICE}/feedback/{}", id.as_str().expect("an id"));
    send(app, bare(Method::DELETE, &path)).await
}

#[tokio::test]
async fn what_is_chosen_is_learned_and_what_is_undone_is_not() {
    let app = app();
    let (mut ids, mut expected) = (Vec::new(), Vec::new());
    for count in 1..=6 {
        let feedback = given(&app, loud()).await;
        assert_eq!(
            (&feedback["object"], &feedback["profile"]),
            (&json!("preference_profile.feedback"), &json!("alice"))
        );
        assert_eq!(feedback["choices"], count);
        expected.push(feedback["expected"].as_f64().expect("two answers were compared"));
        ids.push(feedback["id"].clone());
    }
    assert!((expected[0] - 0.5).abs() < 1e-12, "nothing was known: {expected:?}");
    assert!(expected.windows(2).all(|two| two[0] < two[1]) && expected[5] > 0.75, "{expected:?}");
    let profile = alice(&app).await;
    assert_eq!((&profile["preference"], &profile["choices"]), (&json!({}), &json!(6)));
    let learned = &profile["learned"];
    // The two dimensions measure the same, so that neither is certain.
    assert_eq!((&learned["choices"], &learned["words"]), (&json!(6), &json!("")));
    assert!(learned["consistency"].as_f64() > Some(0.7) && learned["alignment"].as_f64() > Some(0.4), "{learned}");
    for dimension in ["loud", "kind"] {
        assert!(learned["weights"][dimension].as_f64() > Some(0.4), "{learned}");
        let known = &learned["dimensions"][dimension];
        assert!(known["mean"].as_f64() > Some(0.5) && known["deviation"].as_f64() > Some(0.1), "{learned}");
    }
    assert_eq!(said(&app).await, STEERED);

    let one = undo(&app, &ids[2]).await;
    assert_eq!((one.status.as_u16(), &one.json()["choices"]), (200, &json!(5)), "{}", one.text);
    let again = undo(&app, &ids[2]).await;
    assert_eq!((again.status.as_u16(), &again.error()["code"]), (404, &json!("feedback_not_found")));
    for id in [&ids[0], &ids[1], &ids[3], &ids[4], &ids[5]] {
        assert_eq!(undo(&app, id).await.status, 200);
    }
    let profile = alice(&app).await;
    assert_eq!((&profile["learned"], &profile["choices"]), (&Value::Null, &json!(6)));
    assert_eq!(said(&app).await, ANSWER, "as if nothing had been chosen");
    assert_eq!(undo(&app, &json!("x")).await.status, 404);
}

#[tokio::test]
async fn none_of_many_choices_at_once_is_lost() {
    let app = app();
    let answers = join_all((0..40).map(|_| given(&app, loud()))).await;
    let mut ids: Vec<&str> = answers.iter().map(|answer| answer["id"].as_str().expect("an id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 40);
    let profile = alice(&app).await;
    assert_eq!((&profile["choices"], &profile["learned"]["choices"]), (&json!(40), &json!(40)));
}

#[tokio::test]
async fn thumbs_and_edits_are_about_stored_answers() {
    let app = app();
    let stored = chat(&app, json!({"store": true, "n": 2})).await.json();
    let up = given(&app, json!({"id": stored["id"], "index": 1, "thumb": "up"})).await;
    assert_eq!((&up["choices"], &up["expected"]), (&json!(1), &json!(0.5)), "one of two equal answers");
    let stream = send(&app, post_chat(hello(json!({"store": true, "stream": true})).to_string())).await;
    let id = super::client::events(&stream)[0]["id"].clone();
    let edit = given(&app, json!({"id": id, "edited": STEERED})).await;
    assert_eq!(edit["choices"], 2);
    let answer = response(&app, json!({"preference": {"loud": 1}})).await;
    assert_eq!(text(&answer), STEERED);
    let up = given(&app, json!({"id": answer["id"], "thumb": "up"})).await;
    assert_eq!((&up["choices"], &up["expected"]), (&json!(3), &Value::Null));
    let weight = alice(&app).await["learned"]["weights"]["loud"].as_f64();
    assert!(weight > Some(0.0), "both speak for capitals: {weight:?}");
    let plain = chat(&app, json!({})).await.json();
    for (body, status, param) in [
        (json!({"id": plain["id"], "thumb": "up"}), 404, "id"),
        (json!({"id": "resp_x", "thumb": "up"}), 404, "id"),
        (json!({"id": stored["id"], "index": 2, "thumb": "up"}), 400, "index"),
        (json!({"id": stored["id"]}), 400, "thumb"),
        (json!({"id": stored["id"], "thumb": "sideways"}), 400, "thumb"),
        (json!({"chosen": "a", "rejected": "b"}), 400, "messages"),
        (json!({}), 400, "messages"),
    ] {
        let answer = give(&app, body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.error()["param"]),
            (status, &json!(param)),
            "{body}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_question_has_two_answers_and_takes_the_reply() {
    let app = app();
    let ask_of = |name: &str, fields: Value| {
        let path = format!("/v1/preferences/profiles/{name}/elicit");
        let request = post(&path, fields.to_string());
        let app = &app;
        async move { send(app, request).await }
    };
    let ask = |fields: Value| ask_of("alice", fields);
    let messages = json!([{"role": "user", "content": "hello"}]);
    // The seed decides which answer comes first.
    for (seed, name) in [(1, "alice"), (2, "bob")] {
        let fields = json!({"messages": messages, "candidates": 2, "temperature": 0, "seed": seed});
        let question = ask_of(name, fields).await;
        assert_eq!(question.status, 200, "{}", question.text);
        let question = question.json();
        let texts: Vec<&str> = [0, 1].map(|at| question["answers"][at]["content"].as_str().expect("a text")).to_vec();
        let loud = texts.iter().position(|text| *text == STEERED).expect("one of them is loud");
        assert_eq!(texts[1 - loud], ANSWER, "and the other is not");
        let weight = |at: usize| question["answers"][at]["weights"]["loud"].as_f64();
        assert!(weight(loud) > Some(0.0) && weight(1 - loud) < Some(0.0), "{question}");
        assert!(question["information"].as_f64() > Some(0.01) && question["prompt"].is_null(), "{question}");
        let reply = json!({"id": question["id"], "index": loud, "thumb": "up"});
        let path = format!("/v1/preferences/profiles/{name}/feedback");
        let reply = send(&app, post(&path, reply.to_string())).await.json();
        assert_eq!((&reply["profile"], &reply["choices"]), (&json!(name), &json!(1)), "{reply}");
        let expected = question["expected"].as_f64().expect("a probability");
        let expected = if loud == 0 { expected } else { 1.0 - expected };
        assert!((reply["expected"].as_f64().expect("of two") - expected).abs() < 1e-9);
    }
    assert_eq!(said(&app).await, STEERED);
    let own = ask_of("carol", json!({"temperature": 0})).await.json();
    assert!(own["prompt"].as_str().is_some_and(|prompt| prompt.ends_with('?')), "{own}");
    for (fields, param) in [
        (json!({"candidates": 3}), "candidates"),
        (json!({"candidates": 10}), "candidates"),
        (json!({"max_tokens": 257}), "max_tokens"),
        (json!({"messages": []}), "messages"),
        (json!({"temperature": 3}), "temperature"),
    ] {
        let answer = ask(fields.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.error()["param"]), (400, &json!(param)), "{fields}");
    }
}

#[tokio::test]
async fn what_was_set_stands_beside_what_is_learned() {
    let app = app();
    let put = |preference: Value| {
        let request = Request::builder().method(Method::PUT).uri(ALICE).header("host", "pad");
        let request = request.header("content-type", "application/json");
        let body = Body::from(json!({"preference": preference}).to_string());
        send(&app, request.body(body).expect("a request"))
    };
    assert_eq!(put(json!({"loud": -1, "kind": -1})).await.status, 201);
    given(&app, loud()).await;
    assert_eq!(said(&app).await, ANSWER, "weights that were set are not learned");
    // Words, which the model follows as any other lane, until the weights are known.
    assert_eq!(put(json!("be kind")).await.status, 200);
    assert_eq!(alice(&app).await["learned"]["choices"], 1);
    assert_eq!(said(&app).await, STEERED);
}

#[tokio::test]
async fn without_a_reward_model_nothing_is_learned() {
    let mut state = state(Behaviour::default());
    state.reward = None;
    let answer = give(&crate::app(state), loud()).await;
    assert_eq!((answer.status.as_u16(), &answer.error()["code"]), (400, &json!("nothing_to_learn")));
}

#[tokio::test]
async fn what_was_chosen_is_an_example_where_the_settings_say_so() {
    let mut state = state(Behaviour::default());
    state.profiles = ProfileRules { in_context: 2, bind_user: true, ..ProfileRules::default() };
    let app = crate::app(state);
    let usage = async |fields: Value| chat(&app, fields).await.json()["usage"].take();
    let plain = usage(json!({"user": "alice"})).await;
    for question in ["hello there", "good night"] {
        let choice = json!({
            "messages": [{"role": "user", "content": question}], "chosen": "HI JO", "rejected": "hi jo"
        });
        given(&app, choice).await;
    }
    let turn = "hello there".len() + "HI JO".len();
    let long = |usage: &Value| usage["prompt_tokens"].as_u64().expect("a number") as usize;
    for fields in [json!({"user": "alice"}), json!({"preference": {"profile": "alice"}})] {
        let with = usage(fields.clone()).await;
        assert_eq!(with["pad"]["examples"], 2, "{fields}: {with}");
        assert!(long(&with) > long(&plain) + 2 * turn, "{fields}: {with} {plain}");
    }
    for fields in [json!({"user": "bob"}), json!({}), json!({"user": "alice", "preference": {"loud": 1}})] {
        let without = usage(fields.clone()).await;
        assert!(long(&without) == long(&plain) && without["pad"]["examples"].is_null(), "{fields}: {without}");
    }
    let answer = response(&app, json!({"user": "alice"})).await;
    assert_eq!(answer["usage"]["pad"]["examples"], 2, "{answer}");
    let path = format!("/v1/responses/{}/input_items", answer["id"].as_str().expect("an id"));
    let items = send(&app, bare(Method::GET, &path)).await.json();
    assert_eq!(items["data"].as_array().map(Vec::len), Some(1), "examples are no part of the conversation: {items}");
}

/// Others who like capitals make it likely that one more does, if the settings say so.
#[tokio::test]
async fn what_others_prefer_is_where_a_profile_begins_if_the_settings_say_so() {
    for (population_prior, surprise) in [(false, false), (true, true)] {
        let mut state = state(Behaviour::default());
        state.profiles.population_prior = population_prior;
        let app = crate::app(state.clone());
        for user in ["bob", "carol", "dave", "erin"] {
            for _ in 0..6 {
                let path = format!("/v1/preferences/profiles/{user}/feedback");
                assert_eq!(send(&app, post(&path, loud().to_string())).await.status, 200);
            }
        }
        // Another server over the same store: the first one has the population in memory that was there when it learned first.
        let first = given(&crate::app(state), loud()).await["expected"].as_f64().expect("two answers");
        assert_eq!(first > 0.6, surprise, "{first}");
        assert!(surprise || (first - 0.5).abs() < 1e-12, "nothing is known of a user who has not chosen: {first}");
    }
}

#[tokio::test]
async fn a_profile_that_is_made_again_has_other_choices() {
    let app = app();
    let old = given(&app, loud()).await["id"].clone();
    assert_eq!(send(&app, bare(Method::DELETE, ALICE)).await.status, 200);
    let new = given(&app, loud()).await["id"].clone();
    assert_ne!(old, new);
    assert_eq!(undo(&app, &old).await.status, 404, "it was deleted with the profile");
    assert_eq!(undo(&app, &new).await.status, 200);
    let mut large = loud();
    large["messages"][0]["content"] = json!("x".repeat(300 << 10));
    let answer = give(&app, large).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
}

#[tokio::test]
async fn choices_count_against_a_keys_tokens() {
    let mut state = state(Behaviour::default());
    state.keys = ApiKeys::new([ApiKey::new("k").rated(1000)]);
    let app = crate::app(state);
    let give = |body: Value| {
        let mut request = post(&format!("{ALICE}/feedback"), body.to_string());
        request.headers_mut().insert("authorization", "Bearer k".parse().expect("a header"));
        let app = &app;
        async move { send(app, request).await }
    };
    let mut request = post_chat(hello(json!({"store": true, "n": 2})).to_string());
    request.headers_mut().insert("authorization", "Bearer k".parse().expect("a header"));
    let stored = send(&app, request).await.json();
    let thumb = json!({"id": stored["id"], "thumb": "up"});
    let mut statuses = Vec::new();
    for _ in 0..80 {
        statuses.push(give(thumb.clone()).await.status.as_u16());
    }
    assert!(statuses.contains(&200) && statuses.ends_with(&[429]), "{statuses:?}");
}
