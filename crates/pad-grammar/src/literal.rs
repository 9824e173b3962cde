//! Contents other than JSON: one of several texts, a regular expression.

use llguidance::regex_to_lark;
use serde_json::Value;

use crate::bounds::{check_number, check_pattern};
use crate::{MOST_BYTES, ShapeError};

/// Most texts to choose from.
const MOST_CHOICES: usize = 1000;

/// Texts to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choices(Vec<String>);

impl Choices {
    /// Take the texts.
    ///
    /// # Errors
    /// [`ShapeError::Beyond`] if there are none, too many, or one that is empty; [`ShapeError::TooLong`].
    pub fn new(texts: Vec<String>) -> Result<Self, ShapeError> {
        check_number("the number of choices", "#", texts.len() as u64, 1, MOST_CHOICES as u64)?;
        for (place, text) in texts.iter().enumerate() {
            check_number("the length of a choice", &place.to_string(), text.len() as u64, 1, MOST_BYTES as u64)?;
        }
        within(texts.iter().map(String::len).sum())?;
        Ok(Self(texts))
    }

    pub(crate) fn notation(&self) -> String {
        self.0.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(" | ")
    }
}

/// A regular expression that matches a text as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regex(String);

impl Regex {
    /// Take an expression, as the `regex` crate writes it. Marks of the ends around all of it are left out.
    ///
    /// # Errors
    /// [`ShapeError::Beyond`] if it is too long or too large.
    pub fn new(expression: &str) -> Result<Self, ShapeError> {
        check_pattern(expression, "#")?;
        let inner = expression.strip_prefix('^').unwrap_or(expression);
        let inner = inner.strip_suffix('$').filter(|rest| !rest.ends_with('\\')).unwrap_or(inner);
        Ok(Self(inner.to_owned()))
    }

    pub(crate) fn notation(&self) -> String {
        format!("/{}/", regex_to_lark(&self.0, ""))
    }
}

/// # Errors
/// [`ShapeError::TooLong`] beyond the bytes that a schema or another content may have.
pub(crate) fn within(bytes: usize) -> Result<(), ShapeError> {
    if bytes > MOST_BYTES { Err(ShapeError::TooLong { bytes, allowed: MOST_BYTES }) } else { Ok(()) }
}

/// A literal, in the grammar's notation: a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
