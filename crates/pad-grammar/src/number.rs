//! Numbers of a schema: the compiler reads them as 64-bit floats and writes ranges as 64-bit integers.

use serde_json::{Number, Value};

/// The largest float below 2^63: integers of a range are smaller.
const LARGEST: f64 = 9_223_372_036_854_774_784.0;
/// Digits of a number written without an exponent.
const DIGITS: usize = 40;
/// Digits of a decimal that are read and written exactly.
const SIGNIFICANT: usize = 15;
/// Most states of a `multipleOf`: its digits as an integer.
const MOST_MULTIPLE: f64 = 10_000.0;
/// Digits behind the point of a `multipleOf`.
const MOST_PLACES: i32 = 6;

/// Which side of a range a number bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// From below.
    Least,
    /// From above.
    Most,
}

/// Whether the compiler writes exactly this number.
pub(crate) fn is_exact(number: &Number) -> bool {
    let Some(float) = number.as_f64().filter(|float| float.abs() <= LARGEST) else { return false };
    let written = float.to_string();
    let digits = written.trim_start_matches(['-', '0', '.']).trim_end_matches('0').bytes().filter(u8::is_ascii_digit);
    let short = written.len() <= DIGITS && digits.count() <= SIGNIFICANT;
    whole(number).map_or(short, |integer| float as i128 == integer)
}

/// The bound that the compiler can hold to, if there is one: never wider than the given one.
pub(crate) fn bound(number: &Number, side: Side) -> Option<Value> {
    let float = number.as_f64()?;
    let integer = whole(number);
    let inward = match (integer, side) {
        (Some(integer), Side::Least) if (float as i128) < integer => float.next_up(),
        (Some(integer), Side::Most) if float as i128 > integer => float.next_down(),
        _ => float,
    };
    let within = match side {
        Side::Least => inward.max(-LARGEST),
        Side::Most => inward.min(LARGEST),
    };
    if within.abs() > LARGEST || within.to_string().len() > DIGITS {
        return None;
    }
    // As an integer where it is one: a float is written in its shortest form, and not read back to the last digit.
    if within.fract() == 0.0 { Some(Value::from(within as i64)) } else { Some(Value::from(within)) }
}

/// The number of states that a `multipleOf` makes, if it is within bounds.
pub(crate) fn multiple(number: &Number) -> Option<f64> {
    let float = number.as_f64()?.abs();
    let scaled = (0..=MOST_PLACES).map(|places| (places, float * 10_f64.powi(places)));
    let (places, scaled) = scaled.into_iter().find(|(_, scaled)| scaled.fract() == 0.0)?;
    let states = scaled.max(10_f64.powi(places));
    (scaled > 0.0 && states <= MOST_MULTIPLE).then_some(states)
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number(value: &Value) -> Number {
        value.as_number().unwrap().clone()
    }

    #[test]
    fn a_number_is_exact_or_it_is_not() {
        for exact in [
            json!(0),
            json!(-1.5),
            json!(9_007_199_254_740_992_i64),
            json!(1_234_567_890_123_456_768_i64),
            json!(1e15),
            json!(1e-20),
        ] {
            assert!(is_exact(&number(&exact)), "{exact}");
        }
        for other in [
            json!(i64::MIN),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1_234_567_890_123_456_789_i64),
            json!(1e19),
            json!(-1e300),
            json!(1e-300),
        ] {
            assert!(!is_exact(&number(&other)), "{other}");
        }
    }

    #[test]
    fn a_bound_is_never_wider() {
        let check =
            |value: Value, side, expected: Option<Value>| assert_eq!(bound(&number(&value), side), expected, "{value}");
        check(json!(5), Side::Least, Some(json!(5)));
        check(json!(1_234_567_890_123_456_789_i64), Side::Least, Some(json!(1_234_567_890_123_457_024_i64)));
        check(json!(1_234_567_890_123_456_789_i64), Side::Most, Some(json!(1_234_567_890_123_456_768_i64)));
        check(json!(i64::MAX), Side::Most, Some(json!(LARGEST as i64)));
        check(json!(u64::MAX), Side::Most, Some(json!(LARGEST as i64)));
        check(json!(i64::MIN), Side::Least, Some(json!(-LARGEST as i64)));
        check(json!(1e300), Side::Most, Some(json!(LARGEST as i64)));
        check(json!(1e300), Side::Least, None);
        check(json!(i64::MIN), Side::Most, None);
        check(json!(1e-300), Side::Most, None);
    }

    #[test]
    fn multiples_are_few_digits() {
        for (value, states) in
            [(json!(7), Some(7.0)), (json!(0.01), Some(100.0)), (json!(2.5), Some(25.0)), (json!(-3), Some(3.0))]
        {
            assert_eq!(multiple(&number(&value)), states, "{value}");
        }
        for value in
            [json!(0), json!(999_983), json!(1e-7), json!(1e300), json!(1e-300), json!(0.123_456_7), json!(u64::MAX)]
        {
            assert_eq!(multiple(&number(&value)), None, "{value}");
        }
    }
}
