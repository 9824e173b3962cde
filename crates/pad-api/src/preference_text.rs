//! A preference written as text: in a string of the body, in a header, in the metadata, in the settings.

use serde::Deserialize;
use serde_json::Value;

use crate::preference_choice::PROFILE;
use crate::{NamedProfile, Preference, PreferenceChoice};

impl PreferenceChoice {
    /// A string in the place of a preference: a JSON object or array where it looks like one, else a principle in plain words.
    ///
    /// # Errors
    /// Where it begins (and, for an array, ends) as JSON and is none, or holds something else than weights.
    pub(crate) fn of_string(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let array = trimmed.starts_with('[') && trimmed.ends_with(']');
        if !array && !trimmed.starts_with('{') {
            return Ok(Preference::Principle(text.to_owned()).into());
        }
        let wrong = |error: serde_json::Error| {
            let error = error.to_string();
            let reason = error.split(" at line ").next().unwrap_or(&error);
            format!("the text starts as JSON but is not an object or an array of weights: {reason}")
        };
        // Through the typed reader: a dimension that is given twice is seen there only.
        let mut json = serde_json::Deserializer::from_str(trimmed);
        let preference = Self::deserialize(&mut json).map_err(wrong)?;
        json.end().map_err(wrong)?;
        Ok(preference)
    }

    /// A choice outside of a JSON body: a JSON object or array, weights as in `concise=1,cheerful=-0.5`, `profile=alice` alone or
    /// among weights, or a principle in plain words.
    ///
    /// # Errors
    /// If it starts as JSON but is not a preference, or if all parts name a dimension and one of them has no number.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let parts: Vec<(&str, &str)> = text.split(',').map_while(assignment).collect();
        if parts.is_empty() || parts.len() < text.split(',').count() {
            return Self::of_string(text.trim());
        }
        let mut profile = None;
        let mut weights: Vec<(String, f64)> = Vec::with_capacity(parts.len());
        for (name, value) in parts {
            if name == PROFILE {
                if profile.replace(value).is_some() {
                    return Err("`profile` is given twice".to_owned());
                }
                continue;
            }
            let weight: f64 = value.parse().ok().filter(|weight: &f64| weight.is_finite()).ok_or_else(|| {
                format!("the weight of `{name}` is `{value}`; allowed: a number, as in `concise=1,cheerful=-0.5`")
            })?;
            if weights.iter().any(|(known, _)| known == name) {
                return Err(format!("dimension `{name}` is given twice"));
            }
            weights.push((name.to_owned(), weight));
        }
        Ok(match profile {
            Some(name) => Self::Profile(NamedProfile { name: name.to_owned(), weights }),
            None => Preference::Named(weights).into(),
        })
    }

    /// A choice as a value of metadata: as in a body, strings as in a header.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Self::from_text(text),
            other => Self::deserialize(other).map_err(|error| error.to_string()),
        }
    }
}

impl Preference {
    /// The same where a profile cannot be named, as in settings.
    ///
    /// # Errors
    /// As [`PreferenceChoice::from_text`], and if it names a profile.
    pub fn from_text(text: &str) -> Result<Self, String> {
        PreferenceChoice::from_text(text)?.own()
    }

    /// The same for a value.
    ///
    /// # Errors
    /// As [`PreferenceChoice::from_value`], and if it names a profile.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        PreferenceChoice::from_value(value)?.own()
    }
}

/// `name=number`, whose name is one word.
fn assignment(part: &str) -> Option<(&str, &str)> {
    let (name, number) = part.split_once('=')?;
    let (name, number) = (name.trim(), number.trim());
    let word = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "{}[]\"".contains(c));
    word.then_some((name, number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ChatRequest, from_slice};

    fn named(weights: &[(&str, f64)]) -> Preference {
        Preference::Named(weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect())
    }

    #[test]
    fn a_string_of_json_is_json() {
        let body = |preference: &str| {
            let body = json!({"messages": [], "preference": preference}).to_string();
            from_slice::<ChatRequest>(body.as_bytes())
                .map(|parsed| parsed.value.preference.map(|given| given.own().expect("in full")))
        };
        assert_eq!(body(r#"{"concise": 2}"#), Ok(Some(named(&[("concise", 2.0)]))));
        assert_eq!(body(" [1, -0.5] "), Ok(Some(Preference::Ordered(vec![1.0, -0.5]))));
        assert_eq!(body("[Be kind] and brief"), Ok(Some(Preference::Principle("[Be kind] and brief".to_owned()))));
        for wrong in [r#"{"concise": 2"#, r#"{"concise": "much"}"#, "[true]", r#"{"a": 1, "a": 2}"#, "{} {}"] {
            let error = body(wrong).expect_err("refused");
            assert_eq!(error.param.as_deref(), Some("preference"), "{}", error.message);
            assert!(error.message.contains("starts as JSON"), "{}", error.message);
        }
    }

    #[test]
    fn three_ways_to_write_it_in_a_header() {
        let read = |text: &str| Preference::from_text(text);
        assert_eq!(read("concise=1, cheerful=-0.5"), Ok(named(&[("concise", 1.0), ("cheerful", -0.5)])));
        assert_eq!(read(r#"{"concise": 1}"#), Ok(named(&[("concise", 1.0)])));
        assert_eq!(read("[0, 1]"), Ok(Preference::Ordered(vec![0.0, 1.0])));
        for words in ["answer like a pirate", "use a=b, and be kind", "kind"] {
            assert_eq!(read(words), Ok(Preference::Principle(words.to_owned())));
        }
        assert!(read("concise=much").expect_err("no number").contains("`much`"));
        assert!(read("concise=inf").is_err() && read("a=1,a=2").expect_err("twice").contains("twice"));
    }

    #[test]
    fn a_value_of_settings_is_a_preference() {
        assert_eq!(Preference::from_value(&json!({"concise": 1})), Ok(named(&[("concise", 1.0)])));
        assert_eq!(Preference::from_value(&json!("concise=1")), Ok(named(&[("concise", 1.0)])));
        assert!(Preference::from_value(&json!(5)).is_err());
    }
}
