//! Stored profiles, over SQLite and over PostgreSQL.

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::poll::until;
use crate::postgres::Postgres;
use crate::sdk;
use crate::server::Server;

const PROFILES: &str = "/v1/preferences/profiles";

/// A database that outlives servers.
enum Database {
    Sqlite(tempfile::TempDir),
    Postgres(Postgres),
}

impl Database {
    fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a folder"))
    }

    fn postgres() -> Self {
        Self::Postgres(Postgres::start())
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}/data/pad.sqlite", folder.path().display()),
            Self::Postgres(postgres) => postgres.url(),
        }
    }

    /// A server over it that binds profiles to users.
    fn server(&self, flags: &[&str], settings: &[(&str, &str)]) -> Server {
        let url = self.url();
        let mut variables = vec![("PAD_STORE__URL", url.as_str()), ("PAD_PROFILES__BIND_USER", "true")];
        variables.extend(settings);
        Server::start(flags, &variables)
    }
}

fn path(name: &str) -> String {
    format!("{PROFILES}/{name}")
}

fn put(client: &Client, name: &str, preference: &Value) -> Answer {
    client.send("PUT", &path(name), &json!({"preference": preference}).to_string())
}

/// The client with a header whose value is known only now.
fn on(client: &Client, header: &'static str, value: &str) -> Client {
    client.clone().with_header(header, String::leak(value.to_owned()))
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.error()["code"].as_str().unwrap_or_default().to_owned())
}

fn is_kept_by(database: &Database) {
    let server = database.server(&["--api-key", "alpha", "--api-key", "beta"], &[]);
    let (alpha, beta) = (server.client().with_key("alpha"), server.client().with_key("beta"));
    assert_eq!(code(&alpha.get(&path("alice"))), (404, "profile_not_found".to_owned()));

    let made = put(&alpha, "alice", &json!({"concise": 1}));
    assert_eq!(made.status, 201, "{}", made.text);
    let tag = made.headers["etag"].to_str().expect("a tag").to_owned();
    assert_eq!((&made.json()["version"], &made.json()["preference"]), (&json!(1), &json!({"concise": 1.0})));
    let read = alpha.get(&path("alice"));
    assert_eq!((read.json(), read.headers["etag"].as_bytes()), (made.json(), tag.as_bytes()));
    assert_eq!(on(&alpha, "if-none-match", &tag).get(&path("alice")).status, 304);

    let changed = put(&on(&alpha, "if-match", &tag), "alice", &json!("answer like a pirate"));
    assert_eq!((changed.status, &changed.json()["version"]), (200, &json!(2)), "{}", changed.text);
    for client in [on(&alpha, "if-match", &tag), on(&alpha, "if-none-match", "*")] {
        assert_eq!(code(&put(&client, "alice", &json!({}))), (412, "profile_changed".to_owned()));
    }
    let stale = on(&alpha, "if-match", &tag);
    assert_eq!(code(&stale.send("DELETE", &path("alice"), "")), (412, "profile_changed".to_owned()));
    assert_eq!(on(&alpha, "if-none-match", &tag).get(&path("alice")).json(), changed.json());
    assert_eq!(put(&on(&alpha, "if-match", "*"), "nobody", &json!({})).status, 412);

    // Another key sees nothing of it, and may use the same name.
    assert_eq!(beta.get(&path("alice")).status, 404);
    assert_eq!(beta.send("DELETE", &path("alice"), "").status, 404);
    assert_eq!(put(&beta, "alice", &json!({"concise": -1})).status, 201);
    assert_eq!(alpha.get(&path("alice")).json(), changed.json());

    for name in ["b%40example.org", "J%C3%BCrgen", "tenant%2F7", "B"] {
        assert_eq!(put(&alpha, name, &json!({})).status, 201, "{name}");
    }
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = alpha.get(&format!("{PROFILES}?limit=2{after}")).json();
        let data = page["data"].as_array().expect("profiles");
        names.extend(data.iter().map(|profile| profile["name"].as_str().expect("a name").to_owned()));
        if page["has_more"] == false {
            break;
        }
        assert_eq!(data.len(), 2);
        after = format!("&after={}", page["last_id"].as_str().expect("a name").replace('@', "%40"));
    }
    assert_eq!(names, ["B", "J\u{fc}rgen", "alice", "b@example.org", "tenant/7"]);
    for wrong in ["?limit=0", "?limit=101", "?limit=many"] {
        assert_eq!(alpha.get(&format!("{PROFILES}{wrong}")).status, 400, "{wrong}");
    }

    let deleted = alpha.send("DELETE", &path("alice"), "");
    assert_eq!((deleted.status, &deleted.json()["deleted"]), (200, &json!(true)));
    assert_eq!(alpha.get(&path("alice")).status, 404);
    assert_eq!(beta.get(&path("alice")).status, 200);
    let log = server.log();
    assert!(!["pirate", "alpha", "alice"].iter().any(|word| log.contains(word)), "{log}");
}

