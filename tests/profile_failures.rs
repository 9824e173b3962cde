//! Databases that end, are slow, come back, and servers that are killed while they write.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};
use ureq::Agent;

use crate::client::{Client, ask, with};
use crate::poll::until;
use crate::postgres::Postgres;
use crate::server::Server;

const PROFILES: &str = "/v1/preferences/profiles";

fn put(client: &Client, name: &str, weight: f64) -> u16 {
    let body = json!({"preference": {"concise": weight}}).to_string();
    client.send("PUT", &format!("{PROFILES}/{name}"), &body).status
}

/// Weights of the profile, or none.
fn weight(client: &Client, name: &str) -> Value {
    let answer = client.get(&format!("{PROFILES}/{name}"));
    if answer.status == 200 { answer.json()["preference"]["concise"].clone() } else { Value::Null }
}

/// Writers that go on until the server is killed; then every write that was acknowledged is there.
fn loses_nothing_that_was_acknowledged(url: &str) {
    const WRITERS: usize = 4;
    const ENOUGH: usize = 100;
    let variables = [("PAD_STORE__URL", url)];
    let server = Server::start(&[], &variables);
    let address = server.address().to_owned();
    let written = AtomicUsize::new(0);
    let acknowledged: Vec<String> = thread::scope(|scope| {
        let write = |writer: usize| {
            let (address, written) = (&address, &written);
            let agent: Agent = Agent::config_builder().proxy(None).build().into();
            move || {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    let name = format!("user-{writer}-{number}");
                    let request = agent.put(format!("http://{address}{PROFILES}/{name}"));
                    let body = r#"{"preference": {"concise": 0.5}}"#;
                    match request.header("content-type", "application/json").send(body) {
                        Ok(answer) if answer.status() == 201 => acknowledged.push(name),
                        _ => return acknowledged,
                    }
                    written.fetch_add(1, Ordering::Relaxed);
                }
                acknowledged
            }
        };
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(write(writer))).collect();
        until("enough is written", || (written.load(Ordering::Relaxed) >= ENOUGH).then_some(()));
        drop(server);
        writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect()
    });
    assert!(acknowledged.len() >= ENOUGH, "{}", acknowledged.len());
    let server = Server::start(&[], &variables);
    let client = server.client();
    for name in &acknowledged {
        assert_eq!(weight(&client, name), 0.5, "{name} of {}", acknowledged.len());
    }
}

#[test]
fn a_killed_server_loses_nothing_that_sqlite_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    loses_nothing_that_was_acknowledged(&format!("sqlite:{}/pad.sqlite", folder.path().display()));
}

#[test]
fn a_killed_server_loses_nothing_that_postgres_acknowledged() {
    let postgres = Postgres::start();
    loses_nothing_that_was_acknowledged(&postgres.url());
}

#[test]
fn a_full_disk_loses_nothing_that_sqlite_acknowledged() {
    const MOST: usize = 400;
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}/pad.sqlite", folder.path().display());
    let variables = [("PAD_STORE__URL", url.as_str()), ("PAD_STORE__CACHE_SECONDS", "0")];
    let server = Server::on_a_small_disk(512, &variables);
    let client = server.client();
    let body = json!({"preference": "as a pirate would say it ".repeat(200)}).to_string();
    let put_long = |number: usize| client.send("PUT", &format!("{PROFILES}/user-{number}"), &body);
    let full = (0..MOST).find_map(|number| {
        let answer = put_long(number);
        (answer.status != 201).then_some((number, answer))
    });
    let (acknowledged, refused) = full.expect("the disk is full at some time");
    assert!(acknowledged > 0);
    assert_eq!((refused.status, &refused.error()["code"]), (503, &json!("store_unavailable")), "{}", refused.text);
    client.completion(&ask("Hello", 2));
    let kept = |client: &Client, number| client.get(&format!("{PROFILES}/user-{number}")).status == 200;
    assert!((0..acknowledged).all(|number| kept(&client, number)), "{acknowledged}");
    server.give_room();
    until("it writes again", || (put_long(acknowledged).status == 201).then_some(()));
    drop(server);
    let server = Server::start(&[], &variables);
    assert!((0..=acknowledged).all(|number| kept(&server.client(), number)), "{acknowledged}");
}

/// Whether the server says that everything works; requests are taken in either case.
fn status(client: &Client) -> String {
    let answer = client.get("/ready");
    assert_eq!(answer.status, 200, "routers keep the server: {}", answer.text);
    answer.json()["status"].as_str().expect("a status").to_owned()
}

fn until_status(client: &Client, expected: &str) {
    until(expected, || (status(client) == expected).then_some(()));
}

