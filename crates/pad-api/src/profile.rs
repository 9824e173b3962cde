//! `/v1/preferences/profiles`: what users prefer, stored by name.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::object::objects;
use crate::{LearnedPreference, ObjectKind, Preference};

/// What a profile is to prefer.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({"preference": {"concise": 1.0, "cheerful": -0.5}}))]
pub struct ProfileRequest {
    /// Weights or a principle; names and ranges must be those of `GET /v1/preferences`.
    pub preference: Preference,
}

objects! {
    ProfileRequest: "an object with `preference`",
}

/// A stored profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "object": "preference_profile", "name": "alice", "version": 1, "preference": {"concise": 1.0, "cheerful": -0.5},
    "learned": null, "choices": 0, "created_at": 1_764_000_000, "updated_at": 1_764_000_000
}))]
pub struct PreferenceProfile {
    /// Always `preference_profile`.
    pub object: ObjectKind,
    /// The profile's name: usually the user's.
    pub name: String,
    /// 1 when it is made, and one more with every change.
    pub version: i64,
    /// What was set.
    pub preference: Preference,
    /// What was learned from choices; null without any, and if they were made under another reward model.
    #[schema(required)]
    pub learned: Option<LearnedPreference>,
    /// How many choices of the user are stored with it, those that were undone included.
    pub choices: i64,
    /// When it was made, in seconds since 1970.
    pub created_at: i64,
    /// When it was last changed, in seconds since 1970.
    pub updated_at: i64,
}

/// Profiles, a page of them, in the order of the bytes of their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProfileList {
    /// Always `list`.
    pub object: ObjectKind,
    /// The profiles.
    pub data: Vec<PreferenceProfile>,
    /// The name of the first of them.
    #[schema(required)]
    pub first_id: Option<String>,
    /// The name of the last of them, after which the next page begins.
    #[schema(required)]
    pub last_id: Option<String>,
    /// Whether there are more.
    pub has_more: bool,
}

/// Which page of the profiles is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ProfilePage {
    /// The name after which the page starts.
    pub after: Option<String>,
    /// Profiles per page.
    pub limit: Option<u64>,
}

/// A profile that was deleted, with all else that was stored about its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedProfile {
    /// Always `preference_profile`.
    pub object: ObjectKind,
    /// The name.
    pub name: String,
    /// Always true.
    pub deleted: bool,
    /// How many choices were deleted.
    pub choices: u64,
    /// How many stored responses were deleted.
    pub responses: u64,
}

/// All that is stored about a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProfileExport {
    /// Always `preference_profile.export`.
    pub object: ObjectKind,
    /// The user's name.
    pub name: String,
    /// The profile, if there is one.
    #[schema(required)]
    pub profile: Option<PreferenceProfile>,
    /// What was learned from the choices, as it is stored.
    #[schema(required, value_type = Option<Object>)]
    pub learned: Option<Value>,
    /// The choices, as they are stored.
    #[schema(value_type = Vec<Object>)]
    pub choices: Vec<Value>,
    /// The stored responses to requests with this `user`, this `safety_identifier` or this profile.
    pub responses: Vec<StoredText>,
}

/// A stored response, with the conversation that it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoredText {
    /// What it is: `response`.
    pub kind: String,
    /// The response's id.
    pub id: String,
    /// When it was stored, in seconds since 1970.
    pub created_at: i64,
    /// When it will be deleted, in seconds since 1970.
    pub expires_at: i64,
    /// The response and its conversation, as they are stored.
    #[schema(value_type = Object)]
    pub content: Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_slice;

    #[test]
    fn a_profile_has_a_preference_in_full() {
        let read = |body: &str| from_slice::<ProfileRequest>(body.as_bytes()).map(|parsed| parsed.value.preference);
        let weights = Preference::Named(vec![("concise".to_owned(), 1.0)]);
        assert_eq!(read(r#"{"preference": {"concise": 1}}"#), Ok(weights));
        assert_eq!(read(r#"{"preference": "be kind"}"#), Ok(Preference::Principle("be kind".to_owned())));
        for wrong in ["{}", r#"{"preference": {"profile": "bob"}}"#, r#"{"preference": null}"#, "[]"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
