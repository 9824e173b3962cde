//! What routers and harnesses ask a server about itself.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::client::{get, send};
use super::model::{Behaviour, CONTEXT};
use super::responses::respond;
use super::server::{app, state};
use crate::Origins;

#[tokio::test]
async fn the_peers_questions_are_answered() {
    let app = app();
    let tokenizer = get(&app, "/tokenizer_info").await.json();
    assert!(tokenizer["chat_template"].as_str().is_some_and(|template| template.contains("messages")), "{tokenizer}");
    assert_eq!((&tokenizer["model_max_length"], &tokenizer["vocab_size"]), (&json!(CONTEXT), &json!(259)));
    for path in ["/server_info", "/get_server_info"] {
        let info = get(&app, path).await.json();
        assert_eq!((&info["served_model_name"], &info["context_length"]), (&json!("lab/parrot"), &json!(CONTEXT)));
        assert_eq!((&info["tp_size"], &info["dp_size"]), (&json!(1), &json!(1)), "{info}");
    }
    for path in ["/model_info", "/get_model_info"] {
        let info = get(&app, path).await.json();
        assert_eq!((&info["model_path"], &info["is_generation"]), (&json!("lab/parrot"), &json!(true)));
    }
    let loads = get(&app, "/v1/loads").await.json();
    assert_eq!((&loads["aggregate"]["total_reqs"], &loads["loads"][0]["dp_rank"]), (&json!(0), &json!(0)));
    assert_eq!(get(&app, "/ping").await.status, 200);
    assert_eq!(get(&app, "/v1/models").await.json()["data"][0]["max_model_len"], CONTEXT);
}

#[tokio::test]
async fn what_a_response_answered_is_listed() {
    let app = app();
    let first = respond(&app, json!({"input": "hello"})).await.json();
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\":1}"});
    let items = json!([call, {"type": "function_call_output", "call_id": "c", "output": "4"}, {"role": "user", "content": "so?"}]);
    let second = respond(&app, json!({"input": items, "previous_response_id": first["id"]})).await.json();
    let path = format!("/v1/responses/{}/input_items", second["id"].as_str().expect("an id"));
    let list = async |query: &str| get(&app, &format!("{path}{query}")).await.json();
    let all = list("?order=asc").await;
    let kinds = |list: &Value| {
        let data = list["data"].as_array().expect("items");
        data.iter().map(|item| item["type"].as_str().expect("a kind").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&all), ["message", "message", "function_call", "function_call_output", "message"]);
    assert_eq!(all["data"][1]["content"][0]["type"], "output_text");
    assert_eq!(all["data"][2]["arguments"], "{\"a\":1}");
    assert_eq!((&all["has_more"], &all["data"][4]["content"][0]["text"]), (&json!(false), &json!("so?")));
    let latest = list("?limit=2").await;
    assert_eq!(
        (kinds(&latest), &latest["has_more"]),
        (vec!["message".to_owned(), "function_call_output".to_owned()], &json!(true))
    );
    let rest = list(&format!("?after={}", latest["last_id"].as_str().expect("an id"))).await;
    assert_eq!(kinds(&rest), ["function_call", "message", "message"]);
    for query in ["?limit=0", "?limit=many", "?order=up", "?after=nothing"] {
        let answer = get(&app, &format!("{path}{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
        answer.error();
    }
    let missing = get(&app, "/v1/responses/resp_0/input_items").await;
    assert_eq!((missing.status.as_u16(), &missing.error()["code"]), (404, &json!("response_not_found")));
}

#[tokio::test]
async fn a_page_may_forget_a_response() {
    let mut state = state(Behaviour::default());
    state.origins = Origins::parse(["https://chat.example.org"]).expect("an origin");
    let request = Request::builder().method(Method::OPTIONS).uri("/v1/responses/resp_0");
    let request =
        request.header("origin", "https://chat.example.org").header("access-control-request-method", "DELETE");
    let answer = send(&crate::app(state), request.body(Body::empty()).expect("a request")).await;
    let allowed = answer.headers["access-control-allow-methods"].to_str().expect("methods");
    assert!(allowed.contains("DELETE"), "{allowed}");
}