/// What needs the database gets 503, everything else an answer.
fn works_without_its_database(client: &Client, response: &Value) {
    let hello = ask("Hello", 2);
    let completion = client.completion(&with(hello.clone(), json!({"user": "alice"})));
    assert_eq!(completion["usage"]["pad"]["preference_source"], "default");
    client.completion(&with(hello.clone(), json!({"preference": {"concise": 1}})));
    let answer = client.send("POST", "/v1/responses", r#"{"input": "Hello", "max_output_tokens": 2}"#);
    assert_eq!((answer.status, &answer.json()["store"]), (200, &json!(false)), "{}", answer.text);
    let next = json!({"input": "Hello", "previous_response_id": response["id"]}).to_string();
    let named = with(hello, json!({"preference": {"profile": "alice"}}));
    for refused in [
        client.chat(&named),
        client.get(&format!("{PROFILES}/nobody")),
        client.get(PROFILES),
        client.send("PUT", &format!("{PROFILES}/bob"), r#"{"preference": {}}"#),
        client.send("POST", "/v1/responses", &next),
    ] {
        assert_eq!((refused.status, &refused.error()["code"]), (503, &json!("store_unavailable")), "{}", refused.text);
        assert!(refused.headers.contains_key("retry-after"));
    }
}

#[test]
fn a_server_lives_without_its_database_and_finds_it_again() {
    let mut postgres = Postgres::start();
    let url = postgres.url();
    let variables = [
        ("PAD_STORE__URL", url.as_str()),
        ("PAD_PROFILES__BIND_USER", "true"),
        ("PAD_STORE__TIMEOUT_SECONDS", "1"),
        ("PAD_STORE__CACHE_SECONDS", "0"),
    ];
    let server = Server::start(&[], &variables);
    let client = server.client();
    assert_eq!(put(&client, "alice", 1.0), 201);
    let response = client.send("POST", "/v1/responses", r#"{"input": "Hello", "max_output_tokens": 2}"#).json();
    assert_eq!((status(&client).as_str(), &response["store"]), ("ok", &json!(true)));

    postgres.stop();
    until_status(&client, "degraded");
    works_without_its_database(&client, &response);
    // A server that starts meanwhile waits for it.
    let late = Server::start(&[], &variables);
    assert_eq!(status(&late.client()), "degraded");
    postgres.go_on();
    for client in [&client, &late.client()] {
        until_status(client, "ok");
        assert_eq!(weight(client, "alice"), 1.0);
        let next =
            json!({"input": "Hello", "previous_response_id": response["id"], "max_output_tokens": 2}).to_string();
        assert_eq!(client.send("POST", "/v1/responses", &next).status, 200);
    }

    // So slow that it is of no use: somebody holds the table.
    let mut holder = postgres.session("BEGIN; LOCK TABLE profiles, documents; SELECT pg_sleep(600)");
    let held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'profiles'::regclass";
    until("the table is held", || postgres.query(held).filter(|count| count == "1"));
    works_without_its_database(&client, &response);
    holder.kill().expect("it is there");
    holder.wait().expect("it ends");
    let ended = postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()");
    assert!(ended.is_some(), "the session is over");
    until("it is answered again", || (weight(&client, "alice") == 1.0).then_some(()));
    until_status(&client, "ok");
    let log = server.log();
    assert!(log.contains("the database does not answer") && log.contains("the database answers again"), "{log}");
}

#[test]
fn servers_over_one_postgres_see_each_others_changes_at_once() {
    let postgres = Postgres::start();
    let url = postgres.url();
    // What is cached would stay for an hour.
    let variables = [("PAD_STORE__URL", url.as_str()), ("PAD_STORE__CACHE_SECONDS", "3600")];
    let servers = [Server::start(&[], &variables), Server::start(&[], &variables)];
    let [one, two] = servers.each_ref().map(Server::client);
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    until("both listen", || postgres.query(listening).filter(|count| count == "2"));
    assert_eq!(weight(&two, "alice"), Value::Null);
    for value in [1.0, 0.5, -1.0] {
        assert!(put(&one, "alice", value) < 300);
        until("the other server knows", || (weight(&two, "alice") == value).then_some(()));
        assert_eq!(weight(&one, "alice"), value);
    }
    assert!(postgres.query("UPDATE profiles SET preference = '{\"concise\": 2}'").is_some());
    until("a change by anybody is seen", || {
        (weight(&one, "alice") == 2.0 && weight(&two, "alice") == 2.0).then_some(())
    });
    assert_eq!(one.send("DELETE", &format!("{PROFILES}/alice"), "").status, 200);
    until("it is gone", || (weight(&two, "alice") == Value::Null).then_some(()));

    // A conversation goes from server to server.
    let mut previous = Value::Null;
    for turn in 0..6 {
        let client = if turn % 2 == 0 { &one } else { &two };
        let body = json!({"input": "Hello", "max_output_tokens": 2, "previous_response_id": previous}).to_string();
        let answer = client.send("POST", "/v1/responses", &body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        previous = answer.json()["id"].take();
    }
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let postgres = Postgres::start();
    let url = postgres.url();
    drop(Server::start(&[], &[("PAD_STORE__URL", &url)]));
    let newer = "INSERT INTO pad_schema (version, description, success, checksum, execution_time) VALUES (99, 'x', TRUE, '', 0)";
    assert!(postgres.query(newer).is_some());
    let mut command = crate::model::pad();
    let output = command.args(["serve", "--port", "0"]).env("PAD_STORE__URL", &url).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("schema 99") && said.contains("newer version"), "{said}");
}
