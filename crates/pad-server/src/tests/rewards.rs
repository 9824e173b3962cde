//! Given answers, scored.

use axum::Router;
use serde_json::{Value, json};

use super::client::{Answer, post, send};
use super::model::{Behaviour, CONTEXT};
use super::server::{app, state};

async fn ask(app: &Router, fields: Value) -> Answer {
    let said = json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "HI joe"}]);
    let mut body = json!({"messages": said});
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    send(app, post("/v1/rewards", body.to_string())).await
}

async fn rewards(app: &Router, fields: Value) -> Value {
    let answer = ask(app, fields).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()
}

/// Every token of the model has a log-probability of -2 and capitals one of -1 to a reward lane: a reward of 1 for each.
#[tokio::test]
async fn an_answer_is_worth_the_sum_of_its_tokens() {
    let app = app();
    let one = rewards(&app, json!({"preference": {"loud": 0.5}})).await;
    assert_eq!((&one["object"], &one["tokens"], &one["base_logprob"]), (&json!("rewards"), &json!(7), &json!(-14.0)));
    assert_eq!(one["dimensions"], json!({"loud": 2.0}));
    assert_eq!(one["rewards"], json!([{"preference": {"loud": 0.5}, "reward": 1.0}]));
    assert!(one.get("per_token").is_none());
    let prompt = "_user\nhello_\n_assistant\n".len() + 7;
    assert_eq!((&one["usage"]["prompt_tokens"], &one["usage"]["completion_tokens"]), (&json!(prompt), &json!(0)));
    assert_eq!(one["usage"]["pad"]["reward_lanes"], 1);
    let cut = rewards(&app, json!({"complete": false, "model": "default"})).await;
    assert_eq!((&cut["tokens"], &cut["dimensions"]), (&json!(6), &json!({"loud": 2.0, "kind": 2.0})));
    assert_eq!(cut["rewards"], json!([]));
}

#[tokio::test]
async fn several_preferences_share_a_pass() {
    let preferences = json!([{"loud": 1}, [-0.5, 2], "speak up", {}, "speak up"]);
    let answer = rewards(&app(), json!({"preferences": preferences})).await;
    assert_eq!(answer["dimensions"], json!({"loud": 2.0, "kind": 2.0, "speak up": 2.0}));
    assert_eq!(answer["usage"]["pad"]["reward_lanes"], 3, "one for each dimension and each principle");
    let given: Vec<&Value> = answer["rewards"].as_array().expect("rewards").iter().map(|r| &r["reward"]).collect();
    assert_eq!(given, [&json!(2.0), &json!(3.0), &json!(2.0), &json!(0.0), &json!(2.0)]);
    assert_eq!(answer["rewards"][1]["preference"], json!([-0.5, 2.0]));
}

#[tokio::test]
async fn every_token_can_be_told() {
    let answer = rewards(&app(), json!({"preference": {"loud": 1}, "per_token": true})).await;
    let tokens = answer["per_token"].as_array().expect("tokens");
    let said: String = tokens.iter().filter_map(|token| token["text"].as_str()).collect();
    assert_eq!((tokens.len(), said.as_str()), (7, "HI joe"));
    assert_eq!((&tokens[0]["base_logprob"], &tokens[0]["rewards"]), (&json!(-2.0), &json!({"loud": 1.0})));
    assert_eq!((&tokens[6]["text"], &tokens[6]["rewards"]["loud"]), (&json!(""), &json!(0.0)));
}

#[tokio::test]
async fn what_cannot_be_scored_is_named() {
    let app = app();
    let user = json!({"role": "user", "content": "hello"});
    let said = |content: &str| json!({"role": "assistant", "content": content});
    for (fields, param) in [
        (json!({"messages": []}), "messages"),
        (json!({"messages": [user]}), "messages"),
        (json!({"messages": [said("a")]}), "messages"),
        (json!({"messages": [user, said("")], "complete": false}), "messages"),
        (json!({"messages": [user, said(&"a".repeat(CONTEXT))]}), "messages"),
        (json!({"preference": {"quiet": 1}}), "preference"),
        (json!({"preference": {}, "preferences": []}), "preferences"),
        (json!({"preferences": vec![json!({}); 33]}), "preferences"),
        (json!({"preferences": [{"loud": 3}]}), "preference"),
    ] {
        let answer = ask(&app, fields.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.error()["param"]),
            (400, &json!(param)),
            "{fields}: {}",
            answer.text
        );
    }
    let empty = rewards(&app, json!({"messages": [user, said("")]})).await;
    assert_eq!(empty["tokens"], 1, "an end is an answer, too");
    let mut state = state(Behaviour::default());
    state.reward = None;
    let bare = crate::app(state);
    assert_eq!(rewards(&bare, json!({})).await["base_logprob"], -14.0);
    assert_eq!(ask(&bare, json!({"preference": {"loud": 1}})).await.error()["param"], "preference");
}
