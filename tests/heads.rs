//! A reward model that comes with the program: trained heads on the small model.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::client::{ask, with};
use crate::model;
use crate::server::Server;

fn shipped() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/smollm2-135m-pad")).to_owned()
}

/// The folder, with its manifest changed.
fn changed(from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(shipped()).expect("the reward model") {
        let path = entry.expect("a file").path();
        std::fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("a copy");
    }
    let manifest = folder.path().join("persrm.toml");
    let text = std::fs::read_to_string(&manifest).expect("a manifest");
    assert!(text.contains(from), "{from} is not in the manifest");
    std::fs::write(&manifest, text.replace(from, to)).expect("a manifest");
    folder
}

/// What `pad serve` says when it refuses a reward model.
fn refused(reward: &Path) -> String {
    model::fetched();
    let mut command = model::pad();
    command.args(["serve", "--port", "0", "--reward"]).arg(reward);
    let output = command.output().expect("the binary runs");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn it_is_the_default_for_the_model_that_it_was_trained_on() {
    let list = Server::shipped().client().get("/v1/preferences").json();
    assert_eq!(list["kind"], "heads");
    let dimensions = list["data"].as_array().expect("dimensions");
    let names: Vec<&str> = dimensions.iter().filter_map(|dimension| dimension["name"].as_str()).collect();
    for name in ["concise", "simple", "cheerful", "harmless"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(dimensions.iter().all(|dimension| dimension["description"].as_str().is_some_and(|text| !text.is_empty())));
}

#[test]
fn it_steers_without_a_lane_of_its_own() {
    let client = Server::shipped().client();
    let answer = |preference: Value| {
        let traced = json!({"preference": preference, "pad": {"trace": true}, "temperature": 0});
        client.completion(&with(ask("What is a good breakfast?", 24), traced))
    };
    let (plain, zero) = (answer(json!({})), answer(json!({"cheerful": 0})));
    assert_eq!(plain["choices"][0]["message"], zero["choices"][0]["message"]);
    let steered = answer(json!({"cheerful": 2, "concise": 1}));
    assert_ne!(plain["choices"][0]["message"], steered["choices"][0]["message"]);
    let pad = &steered["usage"]["pad"];
    assert_eq!(pad["reward_lanes"], 0);
    assert!(pad["steered_tokens"].as_u64() > Some(0) && pad["mean_kl"].as_f64() > Some(0.0), "{pad}");
    let rewards = steered["choices"][0]["pad"]["trace"][0]["rewards"].as_object().expect("rewards");
    assert_eq!(rewards.keys().collect::<Vec<_>>(), ["cheerful", "concise"]);
}

#[test]
fn words_are_followed_too() {
    let client = Server::shipped().client();
    let pirate = json!({"preference": "answer like a pirate", "temperature": 0});
    let answer = client.completion(&with(ask("What is a good breakfast?", 16), pirate));
    assert_eq!(answer["usage"]["pad"]["reward_lanes"], 1);
}

#[test]
fn an_answer_is_rewarded_as_it_was_steered() {
    let client = Server::shipped().client();
    let reward = |answer: &str| {
        let messages =
            json!([{"role": "user", "content": "How was your day?"}, {"role": "assistant", "content": answer}]);
        let body = json!({"messages": messages, "preference": {"cheerful": 1}});
        let response = client.send("POST", "/v1/rewards", &body.to_string());
        assert_eq!(response.status, 200, "{}", response.json());
        response.json()["dimensions"]["cheerful"].as_f64().expect("a number")
    };
    let (cheerful, dull) = (reward("Oh, it was wonderful, my friend! So much fun!"), reward("It was a day. I worked."));
    assert!(cheerful > dull, "{cheerful} is not above {dull}");
}

#[test]
fn what_does_not_fit_the_base_model_is_refused() {
    let other = changed("b179c952", "00000000");
    let message = refused(other.path());
    assert!(message.contains("was trained on `smollm2-135m-instruct`") && message.contains("b179c952"), "{message}");
    let unknown = changed("name = \"cheerful\"", "name = \"gloomy\"");
    let message = refused(unknown.path());
    assert!(message.contains("heads.gloomy"), "{message}");
}
