//! Where the preference of a request came from.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The place that the preference was taken from; the first that has one is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreferenceSource {
    /// `preference` in the body.
    Body,
    /// The header `x-pad-preference`.
    Header,
    /// `metadata.pad_preference` in the body.
    Metadata,
    /// The stored profile of the body's `user` or `safety_identifier`.
    Profile,
    /// The API key that the request came with.
    Key,
    /// The name that the request gave as its model, which is a preset.
    Model,
    /// The server's settings, or nothing where they have none.
    #[default]
    Default,
}

impl PreferenceSource {
    /// The field that errors name.
    pub fn param(self) -> &'static str {
        match self {
            Self::Header => "x-pad-preference",
            Self::Metadata => "metadata.pad_preference",
            Self::Body | Self::Profile | Self::Key | Self::Model | Self::Default => "preference",
        }
    }
}
