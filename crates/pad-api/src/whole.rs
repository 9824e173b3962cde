//! Whole numbers in JSON, which has only one kind of number: `4.0` is a whole number, `4.5` is not.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// An integer type of the wire.
pub(crate) trait Integer: TryFrom<i128> {
    /// What is expected where something else stands.
    const EXPECTED: &'static str;
}

impl Integer for i64 {
    const EXPECTED: &'static str = "a whole number";
}

impl Integer for i128 {
    const EXPECTED: &'static str = "a whole number";
}

impl Integer for u64 {
    const EXPECTED: &'static str = "a whole number that is not negative";
}

impl Integer for u32 {
    const EXPECTED: &'static str = "a whole number that is not negative";
}

/// A whole number, written as an integer or as a float without a fraction.
pub(crate) struct Whole<T>(pub(crate) T);

/// For fields that are whole numbers, or absent.
pub(crate) fn optional<'de, T: Integer, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Whole<T>>::deserialize(deserializer)?.map(|number| number.0))
}

/// For fields that are arrays of whole numbers.
pub(crate) fn list<'de, T: Integer, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Vec::<Whole<T>>::deserialize(deserializer)?.into_iter().map(|number| number.0).collect())
}

/// Floats of at most this size are one number each: beyond 2^53 several whole numbers are read as the same float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The whole number that a float is.
///
/// # Errors
/// Where it has a fraction, or is so large that the number that was written may have been another of the wire's integers.
pub(crate) fn of_float<E: Error>(value: f64, expected: &dyn serde::de::Expected) -> Result<i128, E> {
    let beyond_all_integers = value.abs() > u64::MAX as f64;
    if value.fract() == 0.0 && (value.abs() <= EXACT || beyond_all_integers) {
        Ok(value as i128)
    } else {
        Err(E::invalid_type(Unexpected::Float(value), expected))
    }
}

impl<'de, T: Integer> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor(PhantomData))
    }
}

struct WholeVisitor<T>(PhantomData<T>);

impl<T: Integer> WholeVisitor<T> {
    fn fit<E: Error>(&self, value: i128) -> Result<Whole<T>, E> {
        let beyond = |_| E::invalid_value(Unexpected::Other(&format!("integer `{value}`")), self);
        T::try_from(value).map(Whole).map_err(beyond)
    }
}

impl<T: Integer> Visitor<'_> for WholeVisitor<T> {
    type Value = Whole<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Whole<T>, E> {
        self.fit(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Whole<T>, E> {
        self.fit(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Whole<T>, E> {
        let whole = of_float(value, &self)?;
        self.fit(whole)
    }
}

#[cfg(test)]
mod tests {
    use crate::{ChatRequest, CompletionRequest, DetokenizeRequest, Prompt, ResponseRequest, from_slice};

    fn chat(fields: &str) -> Result<ChatRequest, crate::ParseError> {
        from_slice(format!(r#"{{"messages": [], {fields}}}"#).as_bytes()).map(|parsed| parsed.value)
    }

    #[test]
    fn a_float_without_a_fraction_is_an_integer() {
        let request = chat(
            r#""seed": -1.0, "n": 1.0, "max_tokens": 4.0, "max_completion_tokens": 5e0, "top_k": 3.0, "min_tokens": 2.0,
               "top_logprobs": 1.0, "pad": {"top_k": 7.0}"#,
        );
        let request = request.expect("whole numbers");
        assert_eq!((request.seed, request.n, request.top_k), (Some(-1), Some(1), Some(3)));
        assert_eq!((request.min_tokens, request.top_logprobs), (Some(2), Some(1)));
        assert_eq!(request.pad.and_then(|pad| pad.top_k), Some(7));
        let completion = br#"{"prompt": [1.0, 2], "best_of": 2.0, "logprobs": 3.0, "n": 1.0}"#;
        let completion: CompletionRequest = from_slice(completion).expect("whole numbers").value;
        assert_eq!((completion.prompt, completion.best_of), (Prompt::Tokens(vec![1, 2]), Some(2)));
        assert_eq!(completion.logprobs, Some(3));
        let response = br#"{"input": "i", "top_logprobs": 2.0, "seed": 1.0}"#;
        let response: ResponseRequest = from_slice(response).expect("whole numbers").value;
        assert_eq!((response.top_logprobs, response.seed), (Some(2), Some(1)));
        let tokens: DetokenizeRequest = from_slice(br#"{"tokens": [7.0]}"#).expect("whole numbers").value;
        assert_eq!(tokens.tokens, [7]);
    }

    #[test]
    fn what_is_no_integer_or_none_of_the_range_is_refused() {
        for (fields, param, says) in [
            (r#""max_tokens": 4.5"#, "max_tokens", "`4.5`"),
            (r#""n": -1.0"#, "n", "integer `-1`"),
            (r#""seed": 1e19"#, "seed", "a whole number"),
            (r#""seed": -9223372036854775809"#, "seed", "a whole number"),
            (r#""seed": 9007199254740994.0"#, "seed", "a whole number"),
            (r#""n": "1""#, "n", "a whole number that is not negative"),
            (r#""seed": 0.1"#, "seed", "a whole number"),
        ] {
            let error = chat(fields).expect_err("refused");
            assert_eq!(error.param.as_deref(), Some(param), "{}", error.message);
            assert!(error.message.contains(says), "{}", error.message);
        }
        let error = from_slice::<CompletionRequest>(br#"{"prompt": [1, 2.5]}"#).expect_err("refused");
        assert_eq!(error.param.as_deref(), Some("prompt[1]"), "{}", error.message);
    }
}