#[test]
fn profiles_are_kept_by_sqlite() {
    is_kept_by(&Database::sqlite());
}

#[test]
fn profiles_are_kept_by_postgres() {
    is_kept_by(&Database::postgres());
}

#[test]
fn openai_python_with_nothing_but_a_user_is_answered_in_the_style_of_the_profile() {
    let database = Database::sqlite();
    let server = database.server(&["--dtype", "f32"], &[]);
    let url = format!("http://{}/v1", server.address());
    let output = sdk::run(sdk::program("python").arg(sdk::file("profile.py")).arg(&url));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n");
}

fn outlives_a_server(database: &Database) {
    let server = database.server(&[], &[]);
    let client = server.client();
    let made = put(&client, "alice", &json!({"concise": 1})).json();
    let first = json!({"input": "My name is Ada.", "max_output_tokens": 4, "user": "alice"});
    let first = client.send("POST", "/v1/responses", &first.to_string()).json();
    assert_eq!(first["store"], true);
    // SIGKILL: nothing is put in order.
    drop(server);
    let server = database.server(&[], &[]);
    let client = server.client();
    assert_eq!(client.get(&path("alice")).json(), made);
    let second = json!({"input": "What is my name?", "max_output_tokens": 4, "previous_response_id": first["id"]});
    let second = client.send("POST", "/v1/responses", &second.to_string());
    assert_eq!(second.status, 200, "{}", second.text);
    let items = format!("/v1/responses/{}/input_items?order=asc", second.json()["id"].as_str().expect("an id"));
    let items = client.get(&items).json();
    assert_eq!(items["data"][0]["content"][0]["text"], "My name is Ada.", "{items}");
    server.terminate();
    let status = until("it ends", || server.exit_status());
    assert!(status.success(), "{status}: {}", server.log());
}

#[test]
fn what_is_kept_by_sqlite_outlives_a_server() {
    outlives_a_server(&Database::sqlite());
}

#[test]
fn what_is_kept_by_postgres_outlives_a_server() {
    outlives_a_server(&Database::postgres());
}

#[test]
fn the_file_is_for_its_owner_and_may_be_shared() {
    use std::os::unix::fs::PermissionsExt;
    let database = Database::sqlite();
    let (one, two) = (database.server(&[], &[]), database.server(&[], &[("PAD_STORE__CACHE_SECONDS", "0")]));
    assert_eq!(put(&one.client(), "alice", &json!({"concise": 1})).status, 201);
    assert_eq!(two.client().get(&path("alice")).json(), one.client().get(&path("alice")).json());
    let Database::Sqlite(folder) = &database else { unreachable!("it is a file") };
    for entry in std::fs::read_dir(folder.path().join("data")).expect("the folder") {
        let entry = entry.expect("a file");
        let mode = entry.metadata().expect("its mode").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", entry.path().display());
    }
}
