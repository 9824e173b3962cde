//! Constraints by vLLM's names, on chats and completions: kept or refused, never passed over.

use serde_json::{Value, json};

use super::client::{Answer, chat, events};
use super::completions::complete;
use super::model::Behaviour;
use super::server::{app, state};

/// Every text of it is the same but for the choice of `a`.
fn letters() -> Value {
    let letter = json!({"enum": ["h", "H", "z"]});
    json!({"type": "object", "properties": {"a": letter}, "required": ["a"], "additionalProperties": false})
}

fn schemas() -> Vec<Value> {
    vec![
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": letters()}}}),
        json!({"guided_json": letters()}),
        json!({"guided_json": letters().to_string()}),
        json!({"structured_outputs": {"json": letters()}}),
    ]
}

fn object(text: &Value, of: &Answer) {
    let value: Value = serde_json::from_str(text.as_str().expect("a text")).unwrap_or_else(|_| panic!("{}", of.text));
    assert!(["h", "H", "z"].iter().any(|letter| value["a"] == *letter), "{value}");
}

#[tokio::test]
async fn a_schema_by_any_name_is_kept() {
    let app = app();
    for mut fields in schemas() {
        fields["max_tokens"] = json!(60);
        let answer = chat(&app, fields.clone()).await;
        assert_eq!(answer.status, 200, "{fields}: {}", answer.text);
        object(&answer.json()["choices"][0]["message"]["content"], &answer);
        let answer = complete(&app, fields.clone()).await;
        assert_eq!(answer.status, 200, "{fields}: {}", answer.text);
        object(&answer.json()["choices"][0]["text"], &answer);
    }
    let any = json!({"structured_outputs": {"json_object": true}, "max_tokens": 3});
    let answer = chat(&app, any).await.json();
    assert!(answer["choices"][0]["message"]["content"].as_str().is_some_and(|text| text.starts_with('{')), "{answer}");
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let app = app();
    let xml = json!({"type": "structural_tag"});
    for (fields, param) in [
        (json!({"structured_outputs": {"structural_tag": xml}}), "structured_outputs.structural_tag"),
        (json!({"guided_json": {"type": "strin"}}), "guided_json"),
        (json!({"guided_json": "no schema"}), "guided_json"),
        (json!({"structured_outputs": {"json": {"type": "strin"}}}), "structured_outputs.json"),
        (json!({"structured_outputs": {"json": {}, "json_object": true}}), "structured_outputs"),
        (json!({"structured_outputs": {"choice": ["a"], "regex": "a"}}), "structured_outputs"),
        (json!({"guided_choice": ["a"], "guided_regex": "a"}), "guided_choice"),
        (json!({"guided_grammar": "start: \"a\"", "guided_json": {}}), "guided_json"),
        (json!({"guided_regex": "a", "response_format": {"type": "json_object"}}), "response_format"),
        (json!({"guided_choice": []}), "guided_choice"),
        (json!({"guided_choice": ["a", ""]}), "guided_choice"),
        (json!({"guided_choice": "a"}), "guided_choice"),
        (json!({"guided_regex": "("}), "guided_regex"),
        (json!({"guided_regex": "(a{1000}){1000}"}), "guided_regex"),
        (json!({"guided_grammar": "root ::= \"a\""}), "guided_grammar"),
        (json!({"guided_grammar": "start: missing"}), "guided_grammar"),
        (json!({"structured_outputs": {"choice": []}}), "structured_outputs.choice"),
        (json!({"structured_outputs": {"regex": "[z"}}), "structured_outputs.regex"),
        (json!({"structured_outputs": {"grammar": "start: %json {}"}}), "structured_outputs.grammar"),
        (json!({"structured_outputs": {"json": {}}, "response_format": {"type": "json_object"}}), "response_format"),
        (json!({"response_format": {"type": "json_schema"}}), "response_format.json_schema"),
    ] {
        for answer in [chat(&app, fields.clone()).await, complete(&app, fields.clone()).await] {
            assert_eq!(answer.status, 400, "{fields}: {}", answer.text);
            assert_eq!(answer.error()["param"], param, "{fields}: {}", answer.text);
        }
    }
    for harmless in
        [json!({"response_format": {"type": "text"}}), json!({"structured_outputs": {}}), json!({"guided_json": null})]
    {
        assert_eq!(chat(&app, harmless.clone()).await.status, 200, "{harmless}");
    }
}

const GRAMMAR: &str = "start: day \"/\" DIGIT\nday: \"mon\" | \"tue\"\nDIGIT: /[0-9]/";

