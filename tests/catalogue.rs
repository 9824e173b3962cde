//! The dimensions that are there when nothing was trained: what is told of them, and how their two sides are followed.

use std::fs;

use serde_json::{Value, json};

use crate::client::{Client, ask, tokens, with};
use crate::server::Server;

/// Their names.
pub const CATALOGUE: [&str; 13] = [
    "concise",
    "detailed",
    "simple",
    "expert",
    "formal",
    "casual",
    "cheerful",
    "calm",
    "humorous",
    "creative",
    "informative",
    "factual",
    "harmless",
];

/// Largest difference of two sums of the same log-probabilities.
const TOLERANCE: f64 = 1e-3;

/// What is told of the dimension of this name.
fn dimension(client: &Client, name: &str) -> Value {
    let list = client.get("/v1/preferences").json();
    let found = list["data"].as_array().expect("a list").iter().find(|dimension| dimension["name"] == name).cloned();
    found.unwrap_or_else(|| panic!("no {name} in {list}"))
}

/// The words of a dimension, to be asked for as a principle.
pub fn principle(client: &Client, name: &str) -> String {
    dimension(client, name)["principle"].as_str().expect("words").to_owned()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The answer under a preference, with its trace.
fn steered(client: &Client, preference: &Value) -> Value {
    let question = ask("How does a bicycle stay upright?", 12);
    client.completion(&with(question, json!({"preference": preference, "temperature": 0, "pad": {"trace": true}})))
}

/// A reward of every candidate of the first step.
fn rewards(answer: &Value, name: &str) -> Vec<f64> {
    let candidates = answer["choices"][0]["pad"]["trace"][0]["candidates"].as_array().expect("candidates");
    candidates.iter().map(|candidate| number(&candidate["rewards"][name])).collect()
}

fn close(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < TOLERANCE), "{ours:?} is not {theirs:?}");
}

#[test]
fn each_dimension_says_what_it_does_and_how_far_it_goes() {
    let list = Server::shared().client().get("/v1/preferences").json();
    assert_eq!((&list["kind"], &list["top_k"]["default"]), (&json!("prompted"), &json!(40)));
    for dimension in list["data"].as_array().expect("a list") {
        for words in ["name", "description", "principle", "opposite"] {
            assert!(dimension[words].as_str().is_some_and(|words| !words.is_empty()), "{words}: {dimension}");
        }
        let range = |range: &Value| (number(&range["minimum"]), number(&range["maximum"]));
        let (weight, recommended) = (range(&dimension["weight"]), range(&dimension["recommended"]));
        assert!(weight.0 <= recommended.0 && recommended.0 <= 0.0, "{dimension}");
        assert!(0.5 <= recommended.1 && recommended.1 <= weight.1, "{dimension}");
        // What is recommended and what is strong are all weights, each once.
        let strong: Vec<(f64, f64)> = dimension["strong"].as_array().expect("ranges").iter().map(range).collect();
        let around = [(weight.0, recommended.0), (recommended.1, weight.1)];
        assert_eq!(strong, around.into_iter().filter(|(low, high)| low < high).collect::<Vec<_>>(), "{dimension}");
    }
}

#[test]
fn a_weight_below_zero_is_the_opposites_own_lane() {
    let client = Server::shared().client();
    let less = steered(&client, &json!({"formal": -1}));
    let opposite = steered(&client, &dimension(&client, "formal")["opposite"]);
    assert_eq!(tokens(&less["choices"][0]), tokens(&opposite["choices"][0]));
    assert_eq!(less["usage"]["pad"], opposite["usage"]["pad"]);
    assert_eq!(less["usage"]["pad"]["reward_lanes"], 1);
    // More of the opposite is less of the dimension.
    let turned: Vec<f64> = rewards(&opposite, "principle").iter().map(|reward| -reward).collect();
    close(&rewards(&less, "formal"), &turned);
    assert!(turned.iter().any(|reward| reward.abs() > 0.1), "{turned:?}");
}

#[test]
fn dimensions_that_follow_the_same_words_share_a_lane() {
    let client = Server::shared().client();
    assert_eq!(dimension(&client, "concise")["opposite"], principle(&client, "detailed"));
    let both = steered(&client, &json!({"concise": -0.5, "detailed": 0.5}));
    let one = steered(&client, &json!({"detailed": 1}));
    assert_eq!((&both["usage"]["pad"]["reward_lanes"], &one["usage"]["pad"]["reward_lanes"]), (&json!(1), &json!(1)));
    assert_eq!(tokens(&both["choices"][0]), tokens(&one["choices"][0]));
}

#[test]
fn an_answer_is_rewarded_on_the_side_that_a_preference_takes() {
    let client = Server::shared().client();
    let messages =
        json!([{"role": "user", "content": "How are you?"}, {"role": "assistant", "content": "Yo, all good!"}]);
    let scored = |preferences: Value| {
        let body = json!({"messages": messages, "preferences": preferences});
        let answer = client.send("POST", "/v1/rewards", &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    };
    let both = scored(json!([{"formal": 1}, {"formal": -2}]));
    let (more, less) = (number(&both["dimensions"]["formal"]), number(&both["dimensions"]["formal (opposite)"]));
    assert_eq!(both["usage"]["pad"]["reward_lanes"], 2);
    let worth = |scores: &Value, at: usize| number(&scores["rewards"][at]["reward"]);
    close(&[worth(&both, 0), worth(&both, 1)], &[more, -2.0 * less]);
    let alone = scored(json!([{"formal": -2}]));
    close(&[number(&alone["dimensions"]["formal"]), worth(&alone, 0)], &[less, -2.0 * less]);
    assert!((more - less).abs() > 0.1, "{more} and {less} are read from other lanes");
}

#[test]
fn a_contrast_is_what_is_told_less_what_its_opposite_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = folder.path().join("contrast.toml");
    let (told, opposite) = ("Answer in one short sentence.", "Give a long and thorough answer.");
    let dimension = format!("dimensions = [{{ name = \"brief\", principle = \"{told}\", opposite = \"{opposite}\" }}]");
    fs::write(&manifest, format!("kind = \"prompted\"\nreference = \"opposite\"\n{dimension}\n")).expect("written");
    let server = Server::start(&["--dtype", "f32", "--reward", manifest.to_str().expect("a path")], &[]);
    let client = server.client();
    let [told, opposite] = [told, opposite].map(|words| rewards(&steered(&client, &json!(words)), "principle"));
    let difference: Vec<f64> = told.iter().zip(&opposite).map(|(told, opposite)| told - opposite).collect();
    for weight in [0.75, -0.75] {
        let answer = steered(&client, &json!({"brief": weight}));
        assert_eq!(answer["usage"]["pad"]["reward_lanes"], 2);
        close(&rewards(&answer, "brief"), &difference);
        for candidate in answer["choices"][0]["pad"]["trace"][0]["candidates"].as_array().expect("candidates") {
            let score = number(&candidate["base_logprob"]) + weight * number(&candidate["rewards"]["brief"]);
            close(&[number(&candidate["score"])], &[score]);
        }
    }
}
