//! What is refused, and how: status, shape and the field at fault; the next request is answered as if nothing had been.

use serde_json::{Value, json};

use crate::client::{Answer, Client, ask, with};
use crate::server::Server;

/// A refusal: status, `param` and `code` (null where empty), and a part of the message.
fn check(answer: &Answer, status: u16, param: &str, code: &str, says: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let error = answer.error();
    let field = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    assert_eq!((field("param").as_str(), field("code").as_str()), (param, code), "{error}");
    assert!(field("message").contains(says), "{says:?} in {error}");
    let kind = if status == 429 { "rate_limit_error" } else { "invalid_request_error" };
    assert_eq!(field("type"), kind, "{error}");
}

/// A chat request with one wrong field is refused for that field.
fn refuses(client: &Client, fields: Value, param: &str, says: &str) {
    check(&client.chat(&with(ask("hi", 1), fields)), 400, param, "", says);
}

/// The server still answers.
fn still_answers(client: &Client) {
    assert_eq!(client.completion(&ask("hi", 1))["usage"]["completion_tokens"], 1);
}

#[test]
fn a_body_that_is_no_request() {
    let client = Server::shared().client();
    let path = "/v1/chat/completions";
    for body in ["{", "hello", r#"{"messages": [] ]"#, "\u{0}"] {
        check(&client.send("POST", path, body), 400, "", "", "not valid JSON");
    }
    check(&client.send("POST", path, r#"{"temperature": NaN}"#), 400, "temperature", "", "not valid JSON");
    check(&client.send("POST", path, "[]"), 400, "", "", "expected an object");
    check(&client.send("POST", path, "{}"), 400, "messages", "", "missing field");
    check(&client.send("POST", path, r#"{"messages": "hi"}"#), 400, "messages", "", "array");
    check(&client.send("POST", path, r#"{"messages": []}"#), 400, "messages", "", "empty");
    still_answers(&client);
}

#[test]
fn messages_that_are_none() {
    let client = Server::shared().client();
    let message = |message: Value| json!({"messages": [message]});
    refuses(&client, message(json!({"role": "user", "content": 7})), "messages[0].content", "string");
    refuses(&client, message(json!({"role": "wizard", "content": "hi"})), "messages[0].role", "`wizard`");
    refuses(&client, message(json!({"content": "hi"})), "messages[0].role", "missing field");
    refuses(&client, message(json!("hi")), "messages[0]", "an object with");
    let image = json!([{"type": "image_url", "image_url": {"url": "data:,"}}]);
    refuses(&client, message(json!({"role": "user", "content": image})), "messages[0].content[0].type", "`image_url`");
    still_answers(&client);
}

#[test]
fn values_of_the_wrong_type_or_out_of_range() {
    let client = Server::shared().client();
    for (field, value, says) in [
        ("temperature", json!("hot"), "number"),
        ("temperature", json!(2.1), "allowed: 0 to 2"),
        ("temperature", json!(-0.1), "allowed: 0 to 2"),
        ("top_p", json!(-0.1), "0 to 1"),
        ("top_p", json!(1.5), "0 to 1"),
        ("max_tokens", json!(-2), "not negative"),
        ("max_tokens", json!(1.5), "whole number"),
        ("max_completion_tokens", json!("many"), "whole number"),
        ("n", json!(0), "allowed: 1 to 16"),
        ("n", json!(17), "allowed: 1 to 16"),
        ("seed", json!("x"), "whole number"),
        ("stop", json!(5), "string"),
        ("stop", json!(["a", "b", "c", "d", "e"]), "allowed: up to 4"),
        ("stop", json!([""]), "empty string"),
        ("stream", json!("yes"), "boolean"),
        ("extra_body", json!({"preference": {"humorous": 1}}), "top level"),
        ("pad", json!([1, 2]), "an object with"),
    ] {
        refuses(&client, json!({field: value}), field, says);
    }
    refuses(&client, json!({"pad": {"beta": -1}}), "pad.beta", "allowed: 0 to 4");
    refuses(&client, json!({"pad": {"beta": "strong"}}), "pad.beta", "number");
    refuses(&client, json!({"pad": {"top_k": 0}}), "pad.top_k", "allowed: 1 to 100");
    refuses(&client, json!({"pad": {"top_k": 101}}), "pad.top_k", "allowed: 1 to 100");
    refuses(&client, json!({"pad": {"trace": 1}}), "pad.trace", "boolean");
    still_answers(&client);
}

#[test]
fn preferences_that_do_not_fit_the_reward_model() {
    let client = Server::shared().client();
    for (preference, says) in [
        (json!({"humour": 1}), "`humour`"),
        (json!({"humour": 1}), "`humorous`"),
        (json!({"humorous": 2.5}), "from -2 to 2"),
        (json!({"humorous": -2.5}), "from -2 to 2"),
        (json!({"humorous": "much"}), "number"),
        (json!({"humorous": null}), "number"),
        (json!([1, 0]), "13 dimensions"),
        (json!(vec![0; 14]), "13 dimensions"),
        (json!([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]), "from -2 to 2"),
        (json!([true, 0, 0, 0, 0]), "number"),
        (json!(""), "principle is empty"),
        (json!(3), "an object of dimension names"),
    ] {
        refuses(&client, json!({"preference": preference}), "preference", says);
    }
    let body = |preference: &str| {
        format!(r#"{{"messages": [{{"role": "user", "content": "hi"}}], "preference": {preference}}}"#)
    };
    for preference in [
        r#"{"humorous": NaN}"#,
        "[Infinity, 0, 0, 0, 0]",
        r#"{"humorous": 1e999}"#,
        r#"{"humorous": 1, "humorous": 2}"#,
    ] {
        let answer = client.send("POST", "/v1/chat/completions", &body(preference));
        check(&answer, 400, "preference", "", "");
    }
    let system = json!({"messages": [{"role": "system", "content": "Be kind."}], "preference": {"humorous": 1}});
    refuses(&client, system, "messages", "`user`");
    still_answers(&client);
}

#[test]
fn what_is_not_there() {
    let client = Server::shared().client();
    let other = client.chat(&with(ask("hi", 1), json!({"model": "gpt-9"})));
    check(&other, 404, "model", "model_not_found", "smollm2-135m-instruct");
    check(&client.get("/v1/models/gpt-9"), 404, "model", "model_not_found", "gpt-9");
    for path in [
        "/index.html",
        "/page",
        "/page/nothing.js",
        "/v1",
        "/v1/completion",
        "/v1/chat/completions/",
        "/v2/models",
        "/%00",
        "/v1/../etc/passwd",
    ] {
        check(&client.get(path), 404, "", "route_not_found", "no route");
    }
    for (method, path, allowed) in [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/health", "GET"),
    ] {
        let answer = client.send(method, path, if method == "GET" || method == "DELETE" { "" } else { "{}" });
        check(&answer, 405, "", "method_not_allowed", method);
        let allow = answer.headers["allow"].to_str().expect("a list of methods");
        assert!(allow.split(',').any(|method| method.trim() == allowed), "{allow}");
    }
    still_answers(&client);
}

#[test]
fn what_is_too_long() {
    let server = Server::start(&["--context", "256"], &[("PAD_SERVER__BODY_LIMIT", "16 KiB")]);
    let client = server.client();
    let long = client.chat(&ask(&"word ".repeat(300), 1));
    check(&long, 400, "messages", "context_length_exceeded", "256");
    let error = long.error();
    let message = error["message"].as_str().expect("a message");
    let numbers: Vec<usize> = message.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(matches!(numbers[..], [256, tokens] if tokens > 300), "both numbers are named: {message}");
    // An answer takes the room that the prompt leaves, whatever is asked for.
    let cut = client.completion(&with(ask("hi", 32_000), json!({"ignore_eos": true})));
    assert_eq!((&cut["usage"]["total_tokens"], &cut["choices"][0]["finish_reason"]), (&json!(256), &json!("length")));
    // The reward lane's prompt is longer than the base's: it must fit as well.
    let near = ask(&"word ".repeat(215), 8);
    assert_eq!(client.chat(&near).status, 200);
    let steered = client.chat(&with(near, json!({"preference": {"expert": 1}})));
    check(&steered, 400, "messages", "context_length_exceeded", "256");
    check(&client.chat(&ask(&"x".repeat(16 << 10), 1)), 413, "", "body_too_large", "16384");
    still_answers(&client);
}

#[test]
fn a_large_body_is_refused_by_the_default_limit() {
    let client = Server::shared().client();
    let body = |bytes: usize| ask(&" ".repeat(bytes), 1);
    check(&client.chat(&body(24 << 20)), 413, "", "body_too_large", "4194304");
    let within = client.chat(&body(1 << 20));
    assert_eq!((within.status, within.error()["code"].as_str()), (400, Some("context_length_exceeded")));
    still_answers(&client);
}
