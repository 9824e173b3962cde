//! Profiles that are learned from what users choose, over the reward model that comes with the program.

use std::collections::HashSet;
use std::thread;

use serde_json::{Value, json};

use crate::client::{Client, ask, text, with};
use crate::postgres::Postgres;
use crate::server::Server;

const PROFILES: &str = "/v1/preferences/profiles";

const QUESTIONS: [&str; 4] = [
    "How do I prepare for a job interview?",
    "Why is the sea salty?",
    "How can I fall asleep faster?",
    "What should I pack for a weekend in the mountains?",
];

fn server() -> Server {
    Server::start(&["--reward", "auto"], &[("PAD_PROFILES__BIND_USER", "true")])
}

fn sent(client: &Client, method: &str, path: &str, body: &Value) -> Value {
    let answer = client.send(method, &format!("{PROFILES}/{path}"), &body.to_string());
    assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text);
    answer.json()
}

fn words(client: &Client, user: &str) -> usize {
    let answers = QUESTIONS.map(|question| client.completion(&with(ask(question, 90), json!({"user": user}))));
    answers.iter().map(|answer| text(answer, 0).split_whitespace().count()).sum()
}

/// How concise an answer is, as the reward model sees it.
fn concise(client: &Client, prompt: &Value, answer: &Value) -> f64 {
    let messages = json!([{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]);
    let body = json!({"messages": messages, "preference": {"concise": 1}}).to_string();
    let scored = client.send("POST", "/v1/rewards", &body).json();
    scored["dimensions"]["concise"].as_f64().unwrap_or_else(|| panic!("{scored}"))
}

/// Somebody who always chooses what the reward model finds more concise gets shorter answers, and nobody else does; with the choices
/// undone, answers are as before.
#[test]
fn a_user_who_chooses_concise_answers_gets_them() {
    let server = server();
    let client = server.client();
    let before = words(&client, "alice");
    let mut ids = Vec::new();
    for seed in 1..=14 {
        let question = sent(&client, "POST", "alice/elicit", &json!({"max_tokens": 24, "candidates": 4, "seed": seed}));
        let [one, other] = [0, 1].map(|at| concise(&client, &question["prompt"], &question["answers"][at]["content"]));
        let reply = json!({"id": question["id"], "index": usize::from(other > one), "thumb": "up"});
        ids.push(sent(&client, "POST", "alice/feedback", &reply)["id"].clone());
    }
    let profile = client.get(&format!("{PROFILES}/alice")).json();
    let learned = &profile["learned"];
    assert_eq!(learned["choices"], 14);
    assert!(learned["words"].as_str().is_some_and(|words| words.contains("more concise")), "{learned}");
    assert!(learned["weights"]["concise"].as_f64() > Some(0.3), "{learned}");
    let after = words(&client, "alice");
    assert!(after < before, "{before} words before, {after} after: {learned}");
    assert_eq!(words(&client, "bob"), before, "nobody else is answered otherwise");
    for id in ids {
        let path = format!("{PROFILES}/alice/feedback/{}", id.as_str().expect("an id"));
        assert_eq!(client.send("DELETE", &path, "").status, 200);
    }
    assert_eq!(words(&client, "alice"), before, "all choices were undone");
}

/// A question of the server's own, replied to; and a thumb for one of several stored answers.
#[test]
fn questions_and_thumbs_teach() {
    let server = server();
    let client = server.client();
    let question = sent(&client, "POST", "carol/elicit", &json!({"max_tokens": 24, "candidates": 4, "seed": 3}));
    assert!(question["information"].as_f64() > Some(0.0), "{question}");
    let weights = [0, 1].map(|at| &question["answers"][at]["weights"]);
    assert_ne!(weights[0], weights[1], "{question}");
    let reply = sent(&client, "POST", "carol/feedback", &json!({"id": question["id"], "index": 0, "thumb": "up"}));
    assert_eq!(reply["choices"], 1);
    let body =
        with(ask(QUESTIONS[0], 16), json!({"n": 3, "temperature": 1, "seed": 5, "store": true, "user": "carol"}));
    let stored = client.completion(&body);
    let reply = sent(&client, "POST", "carol/feedback", &json!({"id": stored["id"], "index": 2, "thumb": "down"}));
    assert_eq!(reply["choices"], 2);
    let export = client.get(&format!("{PROFILES}/carol/export")).json();
    let kinds: Vec<&str> =
        export["responses"].as_array().expect("texts").iter().filter_map(|kept| kept["kind"].as_str()).collect();
    assert_eq!(kinds, ["answers", "answers"], "the question and the completion");
    assert_eq!(export["choices"].as_array().map(Vec::len), Some(2));
    assert_eq!(client.send("DELETE", &format!("{PROFILES}/carol"), "").status, 200);
    let gone = client.send(
        "POST",
        &format!("{PROFILES}/carol/feedback"),
        &json!({"id": stored["id"], "thumb": "up"}).to_string(),
    );
    assert_eq!(gone.status, 404, "with the user everything is deleted: {}", gone.text);
}

/// Many choices on one profile at once, through two servers: each that was acknowledged counts.
#[test]
fn no_choice_of_many_through_two_servers_is_lost() {
    const EACH: usize = 60;
    let postgres = Postgres::start();
    let url = postgres.url();
    let variables = [("PAD_STORE__URL", url.as_str())];
    let servers = [0, 1].map(|_| Server::start(&["--reward", "auto"], &variables));
    let question = sent(
        &servers[0].client(),
        "POST",
        "dora/elicit",
        &json!({"max_tokens": 8, "candidates": 2, "temperature": 1.5, "seed": 1}),
    );
    let ids: Vec<String> = thread::scope(|scope| {
        let choose = |at: usize| {
            let (client, body) = (servers[at % 2].client(), json!({"id": question["id"], "thumb": "up"}));
            move || sent(&client, "POST", "dora/feedback", &body)["id"].as_str().expect("an id").to_owned()
        };
        let threads: Vec<_> = (0..2 * EACH).map(|at| scope.spawn(choose(at))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it was acknowledged")).collect()
    });
    let different: HashSet<&String> = ids.iter().collect();
    assert_eq!(different.len(), 2 * EACH);
    let profile = servers[1].client().get(&format!("{PROFILES}/dora")).json();
    assert_eq!((&profile["choices"], &profile["learned"]["choices"]), (&json!(2 * EACH), &json!(2 * EACH)));
}
