//! What a request says of its preference: one in full, or the name of a stored profile.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::Preference;

/// The key that names a profile, among those that name dimensions; no dimension is called so.
pub(crate) const PROFILE: &str = "profile";

/// The preference of a request, or where it is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum PreferenceChoice {
    /// A preference in full.
    Own(Preference),
    /// A stored profile.
    Profile(NamedProfile),
}

/// A stored profile, of which single weights may be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedProfile {
    /// The profile's name.
    pub name: String,
    /// Weights in the place of the profile's, by dimension.
    pub weights: Vec<(String, f64)>,
}

impl PreferenceChoice {
    /// The preference, where only one in full is allowed.
    ///
    /// # Errors
    /// If it names a profile.
    pub fn own(self) -> Result<Preference, String> {
        match self {
            Self::Own(preference) => Ok(preference),
            Self::Profile(profile) => {
                Err(format!("the profile `{}` is named; allowed here: weights or a principle in words", profile.name))
            }
        }
    }
}

impl From<Preference> for PreferenceChoice {
    fn from(preference: Preference) -> Self {
        Self::Own(preference)
    }
}

/// In the form it has.
impl Serialize for PreferenceChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Own(preference) => preference.serialize(serializer),
            Self::Profile(NamedProfile { name, weights }) => {
                let weights = weights.iter().map(|(name, weight)| (name.as_str(), json!(weight)));
                serializer.collect_map([(PROFILE, json!(name))].into_iter().chain(weights))
            }
        }
    }
}

impl<'de> Deserialize<'de> for PreferenceChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChoiceVisitor)
    }
}

/// A profile cannot stand in the place of a preference in full.
impl<'de> Deserialize<'de> for Preference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PreferenceChoice::deserialize(deserializer)?.own().map_err(D::Error::custom)
    }
}

struct ChoiceVisitor;

impl<'de> Visitor<'de> for ChoiceVisitor {
    type Value = PreferenceChoice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of dimension names and weights, an array of weights, or a principle as a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PreferenceChoice, E> {
        PreferenceChoice::of_string(text).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<PreferenceChoice, A::Error> {
        let mut weights = Vec::new();
        while let Some(weight) = seq.next_element()? {
            weights.push(weight);
        }
        Ok(Preference::Ordered(weights).into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PreferenceChoice, A::Error> {
        let mut profile: Option<String> = None;
        let mut weights: Vec<(String, f64)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == PROFILE {
                if profile.replace(map.next_value()?).is_some() {
                    return Err(A::Error::custom("`profile` is given twice"));
                }
                continue;
            }
            let weight = map.next_value()?;
            if weights.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format_args!("dimension `{name}` is given twice")));
            }
            weights.push((name, weight));
        }
        Ok(match profile {
            Some(name) => PreferenceChoice::Profile(NamedProfile { name, weights }),
            None => Preference::Named(weights).into(),
        })
    }
}

impl ToSchema for PreferenceChoice {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Preference::name().into_owned(), Preference::schema()));
    }
}

impl PartialSchema for PreferenceChoice {
    fn schema() -> RefOr<Schema> {
        let weight = ObjectBuilder::new().schema_type(Type::Number);
        let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
        let profile = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "The name of a stored profile, and weights by dimension name that take the place of the profile's.",
            ))
            .property(PROFILE, name)
            .required(PROFILE)
            .additional_properties(Some(AdditionalProperties::from(RefOr::T(Schema::Object(weight.build())))));
        OneOfBuilder::new()
            .item(Ref::from_schema_name(Preference::name()))
            .item(profile)
            .description(Some("A preference, or a stored profile."))
            .examples([json!({"concise": 1.0, "harmless": 0.5}), json!({"profile": "alice", "concise": 1.0})])
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(name: &str, weights: &[(&str, f64)]) -> PreferenceChoice {
        let weights = weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
        PreferenceChoice::Profile(NamedProfile { name: name.to_owned(), weights })
    }

    #[test]
    fn a_profile_is_named_alone_or_with_weights() {
        let read = |text: &str| serde_json::from_str::<PreferenceChoice>(text);
        let json = [r#"{"profile":"alice"}"#, r#"{"profile":"alice","concise":1.0}"#];
        let choices = [profile("alice", &[]), profile("alice", &[("concise", 1.0)])];
        for (text, choice) in json.into_iter().zip(choices) {
            assert_eq!(read(text).expect("a choice"), choice);
            assert_eq!(serde_json::to_string(&choice).expect("JSON"), text);
            let quoted = serde_json::to_string(text).expect("JSON");
            assert_eq!(read(&quoted).expect("a choice"), choice, "as a string");
        }
        for wrong in [r#"{"profile": 1}"#, r#"{"profile": null}"#, r#"{"profile": "a", "profile": "b"}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn text_names_a_profile_as_well() {
        let read = |text: &str| PreferenceChoice::from_text(text).expect("a choice");
        assert_eq!(read("profile=alice"), profile("alice", &[]));
        assert_eq!(read("concise=1, profile = a@example.org"), profile("a@example.org", &[("concise", 1.0)]));
        assert_eq!(read(r#"{"profile": "a, b"}"#), profile("a, b", &[]));
        assert!(PreferenceChoice::from_text("profile=a,profile=b").is_err());
    }

    #[test]
    fn what_must_be_a_preference_is_no_profile() {
        let error = serde_json::from_str::<Preference>(r#"{"profile": "alice"}"#).expect_err("refused").to_string();
        assert!(error.contains("the profile `alice`"), "{error}");
        assert!(Preference::from_text("profile=alice").is_err());
        assert!(Preference::from_value(&json!({"profile": "alice"})).is_err());
    }
}
