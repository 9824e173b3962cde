//! The maximum number of tokens that a request asks for.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::whole::Whole;

/// A number of tokens, or -1 for as many as fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxTokens {
    /// So many at most.
    Most(u64),
    /// As many as fit.
    NoLimit,
}

impl MaxTokens {
    /// The number, where there is one.
    pub fn most(self) -> Option<u64> {
        match self {
            Self::Most(tokens) => Some(tokens),
            Self::NoLimit => None,
        }
    }
}

impl<'de> Deserialize<'de> for MaxTokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Whole::<i128>::deserialize(deserializer)?.0 {
            -1 => Ok(Self::NoLimit),
            tokens if tokens >= 0 => Ok(Self::Most(u64::try_from(tokens).unwrap_or(u64::MAX))),
            tokens => Err(D::Error::custom(format_args!(
                "invalid value: integer `{tokens}`, expected a whole number that is not negative, or -1 for as many as fit"
            ))),
        }
    }
}

impl ToSchema for MaxTokens {}

impl PartialSchema for MaxTokens {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(-1))
            .description(Some("A number of tokens, or -1 for as many as fit."))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_no_limit() {
        let read = |text: &str| serde_json::from_str::<MaxTokens>(text).ok();
        assert_eq!(read("0"), Some(MaxTokens::Most(0)));
        assert_eq!(read("4.0"), Some(MaxTokens::Most(4)));
        assert_eq!(read("9223372036854775807"), Some(MaxTokens::Most(i64::MAX.cast_unsigned())));
        assert_eq!(read("1e30"), Some(MaxTokens::Most(u64::MAX)));
        assert_eq!((read("-1"), read("-1.0")), (Some(MaxTokens::NoLimit), Some(MaxTokens::NoLimit)));
        for wrong in ["-2", "4.5", "\"4\"", "true", "[]"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
