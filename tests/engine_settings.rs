//! Settings of the engine that cannot be: the start fails and says which, what it is, and what is allowed.

use crate::model;

/// What a start with this variable says on standard error before it fails.
fn refused(variable: &str, value: &str) -> String {
    let output = model::pad().args(["serve", "--port", "0"]).env(variable, value).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{variable}={value} is taken");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn numbers_out_of_range_are_refused_by_name() {
    let largest = "18446744073709551615";
    for (variable, key, values) in [
        ("PAD_ENGINE__QUEUE", "engine.queue", &["0", "1048577", largest][..]),
        ("PAD_ENGINE__KV_POSITIONS", "engine.kv_positions", &["1", "1073741825", largest]),
        ("PAD_ENGINE__MAX_SEQUENCES", "engine.max_sequences", &["0", largest]),
        ("PAD_ENGINE__TOKEN_BUDGET", "engine.token_budget", &["0", largest]),
        ("PAD_MODEL__CONTEXT", "model.context", &[largest]),
    ] {
        for value in values {
            let said = refused(variable, value);
            assert!(said.contains(key) && said.contains(value) && said.contains(variable), "{said}");
        }
    }
}

#[test]
fn keys_and_values_are_kept_in_a_format_that_there_is() {
    let said = refused("PAD_ENGINE__KV_DTYPE", "q4");
    assert!(said.contains("engine.kv_dtype") && said.contains("q4") && said.contains("q8"), "{said}");
}

#[test]
fn a_cache_that_no_machine_holds_is_refused() {
    let said = refused("PAD_ENGINE__KV_POSITIONS", "1073741824");
    assert!(said.contains("engine.kv_positions") && said.contains("do not fit the memory"), "{said}");
}
