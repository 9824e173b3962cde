//! Range checks of values, with their errors.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::ApiError;

/// The value, if it is allowed.
///
/// # Errors
/// 400 naming the field, its value and what is allowed.
pub(crate) fn within<T: PartialOrd + Display>(
    param: &str,
    value: T,
    allowed: &RangeInclusive<T>,
) -> Result<T, ApiError> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (allowed.start(), allowed.end());
    Err(ApiError::invalid(param, format!("`{param}` is {value}; allowed: {low} to {high}")))
}

/// The number that is given, if it is allowed, or the default.
///
/// # Errors
/// As for [`within`].
pub(crate) fn number(
    param: &str,
    value: Option<f64>,
    allowed: &RangeInclusive<f64>,
    default: f32,
) -> Result<f32, ApiError> {
    value.map_or(Ok(default), |value| Ok(within(param, value, allowed)? as f32))
}
