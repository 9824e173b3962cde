//! A stored profile.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::StoreError;

/// What a user prefers.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The user's name, of its scope.
    pub name: String,
    /// Which state of the profile this is.
    pub stamp: Stamp,
    /// What was set: weights or words, as JSON.
    pub preference: Value,
    /// What was learned from choices, as JSON.
    pub learned: Option<Value>,
    /// How many choices were made, those that were undone included. The latest has this number.
    pub choices: i64,
    /// When it was changed last, in milliseconds since 1970.
    pub updated_at: i64,
}

/// Tells the states of a profile apart: no two of them have the same, not even if it is deleted and made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When the profile was made, in milliseconds since 1970.
    pub created_at: i64,
    /// 1 when it is made, and one more with every change.
    pub version: i64,
}

/// `CREATED-VERSION`, the text of an entity tag.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.created_at, self.version)
    }
}

impl FromStr for Stamp {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (created_at, version) = text.split_once('-').ok_or(())?;
        let created_at = i64::from_str_radix(created_at, 16).map_err(|_| ())?;
        Ok(Self { created_at, version: version.parse().map_err(|_| ())? })
    }
}

/// A row of the table, in the order of `columns!`.
pub(crate) type ProfileRow = (String, i64, String, Option<String>, i64, i64, i64);

/// The columns of a [`ProfileRow`].
macro_rules! columns {
    () => {
        "name, version, preference, learned, choices, created_at, updated_at"
    };
}
pub(crate) use columns;

impl Profile {
    pub(crate) fn of_row(row: ProfileRow) -> Result<Self, StoreError> {
        let (name, version, preference, learned, choices, created_at, updated_at) = row;
        Ok(Self {
            name,
            stamp: Stamp { created_at, version },
            preference: serde_json::from_str(&preference)?,
            learned: learned.map(|learned| serde_json::from_str(&learned)).transpose()?,
            choices,
            updated_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_is_written() {
        let stamp = Stamp { created_at: 1_700_000_000_123, version: 7 };
        assert_eq!(stamp.to_string(), "18bcfe5687b-7");
        assert_eq!(stamp.to_string().parse(), Ok(stamp));
        for other in ["", "7", "18bcfe5687b-", "-7", "x-7", "1-x"] {
            assert_eq!(other.parse::<Stamp>(), Err(()), "{other}");
        }
    }
}
