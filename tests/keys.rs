//! API keys: who is let in, and how much each may run at once.

use serde_json::json;

use crate::client::{ask, with};
use crate::poll::until;
use crate::server::Server;

#[test]
fn only_keys_that_are_known_are_let_in() {
    let server = Server::start(&["--api-key", "alpha", "--api-key", "beta"], &[]);
    let open = server.client();
    for path in ["/health", "/ready"] {
        assert_eq!(open.get(path).status, 200, "{path} needs no key");
    }
    for client in [open.clone(), open.clone().with_key("gamma"), open.clone().with_key("Alpha")] {
        for path in ["/v1/models", "/v1/preferences", "/metrics", "/openapi.json", "/nowhere"] {
            let answer = client.get(path);
            assert_eq!((answer.status, answer.error()["code"].as_str()), (401, Some("invalid_api_key")), "{path}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
        // The key comes before the body: a stranger learns nothing about what would be accepted.
        assert_eq!(client.send("POST", "/v1/chat/completions", "{").status, 401);
    }
    for key in ["alpha", "beta"] {
        let client = open.clone().with_key(key);
        assert_eq!(client.completion(&ask("hi", 1))["usage"]["completion_tokens"], 1);
    }
    let log = server.log();
    assert!(!log.contains("alpha") && !log.contains("gamma"), "no key stands in the log: {log}");
}

#[test]
fn a_key_has_a_share() {
    let server =
        Server::start(&["--api-key", "alpha", "--api-key", "beta"], &[("PAD_SERVER__MAX_REQUESTS_PER_KEY", "1")]);
    let alpha = server.client().with_key("alpha");
    let mut running = alpha.lines(&ask("Count to a thousand.", 1500));
    assert!(running.next().is_some(), "it has begun");
    let refused = alpha.chat(&ask("hi", 1));
    assert_eq!((refused.status, refused.error()["code"].as_str()), (429, Some("rate_limit_exceeded")));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(server.client().with_key("beta").chat(&ask("hi", 1)).status, 200, "another key has a share of its own");
    drop(running);
    until("the share is given back", || (alpha.chat(&ask("hi", 1)).status == 200).then_some(()));
}

#[test]
fn prompts_do_not_stand_in_the_log() {
    let server = Server::start(&["--log", "trace"], &[]);
    let secret = "zanzibar";
    server.client().completion(&with(ask(&format!("Spell {secret}."), 4), json!({"preference": {"humor": 1}})));
    server.client().chat(&with(ask(secret, 4), json!({"preference": {secret: 1}, secret: {"deep": secret}})));
    let log = server.log();
    assert!(log.len() > 500, "there is a log at this level: {log}");
    let leaks: Vec<&str> =
        log.lines().filter(|line| line.contains(secret) && !line.contains("unknown field")).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
}
