//! Schemas that try to take all of the stack, the memory or the time: each is refused with a reason, or it works.

use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pad_grammar::{Budget, Choices, Content, Grammars, Lark, Regex, Requester, Schema, Shape, ShapeError};
use pad_text::Tokenizer;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

fn grammars() -> &'static Grammars {
    static GRAMMARS: OnceLock<Grammars> = OnceLock::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pad-text/tests/data/tokenizer.json");
    // However busy the machine is, nothing here ends for its time.
    let budget = Budget { time: Duration::from_hours(1), ..Budget::default() };
    GRAMMARS.get_or_init(|| Grammars::new(Arc::new(Tokenizer::from_file(&path).unwrap()), budget))
}

/// What is said of a shape, after some steps of an answer where it can be held to.
fn outcome(shape: Result<Shape, ShapeError>, steps: usize) -> Result<(), String> {
    let compiled =
        shape.and_then(|shape| grammars().compile(&shape, &Requester::default())).map_err(|error| error.to_string())?;
    let mut grammar = compiled.expect("the shape narrows something down");
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..steps {
        // A grammar that becomes too complex ends its own answer.
        let Ok(allowed) = grammar.allowed() else { break };
        let tokens: Vec<u32> = allowed.tokens.iter().collect();
        if tokens.is_empty() || grammar.accept(tokens[random.random_range(0..tokens.len())]).is_err() {
            break;
        }
    }
    Ok(())
}

fn schema(schema: &Value) -> Result<(), String> {
    outcome(Schema::new(schema, false).map(Shape::json), 40)
}

fn refused(value: &Value, says: &[&str]) {
    let error = schema(value).expect_err(&value.to_string()[..value.to_string().len().min(100)]);
    for part in says {
        assert!(error.contains(part), "{error}");
    }
}