/// The text of a chat and that of a completion under these fields.
async fn texts(mut fields: Value) -> [String; 2] {
    let app = app();
    fields["max_tokens"] = json!(40);
    let (chat, completion) = (chat(&app, fields.clone()).await, complete(&app, fields.clone()).await);
    assert_eq!(
        (chat.status.as_u16(), completion.status.as_u16()),
        (200, 200),
        "{fields}: {} {}",
        chat.text,
        completion.text
    );
    let (chat, completion) = (chat.json(), completion.json());
    for finish in [&chat["choices"][0]["finish_reason"], &completion["choices"][0]["finish_reason"]] {
        assert_eq!(finish, "stop", "{fields}");
    }
    let texts = [&chat["choices"][0]["message"]["content"], &completion["choices"][0]["text"]];
    texts.map(|text| text.as_str().expect("a text").to_owned())
}

#[tokio::test]
async fn a_choice_an_expression_and_a_grammar_are_kept() {
    for fields in
        [json!({"guided_choice": ["hi, joe", "no"]}), json!({"structured_outputs": {"choice": ["no", "hi, joe"]}})]
    {
        assert_eq!(texts(fields).await, ["hi, joe"; 2]);
    }
    let one = json!({"guided_choice": ["日本 \"x\"\n"], "response_format": {"type": "text"}});
    assert_eq!(texts(one).await, ["日本 \"x\"\n"; 2]);
    for fields in
        [json!({"guided_regex": "^[xyz]{3}-h(i|o)$"}), json!({"structured_outputs": {"regex": "[xyz]{3}-h(i|o)"}})]
    {
        for text in texts(fields).await {
            let head = text.strip_suffix("-hi").or(text.strip_suffix("-ho")).unwrap_or_else(|| panic!("{text}"));
            assert!(head.len() == 3 && head.bytes().all(|byte| b"xyz".contains(&byte)), "{text}");
        }
    }
    for fields in [json!({"guided_grammar": GRAMMAR}), json!({"structured_outputs": {"grammar": GRAMMAR}})] {
        for text in texts(fields).await {
            let digit = text.strip_prefix("mon/").or(text.strip_prefix("tue/")).unwrap_or_else(|| panic!("{text}"));
            assert!(digit.len() == 1 && digit.bytes().all(|byte| byte.is_ascii_digit()), "{text}");
        }
    }
}

#[tokio::test]
async fn beside_tools_a_choice_is_what_is_said_and_a_grammar_is_refused() {
    let app = app();
    let tool = json!({"type": "function", "function": {"name": "wait"}});
    let choice = json!({"tools": [tool], "guided_choice": ["hi, joe", "no"], "max_tokens": 40});
    let answer = chat(&app, choice).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "hi, joe");
    let mut grammar = json!({"tools": [tool], "guided_grammar": GRAMMAR, "max_tokens": 40});
    let answer = chat(&app, grammar.clone()).await;
    assert_eq!((answer.status.as_u16(), &answer.error()["param"]), (400, &json!("guided_grammar")), "{}", answer.text);
    grammar["tool_choice"] = json!("none");
    assert_eq!(chat(&app, grammar).await.status, 200);
}

/// A grammar that takes more and more while it is followed: whatever may be compiled, the answer goes beyond it.
#[tokio::test]
async fn a_form_that_grows_too_complex_in_mid_answer_is_the_requests_own_affair() {
    let mut fields = json!({"guided_regex": "[ab]*a[ab]{60}", "max_tokens": 80});
    let mut app = app();
    for kib in (64..4096).step_by(4) {
        let mut state = state(Behaviour::default());
        state.limits.grammars.memory = kib << 10;
        app = crate::app(state);
        let answer = chat(&app, fields.clone()).await;
        assert_eq!(answer.status, 400, "{kib} KiB: {}", answer.text);
        if answer.error()["code"] == "form_too_complex" {
            break;
        }
        assert_eq!(answer.error()["param"], "guided_regex", "it does not even compile: {}", answer.text);
    }
    let error = chat(&app, fields.clone()).await.error();
    assert_eq!(error["type"], "invalid_request_error");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("grammar.memory")), "{error}");
    fields["stream"] = json!(true);
    let answer = chat(&app, fields).await;
    assert_eq!(answer.status, 200);
    let all = events(&answer);
    assert_eq!(all.last().expect("events")["error"]["code"], "form_too_complex");
    assert!(answer.text.trim_end().ends_with("[DONE]"), "{}", answer.text);
    assert_eq!(chat(&app, json!({})).await.status, 200, "others go on");
}
