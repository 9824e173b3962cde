//! No object has a key twice, no call is made twice, and an answer does not come to a point where nothing else is left.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use pad_decode::Grammar;
use pad_grammar::{Budget, Calls, Content, Grammars, Requester, Schema, Shape, Tool};
use pad_text::Tokenizer;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

fn tokenizer() -> Arc<Tokenizer> {
    static TOKENIZER: OnceLock<Arc<Tokenizer>> = OnceLock::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pad-text/tests/data/tokenizer.json");
    Arc::clone(TOKENIZER.get_or_init(|| Arc::new(Tokenizer::from_file(&path).unwrap())))
}

fn grammar(shape: &Shape) -> Box<dyn Grammar> {
    static GRAMMARS: OnceLock<Grammars> = OnceLock::new();
    let grammars = GRAMMARS.get_or_init(|| Grammars::new(tokenizer(), Budget::default()));
    grammars.compile(shape, &Requester::default()).unwrap().expect("the shape narrows something down")
}

fn json_of(schema: &Value) -> Box<dyn Grammar> {
    grammar(&Shape::json(Schema::new(schema, false).unwrap()))
}

/// Whether the grammar takes the text as far as it goes.
fn takes(grammar: &dyn Grammar, text: &str) -> bool {
    let mut grammar = grammar.another();
    tokenizer()
        .encode(text)
        .unwrap()
        .into_iter()
        .all(|token| grammar.allowed().unwrap().tokens.contains(token) && grammar.accept(token).is_ok())
}

/// A text of the grammar, at random. It ends where nothing else is allowed, or now and then where it may.
fn drawn(grammar: &dyn Grammar, seed: u64) -> String {
    let (mut grammar, mut random, mut bytes) = (grammar.another(), ChaCha8Rng::seed_from_u64(seed), Vec::new());
    for step in 0.. {
        let allowed = grammar.allowed().unwrap();
        let tokens: Vec<u32> = allowed.tokens.iter().collect();
        if allowed.end && (tokens.is_empty() || random.random_range(0..8) == 0) {
            break;
        }
        assert!(!tokens.is_empty() && step < 2000, "a dead end after {:?}", String::from_utf8_lossy(&bytes));
        let token = tokens[random.random_range(0..tokens.len())];
        bytes.extend_from_slice(tokenizer().token_bytes(token));
        grammar.accept(token).unwrap();
    }
    String::from_utf8(bytes).expect("whole characters")
}

#[test]
fn an_object_has_a_key_once_whichever_keyword_allows_it() {
    let (number, one) = (json!({"type": "integer"}), json!({"a": {"type": "integer"}}));
    let declared = json_of(&json!({"type": "object", "properties": one, "additionalProperties": number}));
    let pattern = json_of(&json!({"type": "object", "properties": one, "patternProperties": {"^[a-z]+$": number}}));
    for start in [&declared, &pattern] {
        assert!(takes(&**start, r#"{"a": 1, "b": 2, "ba": 3}"#));
        for twice in [r#"{"a": 1, "a":"#, r#"{"b": 2, "c": 1, "b":"#, r#"{"a": 1, "b": 2, "ab": 3, "ab": "#] {
            assert!(!takes(&**start, twice), "{twice}");
        }
    }
    assert!(!takes(&*declared, r#"{"b": 1, "\u0062": "#));
    let any = grammar(&Shape::json(Schema::any_object()));
    assert!(takes(&*any, r#"{"a": {"a": [{"a": 1}, {"a": 1}], "b": "a"}, "b": {"a": {}}}"#));
    assert!(!takes(&*any, r#"{"a": {"a": [{"a": 1}, {"a": 1, "a""#));
    assert!(!takes(&*any, r#"{"a": {"b": 1}, "a""#));
}

#[test]
fn keys_that_run_out_end_the_object() {
    for (pattern, most) in [("^[ab]$", 2), ("^(x|yy|yz)$", 3), ("^(a|b+)$", usize::MAX)] {
        let schema =
            json!({"type": "object", "patternProperties": {pattern: {"const": 1}}, "additionalProperties": false});
        let start = json_of(&schema);
        for seed in 0..40 {
            let text = drawn(&*start, seed);
            let keys: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
            let different: HashSet<&str> = keys.iter().copied().collect();
            assert!(keys.len() == different.len() && keys.len() <= most, "{pattern}: {text}");
        }
    }
}

fn tool(name: &str, parameters: &Value) -> Tool {
    Tool { name: name.to_owned(), parameters: Schema::new(parameters, true).unwrap() }
}

fn calls(content: Option<Content>, tools: Vec<Tool>) -> Box<dyn Grammar> {
    grammar(&Shape { content, calls: Some(Calls { tools, parallel: true }) })
}

fn weather() -> Tool {
    let city = json!({"enum": ["Oslo", "Osaka", "Rome"]});
    tool(
        "weather",
        &json!({"type": "object", "properties": {"city": city}, "required": ["city"], "additionalProperties": false}),
    )
}

fn now() -> Tool {
    tool("now", &json!({"type": "object", "properties": {}, "additionalProperties": false}))
}

fn call(name: &str, arguments: &str) -> String {
    format!("<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {arguments}}}\n</tool_call>")
}

#[test]
fn no_call_is_made_twice() {
    let start = calls(None, vec![weather(), now()]);
    let (oslo, rome) = (call("weather", r#"{"city": "Oslo"}"#), call("weather", r#"{"city": "Rome"}"#));
    assert!(takes(&*start, &format!("{oslo}\n{rome}\n{}", call("now", "{}"))));
    for twice in [r#"{"city": "Oslo"}"#, r#"{"city":"Oslo"}"#, "{\n  \"city\": \"Oslo\"\n}"] {
        assert!(!takes(&*start, &format!("{oslo}\n{rome}\n{}", call("weather", twice))), "{twice}");
    }
    for seed in 0..40 {
        let text = drawn(&*start, seed);
        let made: Vec<Value> = text
            .split("</tool_call>")
            .filter_map(|part| part.trim_start().strip_prefix("<tool_call>"))
            .map(|call| serde_json::from_str(call).unwrap_or_else(|error| panic!("{error}: {text}")))
            .collect();
        assert!((1..=4).contains(&made.len()), "{text}");
        assert!((1..made.len()).all(|at| !made[..at].contains(&made[at])), "{text}");
    }
    let text = calls(Some(Content::Text), vec![weather(), now()]);
    assert!(takes(&*text, &format!("Well. {oslo}\n{rome}")) && !takes(&*text, &format!("Well. {oslo}\n{oslo}")));
}

#[test]
fn where_no_other_call_is_left_the_answer_ends() {
    let mut only = calls(None, vec![now()]);
    for token in tokenizer().encode(&call("now", "{}")).unwrap() {
        only.accept(token).unwrap();
    }
    let allowed = only.allowed().unwrap();
    assert!(allowed.end && allowed.tokens.is_empty());
    let words = json!({"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"], "additionalProperties": false});
    let mut free = calls(None, vec![tool("search", &words)]);
    let asked = call("search", r#"{"q": "rain"}"#);
    for token in tokenizer().encode(&format!("{asked}\n{}", &asked[..asked.find("\"}").unwrap()])).unwrap() {
        assert!(free.allowed().unwrap().tokens.contains(token));
        free.accept(token).unwrap();
    }
    let one = |text: &str| tokenizer().encode(text).unwrap()[0];
    let allowed = free.allowed().unwrap().tokens;
    assert!(allowed.contains(one("s")) && !allowed.contains(one("\"")));
}
