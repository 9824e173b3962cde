//! Reward models whose lanes run through other language models or adapters, over HTTP, on tiny random checkpoints: every decision
//! against that of the reference program (`tests/reference/guides.py`).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::client::{Client, ask, with};
use crate::golden::{self, cases};
use crate::model;
use crate::server::Server;

const CASES: &str = include_str!("data/guides/golden.jsonl");

/// A folder of the tests' data.
pub fn data(folder: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data")).join(folder)
}

/// A base model and a reward model in a folder of their own.
pub struct Models {
    root: tempfile::TempDir,
}

impl Models {
    /// The reward model of one of the manifests in `tests/data/guides`.
    fn new(manifest: &str) -> Self {
        Self::of(&fs::read_to_string(data("guides").join(format!("{manifest}.toml"))).expect("a manifest"))
    }

    pub fn of(manifest: &str) -> Self {
        let models = Self { root: tempfile::tempdir().expect("a folder") };
        models.copy("families/llama", "base");
        models.copy("guides", "base");
        for family in ["qwen2", "llama-tied", "llama-lora"] {
            models.copy(&format!("families/{family}"), &format!("reward/{family}"));
        }
        for family in ["qwen2", "llama-tied"] {
            models.copy("guides", &format!("reward/{family}"));
        }
        models.copy("guides", "reward");
        fs::write(models.reward().join("persrm.toml"), manifest).expect("a manifest");
        models
    }

