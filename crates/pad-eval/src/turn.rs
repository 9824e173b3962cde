//! The turn that holds an instruction.

use std::fmt;
use std::str::FromStr;

use crate::error::EvalError;

/// The message that holds an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Turn {
    /// A system message, before the conversation's own.
    System,
    /// The last user message, before its text.
    User,
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::User => "user",
        })
    }
}

impl FromStr for Turn {
    type Err = EvalError;

    fn from_str(text: &str) -> Result<Self, EvalError> {
        match text {
            "system" => Ok(Self::System),
            "user" => Ok(Self::User),
            _ => Err(EvalError::Value {
                what: "the turn of an instruction",
                given: text.to_owned(),
                problem: "allowed are `system` and `user`".to_owned(),
            }),
        }
    }
}
