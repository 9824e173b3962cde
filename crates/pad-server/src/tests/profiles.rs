//! Stored profiles, and requests that name one or whose user has one.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::client::{Answer, hello, send};
use super::model::{ANSWER, Behaviour, STEERED};
use super::responses::{response, text};
use super::server::state;
use crate::{ApiKey, ApiKeys};

const PROFILES: &str = "/v1/preferences/profiles";

type Headers<'a> = &'a [(&'a str, &'a str)];

/// A server that binds profiles to users, for these keys.
fn app(keys: impl IntoIterator<Item = ApiKey>) -> Router {
    let mut state = state(Behaviour::default());
    state.profiles.bind_user = true;
    state.keys = ApiKeys::new(keys);
    crate::app(state)
}

async fn ask(app: &Router, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "pad");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = match body {
        None => request.body(Body::empty()),
        Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
    };
    send(app, request.expect("a request")).await
}

async fn put(app: &Router, headers: &[(&str, &str)], name: &str, preference: Value) -> Answer {
    ask(app, Method::PUT, &format!("{PROFILES}/{name}"), headers, Some(json!({"preference": preference}))).await
}

async fn made(app: &Router, headers: &[(&str, &str)], name: &str, preference: Value) {
    let answer = put(app, headers, name, preference).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

/// What was said, and where its preference came from.
async fn said(app: &Router, headers: &[(&str, &str)], fields: Value) -> (String, String) {
    let answer = ask(app, Method::POST, "/v1/chat/completions", headers, Some(hello(fields))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&body["choices"][0]["message"]["content"]), text(&body["usage"]["pad"]["preference_source"]))
}

fn steered(source: &str) -> (String, String) {
    (STEERED.to_owned(), source.to_owned())
}

fn plain(source: &str) -> (String, String) {
    (ANSWER.to_owned(), source.to_owned())
}

#[tokio::test]
async fn a_request_names_a_profile_in_every_place_and_may_change_its_weights() {
    let app = app([]);
    made(&app, &[], "alice", json!({"loud": 1})).await;
    let profile = json!({"profile": "alice"});
    assert_eq!(said(&app, &[], json!({"preference": profile})).await, steered("body"));
    assert_eq!(said(&app, &[], json!({"preference": {"profile": "alice", "loud": 0}})).await, plain("body"));
    assert_eq!(said(&app, &[("x-pad-preference", "profile=alice")], json!({})).await, steered("header"));
    assert_eq!(said(&app, &[("x-pad-preference", "profile=alice,loud=0")], json!({})).await, plain("header"));
    let note = json!({"metadata": {"pad_preference": "profile=alice"}});
    assert_eq!(said(&app, &[], note).await, steered("metadata"));
    let answer = response(&app, json!({"preference": profile})).await;
    assert_eq!(text(&answer), STEERED);
    let completion = json!({"prompt": "a\n", "preference": profile});
    let completion = ask(&app, Method::POST, "/v1/completions", &[], Some(completion)).await.json();
    assert_eq!(completion["usage"]["pad"]["preference_source"], "body");
    let scored = json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "HI joe"}]);
    let scored = json!({"messages": scored, "preferences": [profile, {"profile": "alice", "loud": 0.5}]});
    let scored = ask(&app, Method::POST, "/v1/rewards", &[], Some(scored)).await.json();
    assert_eq!(scored["rewards"][0], json!({"preference": {"loud": 1.0}, "reward": 2.0}), "{scored}");
    assert_eq!(scored["rewards"][1]["reward"], 1.0);
}

