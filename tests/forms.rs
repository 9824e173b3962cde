//! Answers of a form: what a hundred schemas ask for is what comes, however it is asked for.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Map, Value, json};

use crate::client::{Client, ask, text, with};
use crate::sdk::{python, run};
use crate::server::Server;

/// Pairs of a schema and a prompt.
const PAIRS: usize = 200;
/// Clients at once.
const CLIENTS: usize = 16;

/// Draws that repeat.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: u64) -> u64 {
        // Knuth's generator; its high bits are good enough.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

const WORDS: [&str; 12] =
    ["name", "city", "age", "price", "tags", "kind", "note", "größe", "is_open", "rating", "x-y", "a b"];

/// A schema of so many levels at most, whose values are short.
fn schema(draws: &mut Draws, levels: u64) -> Value {
    match draws.below(if levels == 0 { 8 } else { 11 }) {
        0 => json!({"type": "boolean"}),
        1 => {
            let least = draws.below(50) as i64 - 25;
            json!({"type": "integer", "minimum": least, "maximum": least + draws.below(1000) as i64})
        }
        2 => json!({"type": "number", "minimum": -1, "exclusiveMaximum": 100.5, "multipleOf": 0.25}),
        3 => {
            let least = draws.below(3);
            json!({"type": "string", "minLength": least, "maxLength": least + draws.below(12)})
        }
        4 => json!({"type": "string", "pattern": draws.one(&["^[a-z]{1,8}$", "^[A-Z]{3}-[0-9]{2}$", "^(yes|no)$"])}),
        5 => json!({"type": "string", "format": draws.one(&["date", "time", "date-time", "uuid", "ipv4"])}),
        6 => json!({"enum": ["red", "green", 3, null, true]}),
        7 => json!({"const": draws.one(&["fixed", "tab\tand \"quotes\"", "<|im_end|>", "é"])}),
        8 => {
            let least = draws.below(2);
            json!({"type": "array", "items": schema(draws, levels - 1), "minItems": least, "maxItems": least + draws.below(3)})
        }
        9 => json!({"anyOf": [schema(draws, levels - 1), schema(draws, levels - 1), {"type": "null"}]}),
        _ => object(draws, levels),
    }
}

fn object(draws: &mut Draws, levels: u64) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for _ in 0..=draws.below(3) {
        let name = draws.one(&WORDS);
        if draws.below(3) > 0 && !properties.contains_key(name) {
            required.push(json!(name));
        }
        let value = if draws.below(6) == 0 { json!({"$ref": "#/$defs/shared"}) } else { schema(draws, levels - 1) };
        properties.insert(name.to_owned(), value);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// A body whose answer is JSON of the schema that is drawn.
fn pair(number: usize) -> (Value, Value) {
    let mut draws = Draws(number as u64 + 1);
    // Seeds that are close give close beginnings.
    for _ in 0..10 {
        draws.below(2);
    }
    let mut schema = object(&mut draws, 2);
    schema["$defs"] = json!({"shared": {"enum": ["one", "two"]}});
    let topic =
        draws.one(&["a hotel", "your favourite animal", "a bicycle", "the city of Oslo", "a meal", "nothing much"]);
    let format = json!({"type": "json_schema", "json_schema": {"name": "thing", "strict": true, "schema": schema}});
    let fields = json!({"response_format": format, "temperature": draws.below(2), "seed": number});
    (with(ask(&format!("Describe {topic} as JSON."), 600), fields), schema)
}

/// The answer and its reason, whole or joined from chunks.
fn answer(client: &Client, body: &Value, stream: bool) -> (String, String) {
    if stream {
        let mut said = client.stream(body).choices.remove(&0).expect("a choice");
        return (said.text, said.finish.take().expect("an end"));
    }
    let completion = client.completion(body);
    let reason = completion["choices"][0]["finish_reason"].as_str().expect("a reason").to_owned();
    (text(&completion, 0).to_owned(), reason)
}

/// Every pair twice: plain in one piece and steered in chunks, or the other way round.
#[test]
fn two_hundred_schemas_are_answered_as_they_ask() {
    let (server, next) = (Server::shared(), AtomicUsize::new(0));
    let work = || {
        let client = server.client();
        let mut lines = String::new();
        while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < 2 * PAIRS) {
            let (body, schema) = pair(number / 2);
            let steered = number % 2 == 1;
            let preference = if steered { json!({"preference": {"humorous": 1.5}}) } else { json!({}) };
            let (text, reason) = answer(&client, &with(body, preference), (number / 2 + number) % 2 == 0);
            assert_eq!(reason, "stop", "{schema}: {text}");
            let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {schema}: {text}"));
            let _ = writeln!(lines, "{}", json!([schema, value]));
        }
        lines
    };
    let lines: String = thread::scope(|scope| {
        let workers: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("it ends well")).collect()
    });
    assert_eq!(lines.lines().count(), 2 * PAIRS);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("forms.jsonl");
    fs::write(&file, lines).expect("the folder is there");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/validate.py");
    let output = run(Command::new(python()).arg(script).arg(&file));
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{} are valid\n", 2 * PAIRS));
}

#[test]
fn an_object_is_any_object() {
    let client = Server::shared().client();
    let body = with(ask("Give me a JSON object with the name and the age of a person.", 120), json!({}));
    let fields = json!({"response_format": {"type": "json_object"}});
    for preference in [json!({}), json!({"preference": {"concise": 1}})] {
        let completion = client.completion(&with(with(body.clone(), fields.clone()), preference));
        let text = text(&completion, 0);
        assert!(text.starts_with('{'), "{text}");
        if completion["choices"][0]["finish_reason"] == "stop" {
            assert!(serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object()), "{text}");
        }
    }
}

/// Which of the allowed words is said is the model's, the biases' and the preference's business.
#[test]
fn biases_penalties_and_preferences_decide_among_what_is_allowed() {
    let client = Server::shared().client();
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "word", "schema": {"enum": ["yes", "no", "maybe"]}}});
    let body =
        with(ask("Is the sky blue?", 12), json!({"response_format": format, "pad": {"trace": true, "top_k": 5}}));
    let trace = |fields: Value| client.completion(&with(body.clone(), fields))["choices"][0]["pad"]["trace"].take();
    let plain = trace(json!({}));
    let steps = plain.as_array().expect("a trace");
    assert!(steps.iter().all(|step| step["candidates"].as_array().is_some_and(|all| (1..=5).contains(&all.len()))));
    let open = steps.iter().position(|step| step["candidates"].as_array().is_some_and(|all| all.len() > 1));
    let open = open.expect("three words are allowed");
    let token = steps[open]["token"].to_string();
    let banned = trace(json!({"logit_bias": {token: -100}}));
    assert_ne!(banned[open]["token"], steps[open]["token"], "a ban leaves the others");
    let steered = trace(json!({"preference": {"humorous": 2}}));
    assert!(steered[open]["rewards"]["humorous"].is_number(), "{steered}");
    let seen = |step: &Value| -> Vec<Value> {
        let mut tokens: Vec<Value> =
            step["candidates"].as_array().expect("a list").iter().map(|c| c["token"].clone()).collect();
        tokens.sort_by_key(Value::to_string);
        tokens
    };
    assert_eq!(seen(&steered[open]), seen(&steps[open]), "the preference brings in nothing and takes nothing away");
}
