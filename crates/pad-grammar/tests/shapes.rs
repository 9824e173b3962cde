//! Shapes as languages: what is drawn at random from a grammar is of its shape, and nothing else is accepted.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use pad_decode::Grammar;
use pad_grammar::{Budget, Calls, Content, Grammars, Requester, Schema, Shape, ShapeError, Tool};
use pad_text::Tokenizer;
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

fn tokenizer() -> Arc<Tokenizer> {
    static TOKENIZER: OnceLock<Arc<Tokenizer>> = OnceLock::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pad-text/tests/data/tokenizer.json");
    Arc::clone(TOKENIZER.get_or_init(|| Arc::new(Tokenizer::from_file(&path).unwrap())))
}

fn grammars() -> &'static Grammars {
    static GRAMMARS: OnceLock<Grammars> = OnceLock::new();
    GRAMMARS.get_or_init(|| Grammars::new(tokenizer(), Budget::default()))
}

fn grammar(shape: &Shape) -> Box<dyn Grammar> {
    grammars().compile(shape, &Requester::default()).unwrap().expect("the shape narrows something down")
}

fn schema(schema: &Value) -> Shape {
    Shape::json(Schema::new(schema, false).unwrap())
}

fn refused(schema: &Value) -> String {
    let shape = Schema::new(schema, false).map(Shape::json);
    shape.and_then(|shape| grammars().compile(&shape, &Requester::default())).unwrap_err().to_string()
}

/// Whether the grammar takes the whole text, and whether it may then end.
fn takes(mut grammar: Box<dyn Grammar>, text: &str) -> bool {
    for token in tokenizer().encode(text).unwrap() {
        if !grammar.allowed().unwrap().tokens.contains(token) {
            return false;
        }
        grammar.accept(token).unwrap();
    }
    grammar.allowed().unwrap().end
}

/// A text of the grammar: each token is drawn among those that are allowed; an end is taken where it may be.
fn drawn(mut grammar: Box<dyn Grammar>, seed: u64) -> String {
    let (mut random, mut bytes) = (ChaCha8Rng::seed_from_u64(seed), Vec::new());
    for step in 0.. {
        let allowed = grammar.allowed().unwrap();
        if allowed.end && (allowed.tokens.is_empty() || random.random_range(0..3) == 0) {
            break;
        }
        let mut tokens: Vec<u32> = allowed.tokens.iter().collect();
        assert!(!tokens.is_empty() && step < 5000, "a dead end after {:?}", String::from_utf8_lossy(&bytes));
        // What closes something, that the text may come to its end.
        let closing = |token: &u32| b"\"}]0".contains(&tokenizer().token_bytes(*token)[0]);
        if step > 40 && tokens.iter().any(closing) {
            tokens.retain(closing);
        }
        let token = tokens[random.random_range(0..tokens.len())];
        assert!(!tokenizer().is_special(token));
        bytes.extend_from_slice(tokenizer().token_bytes(token));
        grammar.accept(token).unwrap();
    }
    String::from_utf8(bytes).expect("whole characters")
}

fn person() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 5},
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
            "kind": {"enum": ["cat", "dog", null]},
            "friends": {"type": "array", "items": {"$ref": "#/$defs/friend"}, "maxItems": 2}
        },
        "required": ["name", "age", "kind", "friends"],
        "additionalProperties": false,
        "$defs": {"friend": {"anyOf": [{"type": "boolean"}, {"type": "number"}]}}
    })
}

fn is_person(value: &Value) -> bool {
    let friend = |friend: &Value| friend.is_boolean() || friend.is_number();
    let keys: Vec<&String> = value.as_object().expect("an object").keys().collect();
    keys == ["name", "age", "kind", "friends"]
        && value["name"].as_str().is_some_and(|name| name.chars().count() <= 5)
        && value["age"].as_u64().is_some_and(|age| age <= 150)
        && [json!("cat"), json!("dog"), json!(null)].contains(&value["kind"])
        && value["friends"].as_array().is_some_and(|friends| friends.len() <= 2 && friends.iter().all(friend))
}