#[tokio::test]
async fn the_nearest_place_wins() {
    let loud = ApiKey::new("loud").preferring("loud=1").expect("a preference");
    let app = app([ApiKey::new("plain"), loud]);
    let (none, key) = (("authorization", "Bearer plain"), ("authorization", "Bearer loud"));
    made(&app, &[none], "alice", json!({"loud": 0.5})).await;
    made(&app, &[key], "alice", json!({"loud": 0})).await;
    let (header, preset) = (("x-pad-preference", "loud=0"), json!("loud-parrot"));
    let note = json!({"pad_preference": "loud=0"});
    // Each row gives one place less than the one before.
    let table: [(Headers<'_>, Value, (String, String)); 7] = [
        (
            &[key, header],
            json!({"preference": {"loud": 1}, "metadata": note, "user": "alice", "model": preset}),
            steered("body"),
        ),
        (&[key, header], json!({"metadata": note, "user": "alice", "model": preset}), plain("header")),
        (&[key], json!({"metadata": note, "user": "alice", "model": preset}), plain("metadata")),
        (&[key], json!({"user": "alice", "model": preset}), plain("profile")),
        (&[key], json!({"model": preset}), steered("key")),
        (&[none], json!({"model": preset}), steered("model")),
        (&[none], json!({}), plain("default")),
    ];
    for (headers, fields, expected) in table {
        assert_eq!(said(&app, headers, fields.clone()).await, expected, "{headers:?} {fields}");
    }
}

#[tokio::test]
async fn a_user_has_a_profile_or_not() {
    let app = app([]);
    made(&app, &[], "alice", json!({"loud": 1})).await;
    assert_eq!(said(&app, &[], json!({"user": "alice"})).await, steered("profile"));
    assert_eq!(said(&app, &[], json!({"safety_identifier": "alice"})).await, steered("profile"));
    assert_eq!(said(&app, &[], json!({"user": "bob", "safety_identifier": "alice"})).await, plain("default"));
    assert_eq!(said(&app, &[], json!({"user": "bob", "model": "loud-parrot"})).await, steered("model"));
    assert_eq!(text(&response(&app, json!({"user": "alice"})).await), STEERED);
    assert_eq!(put(&app, &[], "alice", json!("speak in capitals")).await.status, 200);
    assert_eq!(said(&app, &[], json!({"user": "alice"})).await, steered("profile"), "words as well");
    let deleted = ask(&app, Method::DELETE, &format!("{PROFILES}/alice"), &[], None).await.json();
    assert_eq!(deleted["deleted"], true);
    assert_eq!(said(&app, &[], json!({"user": "alice"})).await, plain("default"));
    let state = state(Behaviour::default());
    let unbound = crate::app(state);
    made(&unbound, &[], "alice", json!({"loud": 1})).await;
    assert_eq!(said(&unbound, &[], json!({"user": "alice"})).await, plain("default"), "unless the server binds them");
}

#[tokio::test]
async fn what_is_wrong_with_a_profile_is_named() {
    let app = app([]);
    made(&app, &[], "words", json!("speak in capitals")).await;
    made(&app, &[], "alice", json!([1, 0])).await;
    let shown = ask(&app, Method::GET, &format!("{PROFILES}/alice"), &[], None).await.json();
    assert_eq!(shown["preference"], json!({"loud": 1.0, "kind": 0.0}), "an order of dimensions is not stored");
    let refused = async |headers: &[(&str, &str)], preference: Value| {
        let fields = if preference.is_null() { json!({}) } else { json!({"preference": preference}) };
        let answer = ask(&app, Method::POST, "/v1/chat/completions", headers, Some(hello(fields))).await;
        (answer.status.as_u16(), answer.error())
    };
    for (headers, preference, status, param, says) in [
        (vec![], json!({"profile": "bob"}), 404, "preference", "`bob`"),
        (vec![("x-pad-preference", "profile=bob")], Value::Null, 404, "x-pad-preference", "`bob`"),
        (vec![], json!({"profile": "words", "loud": 1}), 400, "preference", "`words`"),
        (vec![], json!({"profile": "alice", "quiet": 1}), 400, "preference", "`quiet`"),
        (vec![], json!({"profile": "alice", "loud": 1e9}), 400, "preference", "`alice`"),
        (vec![], json!({"profile": 7}), 400, "preference", "string"),
    ] {
        let (found, error) = refused(&headers, preference.clone()).await;
        assert_eq!((found, error["param"].as_str()), (status, Some(param)), "{preference}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(says)), "{error}");
    }
    for (name, preference, param) in [
        ("bob", json!({"quiet": 1}), "preference"),
        ("bob", json!({"profile": "alice"}), "preference"),
        ("bob", json!(""), "preference"),
        ("bob", json!([1]), "preference"),
        ("..", json!({}), "name"),
        ("a%0Ab", json!({}), "name"),
    ] {
        let answer = put(&app, &[], name, preference.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.error()["param"].as_str()),
            (400, Some(param)),
            "{name} {preference}"
        );
    }
}

#[tokio::test]
async fn a_server_that_stores_nothing_generates_all_the_same() {
    let mut state = state(Behaviour::default());
    (state.store, state.profiles.bind_user) = (None, true);
    let app = crate::app(state);
    assert_eq!(said(&app, &[], json!({"user": "alice"})).await, plain("default"));
    let answer = response(&app, json!({})).await;
    assert_eq!((text(&answer), &answer["store"]), (ANSWER, &json!(false)), "it says that it is not stored");
    let id = answer["id"].as_str().expect("an id");
    let lost = ask(&app, Method::GET, &format!("/v1/responses/{id}"), &[], None).await;
    assert_eq!((lost.status.as_u16(), lost.error()["code"].as_str()), (404, Some("response_not_found")));
    for answer in [
        put(&app, &[], "alice", json!({})).await,
        ask(&app, Method::GET, PROFILES, &[], None).await,
        ask(&app, Method::GET, &format!("{PROFILES}/alice/export"), &[], None).await,
    ] {
        assert_eq!((answer.status.as_u16(), answer.error()["code"].as_str()), (404, Some("nothing_stored")));
    }
    assert_eq!(ask(&app, Method::GET, "/ready", &[], None).await.json(), json!({"ready": true, "status": "ok"}));
}

#[tokio::test]
async fn keys_of_one_owner_share_what_is_stored() {
    let keys = ["old", "new"].map(|key| ApiKey::new(key).owned_by("acme"));
    let app = app(keys.into_iter().chain([ApiKey::new("other")]));
    let bearer = |key: &'static str| [("authorization", key)];
    made(&app, &bearer("Bearer old"), "alice", json!({"loud": 1})).await;
    let fields = json!({"user": "alice"});
    assert_eq!(said(&app, &bearer("Bearer new"), fields.clone()).await, steered("profile"));
    assert_eq!(said(&app, &bearer("Bearer other"), fields).await, plain("default"));
}

#[tokio::test]
async fn all_that_is_stored_about_a_user_is_exported_and_deleted() {
    let app = app([]);
    made(&app, &[], "alice", json!({"loud": 1})).await;
    let first = response(&app, json!({"user": "alice", "input": "one"})).await;
    let named = response(&app, json!({"preference": {"profile": "alice"}, "input": "two"})).await;
    response(&app, json!({"user": "bob"})).await;
    response(&app, json!({"user": "alice", "store": false})).await;
    let path = format!("{PROFILES}/alice/export");
    let export = ask(&app, Method::GET, &path, &[], None).await.json();
    assert_eq!(export["profile"]["preference"], json!({"loud": 1.0}));
    let ids: Vec<&Value> = export["responses"].as_array().expect("responses").iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&first["id"], &named["id"]]);
    assert_eq!(export["responses"][0]["content"]["conversation"][0]["content"], "one");
    let deleted = ask(&app, Method::DELETE, &format!("{PROFILES}/alice"), &[], None).await.json();
    assert_eq!((&deleted["choices"], &deleted["responses"]), (&json!(0), &json!(2)));
    for path in [path, format!("{PROFILES}/alice"), format!("/v1/responses/{}", first["id"].as_str().expect("an id"))] {
        assert_eq!(ask(&app, Method::GET, &path, &[], None).await.status, 404, "{path}");
    }
    let again = ask(&app, Method::DELETE, &format!("{PROFILES}/alice"), &[], None).await;
    assert_eq!((again.status.as_u16(), again.error()["code"].as_str()), (404, Some("profile_not_found")));
}

