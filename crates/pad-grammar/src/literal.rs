//! Contents other than JSON: one of several texts, a regular expression, a grammar.

use llguidance::regex_to_lark;
use serde_json::Value;

use crate::bounds::{check_number, check_pattern};
use crate::{MOST_BYTES, ShapeError};

/// Most texts to choose from.
const MOST_CHOICES: usize = 1000;
/// Most repetitions that a grammar counts.
const MOST_REPEATS: u64 = 1000;

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

/// A grammar in Lark's notation. Its first rule is `start`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lark(String);

impl Lark {
    /// Take a grammar.
    ///
    /// # Errors
    /// [`ShapeError::TooLong`], [`ShapeError::Beyond`] if it counts too many repetitions, [`ShapeError::Unsupported`] for another notation
    /// and for directives: a schema in a grammar would be compiled unchecked.
    pub fn new(grammar: &str) -> Result<Self, ShapeError> {
        within(grammar.len())?;
        if grammar.contains("::=") {
            return Err(ShapeError::Unsupported(
                "a grammar is in Lark's notation: `start: ...`, not `root ::= ...`".to_owned(),
            ));
        }
        let names = grammar.split('%').skip(1).filter_map(|rest| rest.split(|c: char| !c.is_alphabetic()).next());
        let refused = ["json", "llguidance", "regex", "lark", "import", "override", "extend"];
        if let Some(name) = names.into_iter().find(|name| refused.contains(name)) {
            return Err(ShapeError::Unsupported(format!("the directive `%{name}` is not supported in a grammar")));
        }
        let nested = grammar.bytes().scan(0_u64, |level, byte| {
            match byte {
                b'(' | b'[' => *level += 1,
                b')' | b']' => *level = level.saturating_sub(1),
                _ => {}
            }
            Some(*level)
        });
        check_number("the nesting depth of brackets", "#", nested.max().unwrap_or(0), 0, 100)?;
        for counted in grammar.split(['{', '~']).skip(1) {
            for number in counted
                .split(|c: char| !(c.is_ascii_digit() || c == ' ' || c == ','))
                .take(1)
                .flat_map(|list| list.split(','))
            {
                check_number("a repetition", "#", number.trim().parse().unwrap_or(0), 0, MOST_REPEATS)?;
            }
        }
        Ok(Self(grammar.to_owned()))
    }

    pub(crate) fn notation(&self) -> &str {
        &self.0
    }
}

fn within(bytes: usize) -> Result<(), ShapeError> {
    if bytes > MOST_BYTES { Err(ShapeError::TooLong { bytes, allowed: MOST_BYTES }) } else { Ok(()) }
}

/// A literal, in the grammar's notation: a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