#[test]
fn a_time_has_an_end() {
    let time = |text: &str, more: Value| {
        let mut keywords = json!({"type": "string", "format": "time"});
        keywords.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        takes(grammar(&schema(&json!({"type": "array", "items": keywords}))), &format!("[\"{text}\"]"))
    };
    for text in ["12:00:00Z", "12:00:00.5z", "23:59:60.123456789+01:30"] {
        assert!(time(text, json!({})), "{text}");
    }
    for text in ["12:00:00.1234567890Z", "12:00:00.Z", "25:00:00Z"] {
        assert!(!time(text, json!({})), "{text}");
    }
    // A pattern of its own stays, and what is no schema is left alone.
    assert!(time("12:00:00.1234567890Z", json!({"pattern": "^12"})));
    let value = json!({"format": "time"});
    assert!(takes(grammar(&schema(&json!({"const": value}))), &value.to_string()));
}

#[test]
fn what_is_drawn_from_a_schema_is_of_the_schema() {
    let start = grammar(&schema(&person()));
    for seed in 0..60 {
        let text = drawn(start.another(), seed);
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(is_person(&value), "{text}");
    }
}

#[test]
fn what_is_drawn_from_any_object_is_an_object() {
    let start = grammar(&Shape::json(Schema::any_object()));
    for seed in 0..60 {
        let text = drawn(start.another(), seed);
        assert!(serde_json::from_str::<Value>(&text).is_ok_and(|value| value.is_object()), "{text}");
    }
    assert!(takes(start.another(), r#"{"a": [1, {"b": null}], "c": "é\n\u0001"}"#));
    assert!(takes(start.another(), "{\n  \"a\": 1,\n  \"b\": 2\n}"), "as printed for people");
    for other in ["[]", "1", "{\"a\": }", "{\"a\":    1}", "{\n\n\n\"a\": 1}", "{\"a\": 1"] {
        assert!(!takes(start.another(), other), "{other}");
    }
}

#[test]
fn forced_text_is_written_as_the_model_would() {
    let mut grammar = grammar(&schema(&json!({"const": "the end"})));
    let mut tokens = Vec::new();
    loop {
        let allowed = grammar.allowed().unwrap();
        if allowed.tokens.is_empty() {
            assert!(allowed.end, "nothing but the end is left");
            break;
        }
        assert_eq!((allowed.tokens.len(), allowed.end), (1, false));
        tokens.extend(allowed.tokens.iter());
        grammar.accept(*tokens.last().unwrap()).unwrap();
    }
    assert_eq!(tokens, tokenizer().encode("\"the end\"").unwrap());
}

#[test]
fn special_tokens_are_no_text() {
    let start = grammar(&schema(&json!({"type": "string"})));
    let mut grammar = start.another();
    grammar.accept(tokenizer().encode("\"").unwrap()[0]).unwrap();
    let special: Vec<u32> = (0..tokenizer().vocab_size() as u32).filter(|id| tokenizer().is_special(*id)).collect();
    let allowed = grammar.allowed().unwrap();
    assert!(!special.is_empty() && allowed.tokens == allowed.tokens.without(&special));
    // A schema that asks for one is given its letters.
    let mut named = self::grammar(&schema(&json!({"const": "<|im_end|>"})));
    let mut text = Vec::new();
    while let Some(token) = named.allowed().unwrap().tokens.iter().next() {
        text.extend_from_slice(tokenizer().token_bytes(token));
        named.accept(token).unwrap();
    }
    assert_eq!(text, b"\"<|im_end|>\"");
}

#[test]
fn grammars_of_one_shape_are_independent() {
    let shape = schema(&json!({"enum": ["aa", "bb"]}));
    let (mut one, mut other) = (grammar(&shape), grammar(&shape));
    let token = |text: &str| tokenizer().encode(text).unwrap()[0];
    for grammar in [&mut one, &mut other] {
        grammar.accept(token("\"")).unwrap();
        let allowed: Vec<u32> = grammar.allowed().unwrap().tokens.iter().collect();
        assert_eq!(allowed, [token("a"), token("b")]);
    }
    one.accept(token("a")).unwrap();
    assert!(other.allowed().unwrap().tokens.contains(token("b")));
    assert!(one.accept(token("b")).is_err(), "it is not allowed");
    assert!(one.allowed().is_err(), "a broken grammar stays broken");
    assert!(other.accept(token("b")).is_ok());
}

#[test]
fn what_cannot_be_held_to_is_refused_with_the_reason() {
    for (wrong, says) in [
        (json!({"type": "array", "uniqueItems": true}), "uniqueItems"),
        (json!({"type": "objekt"}), "objekt"),
        (json!({"type": "string", "pattern": "("}), ""),
        (json!({"$ref": "#/$defs/none"}), "none"),
        (json!({"$ref": "http://localhost/schema.json"}), "$ref"),
        (json!({"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 3}]}), "anyOf"),
        (json!({"type": "integer", "minimum": 5, "maximum": 4}), ""),
        (json!({"enum": []}), ""),
    ] {
        let why = refused(&wrong);
        assert!(why.contains(says) && !why.contains("x-guidance"), "{wrong}: {why}");
    }
    let lenient = Schema::new(&json!({"type": "array", "uniqueItems": true}), true).map(Shape::json);
    assert!(lenient.is_ok_and(|shape| grammars().compile(&shape, &Requester::default()).is_ok()));
    let deep = (0..60).fold(json!({"type": "null"}), |inner, _| json!({"type": "array", "items": inner}));
    assert!(grammars().compile(&schema(&deep), &Requester::default()).is_ok());
    let wide = json!({"type": "string", "pattern": "(a|b|c){1,60}x{1,3000}(d|e){4,900}"});
    let wide = grammars().compile(&schema(&wide), &Requester::default());
    assert!(matches!(&wide, Ok(_) | Err(ShapeError::Unsupported(_))), "{wide:?}");
}

fn tools(content: Option<Content>, parallel: bool) -> Shape {
    let tool = |name: &str, parameters: &Value| Tool {
        name: name.to_owned(),
        parameters: Schema::new(parameters, true).unwrap(),
    };
    let city = json!({"type": "object", "properties": {"city": {"$ref": "#/$defs/city"}}, "required": ["city"],
        "additionalProperties": false, "$defs": {"city": {"enum": ["Oslo", "Rome"]}}});
    let none = json!({"type": "object", "properties": {}, "additionalProperties": false});
    Shape { content, calls: Some(Calls { tools: vec![tool("weather", &city), tool("now", &none)], parallel }) }
}

const OSLO: &str = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>";
const NOW: &str = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";

#[test]
fn required_calls_are_calls_and_nothing_else() {
    let one = grammar(&tools(None, false));
    let several = grammar(&tools(None, true));
    for start in [&one, &several] {
        assert!(takes(start.another(), OSLO) && takes(start.another(), NOW));
        for other in
            ["Sure.", "<tool_call>\n{\"name\": \"when\"", &OSLO.replace("Oslo", "Bonn"), &OSLO[..OSLO.len() - 1]]
        {
            assert!(!takes(start.another(), other), "{other}");
        }
    }
    let both = format!("{OSLO}\n{NOW}");
    assert!(takes(several.another(), &both) && !takes(one.another(), &both));
    for seed in 0..20 {
        let text = drawn(one.another(), seed);
        let written =
            text.strip_prefix("<tool_call>").and_then(|rest| rest.strip_suffix("</tool_call>")).expect("tags");
        let call: Value = serde_json::from_str(written).unwrap_or_else(|error| panic!("{error}: {text}"));
        let city = |city: &str| json!({"name": "weather", "arguments": {"city": city}});
        assert!([city("Oslo"), city("Rome"), json!({"name": "now", "arguments": {}})].contains(&call), "{text}");
    }
}

#[test]
fn where_a_call_may_come_text_is_free_until_it_does() {
    let start = grammar(&tools(Some(Content::Text), true));
    for text in ["Hello!", "a < b, <tool and {\"x\": 1}", "\n", OSLO, &format!("Let me see.\n{OSLO}\n{NOW}")] {
        assert!(takes(start.another(), text), "{text}");
    }
    for text in ["<tool_call>", "Hm. <tool_call> what?", &format!("{OSLO} It rains."), &format!("x{}", &NOW[..20])] {
        assert!(!takes(start.another(), text), "{text}");
    }
    assert!(
        grammars()
            .compile(&Shape { content: Some(Content::Text), calls: None }, &Requester::default())
            .unwrap()
            .is_none()
    );
}

#[test]
fn content_of_a_schema_or_a_call() {
    let start = grammar(&tools(Some(Content::Json(Schema::any_object())), true));
    assert!(takes(start.another(), "{\"answer\": 42}") && takes(start.another(), OSLO));
    assert!(!takes(start.another(), "text"));
}
