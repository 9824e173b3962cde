//! Log-probabilities of given texts, as evaluation harnesses ask for them.

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::Server;

/// What the first choice of a completion tells of its tokens.
struct Told {
    text: String,
    tokens: Vec<String>,
    logprobs: Vec<Option<f64>>,
    top: Vec<Value>,
}

fn complete(client: &Client, body: &Value) -> Told {
    let answer = client.send("POST", "/v1/completions", &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text);
    let choice = answer.json()["choices"][0].take();
    let list = |key: &str| choice["logprobs"][key].as_array().expect("a list").clone();
    let told = Told {
        text: choice["text"].as_str().expect("a text").to_owned(),
        tokens: list("tokens").iter().map(|token| token.as_str().expect("a text").to_owned()).collect(),
        logprobs: list("token_logprobs").iter().map(Value::as_f64).collect(),
        top: list("top_logprobs"),
    };
    assert_eq!(told.tokens.concat(), told.text);
    assert!(told.tokens.len() == told.logprobs.len() && told.tokens.len() == told.top.len());
    told
}

/// Read again, a text that was generated greedily is at each place what the base model likes best.
#[test]
fn what_is_generated_greedily_is_read_as_the_best() {
    let client = Server::shared().client();
    let prompt = "The capital of France is";
    let body = |prompt: &str, max_tokens: usize| json!({"prompt": prompt, "echo": true, "logprobs": 3, "max_tokens": max_tokens, "temperature": 0});
    let said = complete(&client, &body(prompt, 12));
    let read = complete(&client, &body(&said.text, 0));
    assert_eq!(read.text, said.text);
    let own = complete(&client, &body(prompt, 0)).tokens.len();
    assert_eq!(read.logprobs[..own], said.logprobs[..own], "the prompt's are the same whatever follows");
    assert!(own > 3 && read.tokens.len() > own + 8 && read.logprobs[0].is_none() && read.top[0].is_null());
    for at in 1..read.tokens.len() {
        let (logprob, top) = (read.logprobs[at].expect("a number"), read.top[at].as_object().expect("a map"));
        let best = top.values().filter_map(Value::as_f64).fold(f64::NEG_INFINITY, f64::max);
        assert!((3..=4).contains(&top.len()) && logprob < 0.0 && top[&read.tokens[at]] == logprob, "{top:?}");
        // How harnesses ask whether a text is the greedy one: exactly equal.
        assert!(at < own || best == logprob, "{at}: {:?} of {top:?}", read.tokens[at]);
    }
    let likely = "The capital of France is Paris.";
    let sum = |text: &str| complete(&client, &body(text, 1)).logprobs.iter().flatten().sum::<f64>();
    assert!(sum(likely) > sum("The capital of France is cheese.") + 1.0);
}

/// The same numbers as `/v1/rewards` tells of an answer.
#[test]
fn a_prompt_is_scored_as_an_answer_is() {
    let client = Server::shared().client();
    let words = " Paris, of course.";
    let messages = json!([{"role": "user", "content": "What is the capital of France?"}]);
    let post = |path: &str, body: &Value| client.send("POST", path, &body.to_string()).json();
    let rendered = post("/tokenize", &json!({"messages": messages}));
    let answer = post("/tokenize", &json!({"prompt": words}));
    let tokens = |of: &Value| of["tokens"].as_array().expect("tokens").clone();
    let prompt: Vec<Value> = [tokens(&rendered), tokens(&answer)].concat();
    let told = complete(&client, &json!({"prompt": prompt, "echo": true, "logprobs": 0, "max_tokens": 0}));
    let mut said = messages.as_array().expect("messages").clone();
    said.push(json!({"role": "assistant", "content": words}));
    let rewards = post("/v1/rewards", &json!({"messages": said, "complete": false}));
    let sum: f64 = told.logprobs[tokens(&rendered).len()..].iter().flatten().sum();
    let expected = rewards["base_logprob"].as_f64().expect("a number");
    assert!((sum - expected).abs() < 1e-3, "{sum} is not {expected}");
}
