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
fn one_request_of_many_choices_is_not_one_request() {
    let server =
        Server::start(&["--api-key", "alpha", "--api-key", "beta"], &[("PAD_SERVER__MAX_REQUESTS_PER_KEY", "1")]);
    let many = json!({"prompt": vec!["Count to a thousand."; 16], "n": 16, "max_tokens": 200}).to_string();
    let refused = server.client().with_key("alpha").send("POST", "/v1/completions", &many);
    assert_eq!((refused.status, refused.error()["code"].as_str()), (429, Some("rate_limit_exceeded")));
    assert_eq!(server.client().with_key("alpha").chat(&ask("hi", 1)).status, 200, "one choice is within its limit");
    assert_eq!(server.client().with_key("beta").chat(&ask("hi", 1)).status, 200);
}

#[test]
fn a_key_that_fills_the_queue_leaves_room_for_another() {
    let few = [("PAD_ENGINE__QUEUE", "16"), ("PAD_ENGINE__MAX_SEQUENCES", "2")];
    let server = Server::start(&["--api-key", "alpha", "--api-key", "beta"], &few);
    let alpha = server.client().with_key("alpha");
    let four = with(ask("Count to a thousand.", 1500), json!({"n": 4, "ignore_eos": true}));
    // Three quarters of the places are one key's at most.
    let running: Vec<_> = (0..3).map(|_| alpha.lines(&four)).collect();
    let held = || server.engine()["running"].as_u64().zip(server.engine()["waiting"].as_u64());
    until("twelve choices are taken", || held().filter(|(running, waiting)| running + waiting == 12));
    let refused = alpha.chat(&four);
    assert_eq!((refused.status, refused.error()["code"].as_str()), (429, Some("queue_full")));
    // Both sequences that run are the first key's, and each has 1,500 tokens to go.
    let answer = server.client().with_key("beta").chat(&ask("hi", 2));
    assert_eq!(answer.status, 200, "{}", answer.error());
    let finished = server.engine()["finished"].as_u64().expect("a figure");
    assert!(finished <= 1, "it waited until one of the others ended: {finished} are finished");
    drop(running);
}

#[test]
fn a_key_learns_nothing_of_anothers_prompts() {
    let server = Server::start(&["--api-key", "alpha", "--api-key", "beta"], &[]);
    let secret =
        "Our quarterly loss is four million, and nobody outside this room may hear of it before Friday. ".repeat(2);
    let cached = |key: &str, fields: &serde_json::Value| {
        let usage = server.client().with_key(key).completion(&with(ask(&secret, 1), fields.clone()))["usage"].clone();
        usage["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a figure")
    };
    let (plain, salted) = (json!({}), json!({"cache_salt": "tenant 7"}));
    assert_eq!(cached("alpha", &plain), 0);
    assert_eq!(cached("beta", &plain), 0, "another key's prompt");
    assert!(cached("alpha", &plain) > 16 && cached("beta", &plain) > 16, "each finds its own");
    assert_eq!(cached("alpha", &salted), 0, "another salt");
    assert!(cached("alpha", &salted) > 16);
    let refused = server.client().with_key("alpha").chat(&with(ask("hi", 1), json!({"cache_salt": ""})));
    assert_eq!((refused.status, refused.error()["param"].as_str()), (400, Some("cache_salt")));
}

#[test]
fn prompts_do_not_stand_in_the_log() {
    let server = Server::start(&["--log", "trace"], &[]);
    let secret = "zanzibar";
    server.client().completion(&with(ask(&format!("Spell {secret}."), 4), json!({"preference": {"humorous": 1}})));
    server.client().chat(&with(ask(secret, 4), json!({"preference": {secret: 1}, secret: {"deep": secret}})));
    let log = server.log();
    assert!(log.len() > 500, "there is a log at this level: {log}");
    let leaks: Vec<&str> =
        log.lines().filter(|line| line.contains(secret) && !line.contains("unknown field")).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
}
