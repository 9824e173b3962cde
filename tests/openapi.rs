//! The description of the interface is the one of the routes that are served.

use std::path::Path;

use serde_json::Value;

use crate::model::pad;
use crate::server::Server;

fn file() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/openapi.json"))
}

#[test]
fn the_file_is_current() {
    let output = pad().args(["openapi", "--check"]).arg(file()).output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_route_is_described_and_every_description_has_a_route() {
    let client = Server::shared().client();
    let served = client.get("/openapi.json").json();
    let written: Value = serde_json::from_str(&std::fs::read_to_string(file()).expect("the file")).expect("JSON");
    assert!(served == written, "what is served is what is written down");
    let paths = served["paths"].as_object().expect("paths");
    for known in
        ["/v1/chat/completions", "/v1/models", "/v1/models/{id}", "/v1/preferences", "/health", "/ready", "/metrics"]
    {
        assert!(paths.contains_key(known), "{known}");
    }
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("operations") {
            let answer = client.send(
                &method.to_uppercase(),
                &path.replace("{id}", "nothing").replace("{name}", "nothing"),
                if method == "post" { "{}" } else { "" },
            );
            let described = operation["responses"].as_object().expect("responses");
            assert!(described.contains_key(&answer.status.to_string()), "{method} {path} answers {}", answer.status);
            assert!(answer.status != 405 && answer.text.find("route_not_found").is_none(), "{method} {path} is served");
        }
    }
}

#[test]
fn every_example_of_a_request_is_answered() {
    let client = Server::shipped().client();
    let document: Value = serde_json::from_str(&std::fs::read_to_string(file()).expect("the file")).expect("JSON");
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let schema = &item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        let Some(schema) = schema.as_str() else { continue };
        let example = &document.pointer(schema.trim_start_matches('#')).expect("a schema")["example"];
        let answer = client.send("POST", path, &example.to_string());
        assert_eq!(answer.status, 200, "{path} {example}: {}", answer.text);
        tried += 1;
    }
    assert_eq!(
        tried,
        document["paths"].as_object().expect("paths").values().filter(|item| item["post"].is_object()).count()
    );
}