    /// Copies the files of a folder of the tests' data to a place below the root.
    pub fn copy(&self, from: &str, to: &str) {
        let to = self.root.path().join(to);
        fs::create_dir_all(&to).expect("a folder");
        for entry in fs::read_dir(data(from)).expect("the data") {
            let path = entry.expect("a file").path();
            fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }

    fn base(&self) -> String {
        self.root.path().join("base").to_str().expect("a path").to_owned()
    }

    pub fn reward(&self) -> PathBuf {
        self.root.path().join("reward")
    }

    pub fn serve(&self) -> Server {
        let reward = self.reward();
        Server::start(&["--model", &self.base(), "--dtype", "f32", "--reward", reward.to_str().expect("a path")], &[])
    }

    /// What `pad serve` says when it refuses them.
    pub fn refused(&self) -> String {
        let mut command = model::pad();
        command.args(["serve", "--port", "0", "--model", &self.base(), "--reward"]).arg(self.reward());
        let output = command.output().expect("the binary runs");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// Every case of a manifest, with so many reward lanes in each.
fn check(manifest: &str, lanes: &[usize]) {
    let models = Models::new(manifest);
    let server = models.serve();
    let cases: Vec<Value> = cases(CASES).into_iter().filter(|case| case["manifest"] == manifest).collect();
    assert_eq!(cases.len(), lanes.len());
    for (case, lanes) in cases.iter().zip(lanes) {
        let steps = case["steps"].as_array().expect("steps").len();
        assert_eq!(golden::check(&server.client(), case, *lanes), steps, "the cases have no ties");
    }
    let union = |case: &Value| {
        let past = |step: &Value| step["base_rank"].as_u64() >= case["pad"]["top_k"].as_u64();
        case["pad"]["candidates"] == "union" && case["steps"].as_array().expect("steps").iter().any(past)
    };
    assert!(cases.iter().any(union), "a case chooses a token that only a lane proposes");
}

#[test]
fn a_language_model_for_each_dimension_is_a_reward() {
    check("model", &[1, 3, 2, 1]);
}

#[test]
fn an_expert_is_measured_against_another_model_or_the_base() {
    // Two dimensions share the expert's lane in the third case, and all of them the anti-experts'.
    check("contrast", &[2, 1, 3, 3]);
}

#[test]
fn a_control_vector_is_added_as_often_as_the_weight_says() {
    check("vector", &[1, 2, 2]);
}

/// Given answers are read with every vector at strength 1 or -1, and a weight multiplies what is read.
#[test]
fn an_answer_is_worth_what_the_vector_gives_it() {
    let models = Models::new("vector");
    let server = models.serve();
    let worth = |preference: Value| {
        let messages = json!([{"role": "user", "content": "Say hello."}, {"role": "assistant", "content": "Hello!"}]);
        let body = json!({"messages": messages, "preferences": preference});
        server.client().send("POST", "/v1/rewards", &body.to_string()).json()
    };
    let answer = worth(json!([{"soft": 2}, {"soft": 1, "loud": -0.5}, {"loud": 1}]));
    let reward = |which: usize| answer["rewards"][which]["reward"].as_f64().expect("a number");
    let of = |name: &str| answer["dimensions"][name].as_f64().unwrap_or_else(|| panic!("{name}: {answer}"));
    let near = |ours: f64, theirs: f64| assert!((ours - theirs).abs() < 1e-6, "{ours}, expected {theirs}");
    near(reward(0), 2.0 * of("soft"));
    near(reward(1), of("soft") - 0.5 * of("loud (opposite)"));
    near(reward(2), of("loud"));
    assert!((of("loud") - of("loud (opposite)")).abs() > 1e-3, "the vector turned round is another lane");
}

fn plain(client: &Client, fields: Value) -> Value {
    client.completion(&with(ask("Say hello.", 8), with(json!({"temperature": 0}), fields)))
}

#[test]
fn what_is_preferred_is_told_and_what_is_not_costs_nothing() {
    let models = Models::new("model");
    let server = models.serve();
    let client = server.client();
    let list = client.get("/v1/preferences").json();
    assert_eq!(
        (&list["kind"], &list["learns"], &list["top_k"]["default"]),
        (&json!("model"), &json!(true), &json!(40))
    );
    let names: Vec<&str> = list["data"].as_array().expect("a list").iter().filter_map(|d| d["name"].as_str()).collect();
    assert_eq!(names, ["kind", "plain", "mine"]);
    let (bare, zero) = (plain(&client, json!({})), plain(&client, json!({"preference": {"kind": 0, "mine": 0}})));
    assert_eq!(bare["choices"][0]["message"], zero["choices"][0]["message"]);
    assert_eq!(zero["usage"]["pad"]["reward_lanes"], 0);
    let unknown = client.chat(&with(ask("Hi", 4), json!({"preference": {"poetic": 1}})));
    assert!(unknown.error()["message"].as_str().expect("a message").contains("`kind`, `plain`, `mine`"));
}

/// An answer that was decoded is worth what it was chosen by: over the whole vocabulary, a token at a time.
#[test]
fn an_answer_is_worth_its_log_probability_in_the_guide() {
    let models = Models::new("model");
    let server = models.serve();
    let case = &cases(CASES)[0];
    let mut messages = case["messages"].as_array().expect("messages").clone();
    messages.push(json!({"role": "assistant", "content": case["text"]}));
    let body = json!({"messages": messages, "preference": {"kind": -0.5}, "per_token": true, "complete": false});
    let answer = server.client().send("POST", "/v1/rewards", &body.to_string()).json();
    let steps = case["steps"].as_array().expect("steps");
    assert_eq!(answer["per_token"].as_array().expect("tokens").len(), steps.len(), "{answer}");
    let mut sum = 0.0;
    for (token, step) in answer["per_token"].as_array().expect("tokens").iter().zip(steps) {
        let chosen = step["base_rank"].as_u64().expect("a rank") as usize;
        let near = |ours: &Value, theirs: &Value| {
            let [ours, theirs] = [ours, theirs].map(|value| value.as_f64().expect("a number"));
            assert!((ours - theirs).abs() < 1e-3, "{ours}, expected {theirs}");
        };
        near(&token["base_logprob"], &step["base_logprob"][chosen]);
        near(&token["rewards"]["kind"], &step["reward"][chosen]);
        sum += token["rewards"]["kind"].as_f64().expect("a number");
    }
    let reward = answer["rewards"][0]["reward"].as_f64().expect("a number");
    assert!((reward + 0.5 * sum).abs() < 1e-2, "{reward} is not -0.5 * {sum}");
}

#[test]
fn guides_that_do_not_fit_are_refused_by_name() {
    let guided = |guide: &str, more: &str| {
        Models::of(&format!("kind = \"contrast\"\n{more}\n[[dimensions]]\nname = \"a\"\nguide = {guide}\n"))
    };
    let other = guided(r#"{ model = "qwen2" }"#, "");
    let tokenizer = other.reward().join("qwen2/tokenizer.json");
    let text = fs::read_to_string(&tokenizer).expect("a tokenizer");
    fs::write(&tokenizer, text.replace("\"a\": ", "\"ä\": ")).expect("a tokenizer");
    let message = other.refused();
    assert!(
        message.contains("qwen2 does not fit the base model") && message.contains("its tokenizer is another one"),
        "{message}"
    );

    let longer = guided(r#"{ model = "gemma" }"#, "");
    longer.copy("families/gemma", "reward/gemma");
    let config = longer.reward().join("gemma/config.json");
    let text = fs::read_to_string(&config).expect("a configuration");
    fs::write(&config, text.replace("\"vocab_size\": 96", "\"vocab_size\": 97")).expect("a configuration");
    assert!(longer.refused().contains("gemma"), "{}", longer.refused());

    let sha256 = "0".repeat(64);
    let trained = guided(r#"{ adapter = "llama-lora" }"#, &format!("base = {{ name = \"m\", sha256 = \"{sha256}\" }}"));
    assert!(trained.refused().contains("was trained on `m`"), "{}", trained.refused());

    let misplaced = guided(r#"{ model = "qwen2", adapter = "llama-tied" }"#, "");
    assert!(misplaced.refused().contains("adapter_config.json"), "{}", misplaced.refused());
    let vector = |name: &str| {
        Models::of(&format!("kind = \"vector\"\n[[dimensions]]\nname = \"a\"\nvector = \"{name}\"\n")).refused()
    };
    assert!(vector("llama-lora/adapter_model.safetensors").contains("has direction.0 to direction.2"));
    assert!(vector("nothing.gguf").contains("nothing.gguf"));
    let missing = guided(r#"{ model = "nobody" }"#, "");
    assert!(missing.refused().contains("nobody"), "{}", missing.refused());
}
