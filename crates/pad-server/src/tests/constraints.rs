//! Constraints by vLLM's names, on chats and completions: kept or refused, never passed over.

use serde_json::{Value, json};

use super::client::{Answer, chat};
use super::completions::complete;
use super::server::app;

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
