//! The best of several answers, by what a request names.

use serde_json::{Value, json};

use super::client::chat;
use super::server::app;

/// Hot enough for the choices to differ, and steered.
fn fields(more: &Value) -> Value {
    let mut fields = json!({"temperature": 2, "seed": 11, "max_tokens": 4, "preference": {"loud": 1}});
    let pad = json!({"top_k": 3, "trace": true});
    fields.as_object_mut().expect("fields").insert("pad".to_owned(), pad);
    for (name, value) in more.as_object().expect("fields") {
        match name.as_str() {
            "best_of_by" => fields["pad"][name] = value.clone(),
            _ => fields[name] = value.clone(),
        }
    }
    fields
}

async fn answer(more: Value) -> Value {
    let answer = chat(&app(), fields(&more)).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()
}

/// The mean of a figure over the tokens of a choice.
fn mean(choice: &Value, figure: &str) -> f64 {
    let trace = choice["pad"]["trace"].as_array().expect("a trace");
    trace.iter().filter_map(|token| token[figure].as_f64()).sum::<f64>() / trace.len() as f64
}

fn choices(answer: &Value) -> &Vec<Value> {
    answer["choices"].as_array().expect("choices")
}

#[tokio::test]
async fn the_best_by_reward_or_score_are_kept_and_told() {
    let all = answer(json!({"n": 8})).await;
    for figure in ["reward", "score"] {
        let mut values: Vec<f64> = choices(&all).iter().map(|choice| mean(choice, figure)).collect();
        values.sort_by(|a, b| b.total_cmp(a));
        assert!(values[0] > values[7] + 0.1, "they differ: {values:?}");
        let best = answer(json!({"n": 2, "best_of": 8, "best_of_by": figure})).await;
        assert_eq!(best["usage"]["completion_tokens"], all["usage"]["completion_tokens"], "all are paid for");
        assert_eq!(
            choices(&best).iter().map(|choice| choice["index"].as_u64()).collect::<Vec<_>>(),
            [Some(0), Some(1)]
        );
        let told = &best["usage"]["pad"]["best_of"];
        assert_eq!(told["by"], figure);
        let numbers = |name: &str| -> Vec<f64> {
            told[name].as_array().expect("values").iter().filter_map(Value::as_f64).collect()
        };
        let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-5, "{figure}: {told} of {values:?}");
        let own = choices(&best).iter().map(|choice| mean(choice, figure));
        own.zip(&values).for_each(|(own, value)| near(own, *value));
        let told = [numbers("values"), numbers("left_out")].concat();
        assert_eq!(told.len(), 8);
        told.iter().zip(&values).for_each(|(told, value)| near(*told, *value));
    }
}

#[tokio::test]
async fn where_none_is_left_out_they_stay_as_they_came() {
    let all = answer(json!({"n": 3})).await;
    let same = answer(json!({"n": 3, "best_of": 3, "best_of_by": "reward"})).await;
    assert_eq!(choices(&all), choices(&same));
    assert!(same["usage"]["pad"].get("best_of").is_none());
}