/// Words that would be weights in a header are words in a profile.
#[tokio::test]
async fn words_stay_words() {
    let app = app([]);
    for words in ["tone=friendly", "profile=bob", "loud=1", "a=b,c=d"] {
        made(&app, &[], words.split('=').next().expect("a name"), json!(words)).await;
        let name = words.split('=').next().expect("a name");
        let path = format!("{PROFILES}/{name}");
        let read = ask(&app, Method::GET, &path, &[], None).await;
        assert_eq!((read.status.as_u16(), &read.json()["preference"]), (200, &json!(words)), "{}", read.text);
    }
    let listed = ask(&app, Method::GET, PROFILES, &[], None).await;
    assert_eq!(listed.json()["data"].as_array().map(Vec::len), Some(4), "{}", listed.text);
    let long = put(&app, &[], "long", json!("x".repeat(10_000))).await;
    assert_eq!((long.status.as_u16(), &long.error()["param"]), (400, &json!("preference")));
}

#[tokio::test]
async fn what_names_no_profile_is_refused_everywhere() {
    let app = app([]);
    let long = "x".repeat(257);
    for name in ["a%00", long.as_str()] {
        for (method, rest) in
            [(Method::GET, ""), (Method::DELETE, ""), (Method::GET, "/export"), (Method::DELETE, "/feedback/1-1")]
        {
            let path = format!("{PROFILES}/{name}{rest}");
            let answer = ask(&app, method.clone(), &path, &[], None).await;
            assert_eq!((answer.status.as_u16(), &answer.error()["param"]), (400, &json!("name")), "{method} {path}");
        }
    }
    assert_eq!(said(&app, &[], json!({"user": "a\u{0}"})).await, plain("default"), "nobody has this name");
    let named =
        ask(&app, Method::POST, "/v1/chat/completions", &[], Some(hello(json!({"preference": {"profile": long}}))))
            .await;
    assert_eq!((named.status.as_u16(), &named.error()["param"]), (400, &json!("preference")));
    let empty =
        ask(&app, Method::PUT, &format!("{PROFILES}/x"), &[("if-match", "")], Some(json!({"preference": {}}))).await;
    assert_eq!((empty.status.as_u16(), &empty.error()["param"]), (400, &json!("if-match")));
}