fn chain(length: usize) -> Value {
    let mut defs = serde_json::Map::new();
    for i in 0..length {
        let next = format!("#/$defs/d{}", i + 1);
        defs.insert(format!("d{i}"), json!({"type": "object", "properties": {"a": {"$ref": next}}, "required": ["a"]}));
    }
    defs.insert(format!("d{length}"), json!({"type": "null"}));
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

fn optional(count: usize) -> Value {
    let properties: serde_json::Map<String, Value> =
        (0..count).map(|i| (format!("p{i}"), json!({"type": "string"}))).collect();
    json!({"type": "object", "properties": properties})
}

#[test]
fn numbers_that_a_float_does_not_hold_are_refused_by_name() {
    for number in
        ["-9223372036854775808", "1234567890123456789", "12345678901234567890", "1e300", "9223372036854775807"]
    {
        let value: Value = serde_json::from_str(number).unwrap();
        let shown = value.to_string();
        refused(&json!({"const": value}), &[&shown]);
        refused(&json!({"enum": ["a", {"b": [value]}]}), &[&shown]);
    }
    refused(&json!({"type": "integer", "minimum": 1e300}), &["minimum", "1e+300"]);
    for wide in
        [json!({"minimum": i64::MIN}), json!({"maximum": u64::MAX}), json!({"maximum": 1e300, "minimum": -1e300})]
    {
        let mut wide = wide;
        for kind in ["integer", "number"] {
            wide["type"] = json!(kind);
            assert_eq!(schema(&wide), Ok(()), "{wide}");
        }
    }
    assert_eq!(schema(&json!({"const": 1_234_567_890_123_456_768_i64})), Ok(()));
}

#[test]
fn work_on_numbers_is_bounded() {
    for multiple in
        [json!(999_983), json!(99_991), json!(0.000_000_1), json!(1e-300), json!(0), json!(4_000_000_000_u64)]
    {
        refused(
            &json!({"type": "object", "properties": {"a": {"type": "integer", "multipleOf": multiple}}}),
            &["multipleOf", "#/properties/a"],
        );
    }
    refused(&json!({"allOf": [{"type": "integer", "multipleOf": 9973}, {"multipleOf": 9967}]}), &["multipleOf"]);
    for multiple in [json!(7), json!(997), json!(0.01), json!(2.5)] {
        assert_eq!(schema(&json!({"type": "number", "multipleOf": multiple})), Ok(()), "{multiple}");
    }
    refused(&json!({"type": "string", "minLength": 1_000_000_000}), &["minLength", "10000"]);
    refused(&json!({"type": "array", "minItems": 1_000_000_000}), &["minItems"]);
    for wide in [
        json!({"type": "string", "maxLength": u64::MAX}),
        json!({"type": "array", "maxItems": 1e18, "items": {"type": "null"}}),
    ] {
        assert_eq!(schema(&wide), Ok(()), "{wide}");
    }
}

#[test]
fn depth_and_size_are_bounded() {
    for length in [10, 200, 400, 1000] {
        assert_eq!(schema(&chain(length)), Ok(()), "{length} definitions");
    }
    for count in [1, 100, 400, 500] {
        assert_eq!(schema(&optional(count)), Ok(()), "{count} properties");
    }
    refused(&optional(501), &["properties", "501", "500"]);
    let nested = |levels: usize| {
        (0..levels).fold(json!({"type": "null"}), |inner, _| json!({"anyOf": [{"type": "array", "items": inner}]}))
    };
    refused(&nested(60), &["levels", "80"]);
    assert_eq!(schema(&nested(30)), Ok(()));
    let values =
        |count: usize| json!({"enum": (0..count).map(|i| format!("v{}", i * 7919 % 10_007)).collect::<Vec<_>>()});
    assert_eq!(schema(&values(2000)), Ok(()));
    refused(&values(2001), &["enum", "2001"]);
    refused(&json!({"anyOf": vec![json!({"type": "null"}); 501]}), &["anyOf", "501"]);
    let both =
        |count: usize| json!({"allOf": vec![json!({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}); count]});
    refused(&both(20), &["allOf"]);
}

#[test]
fn a_schema_does_not_lead_to_itself() {
    for circular in [
        json!({"$ref": "#"}),
        json!({"$ref": "#/"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"oneOf": [{"$ref": "#/$defs/a"}]}}}),
    ] {
        refused(&circular, &["$ref", "itself"]);
    }
    for recursive in [
        json!({"type": "object", "properties": {"a": {"$ref": "#"}}}),
        json!({"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "null"}]}),
    ] {
        assert_eq!(schema(&recursive), Ok(()), "{recursive}");
    }
    refused(&json!({"$ref": "#/examples/0", "examples": [{"const": i64::MIN}]}), &["$ref", "#/examples/0"]);
}

#[test]
fn patterns_are_bounded_and_their_faults_are_told() {
    let pattern = |pattern: &str| json!({"type": "string", "pattern": pattern});
    for large in ["((a{100}){100}){100}", "(a|b){100000}"] {
        refused(&pattern(large), &["pattern", "10000"]);
    }
    refused(&pattern(&"a".repeat(5000)), &["pattern", "5000", "4096"]);
    for wrong in ["(", "[", "a{2,1}", "(?!a)b", "\\p{Nothing}"] {
        let error = schema(&pattern(wrong)).unwrap_err();
        assert!(error.len() > "the pattern is invalid: ".len() + 3 && !error.contains("panic"), "{wrong}: {error}");
    }
    for works in [
        "^(x?){60}x{60}$",
        "^(x?){9}x{9}$",
        "^[\\p{L}\\p{N}]{1,40}$",
        "^(a+)+$",
        "^(.*a.{12})$",
        "日本{1,3}",
        "[\u{1F600}-\u{1F64F}]+",
    ] {
        let _ = schema(&pattern(works));
    }
    let names: serde_json::Map<String, Value> = (0..60).map(|i| (format!("^x{i}"), json!(true))).collect();
    refused(&json!({"type": "object", "patternProperties": names}), &["patternProperties"]);
}

#[test]
fn other_contents_have_the_same_bounds() {
    let of = |content: Result<Content, ShapeError>| outcome(content.map(Shape::content), 20);
    let choice = |texts: Vec<String>| of(Choices::new(texts).map(Content::Choice));
    assert_eq!(choice(vec!["yes".to_owned(), "no \"\n".to_owned()]), Ok(()));
    assert!(
        choice(Vec::new()).is_err()
            && choice(vec![String::new()]).is_err()
            && choice(vec!["a".to_owned(); 1001]).is_err()
    );
    let regex = |expression: &str| of(Regex::new(expression).map(Content::Regex));
    assert_eq!(regex("^[0-9]{3}/(a|b)$"), Ok(()));
    assert!(regex("(a{1000}){1000}").is_err() && regex("(").is_err());
    let lark = |grammar: &str| of(Lark::new(grammar).map(Content::Lark));
    assert_eq!(lark("start: \"a\" b+\nb: /[0-9]{1,3}/"), Ok(()));
    let deep = format!("start: {}\"a\"{}", "(".repeat(200), ")".repeat(200));
    for wrong in [
        "root ::= \"a\"",
        "start: %json {\"const\": -9223372036854775808}",
        "start: \"a\"{100000}",
        "start: \"a\"~100000",
        "start: /a+/ & /[ab]+/",
        "start: ~/a+/",
        "start:",
        "nothing",
        &deep,
        "%ignore /a/\n%llguidance {}\nstart: \"a\"",
    ] {
        assert!(lark(wrong).is_err(), "{wrong}");
    }
}

/// Values in which keywords have values that are wrong, huge, or of another kind.
fn made_up(random: &mut ChaCha8Rng, levels: usize) -> Value {
    let numbers = [
        json!(0),
        json!(-1),
        json!(1),
        json!(7.5),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(-1e-300),
        json!(65_536),
        json!(4_294_967_296_u64),
    ];
    let texts = [
        "",
        "^a+$",
        "(a|b){3,7}c",
        "\u{1F600}",
        "date-time",
        "object",
        "string",
        "integer",
        "#",
        "#/properties/a",
        "(?:",
        "email",
    ];
    let mut pick = |count: usize| random.random_range(0..count);
    let mut fields = serde_json::Map::new();
    for _ in 0..=pick(4) {
        let name = [
            "type",
            "const",
            "enum",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "multipleOf",
            "minLength",
            "maxLength",
            "pattern",
            "format",
            "minItems",
            "maxItems",
            "items",
            "prefixItems",
            "properties",
            "required",
            "additionalProperties",
            "patternProperties",
            "anyOf",
            "allOf",
            "oneOf",
            "$ref",
            "minProperties",
            "maxProperties",
        ][pick(25)];
        let value = match pick(5) {
            0 => numbers[pick(numbers.len())].clone(),
            1 => json!(texts[pick(texts.len())]),
            2 => json!([texts[pick(texts.len())], numbers[pick(numbers.len())]]),
            _ if levels == 0 => json!({}),
            3 => Value::Array(
                ["null", "integer", "string"].into_iter().take(pick(3) + 1).map(|kind| json!({"type": kind})).collect(),
            ),
            _ => json!({"a": {"type": "string"}}),
        };
        fields.insert(name.to_owned(), value);
    }
    if levels > 0 {
        let inner = made_up(random, levels - 1);
        let place = ["items", "properties", "anyOf", "additionalProperties"][random.random_range(0..4)];
        let inner = match place {
            "properties" => json!({"a": inner}),
            "anyOf" => json!([inner, {"type": "null"}]),
            _ => inner,
        };
        fields.insert(place.to_owned(), inner);
    }
    Value::Object(fields)
}

#[test]
fn whatever_a_schema_says_it_is_refused_or_it_works() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut words = String::new();
    for _ in 0..400 {
        let value = made_up(&mut random, 3);
        for lenient in [false, true] {
            let said = outcome(Schema::new(&value, lenient).map(Shape::json), 12);
            if let Err(error) = said {
                assert!(!error.is_empty() && !error.contains("InternalError"), "{value}: {error}");
                let _ = writeln!(words, "{error}");
            }
        }
    }
    assert!(words.lines().count() > 50, "most of these are wrong");
}
