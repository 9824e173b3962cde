//! `If-Match` and `If-None-Match` (RFC 9110, section 13.1), by which clients change and read what they have seen.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use pad_store::{Expected, Profile, Stamp};

use crate::ApiError;

/// The entity tag of a profile's state.
pub(super) fn tag(stamp: Stamp) -> HeaderValue {
    HeaderValue::try_from(format!("\"{stamp}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// What a change expects of the profile, which now is `current`.
///
/// # Errors
/// 412 if that is not so already, 400 if the headers cannot be read or are both given.
pub(super) fn expected(headers: &HeaderMap, current: Option<&Profile>) -> Result<Expected, ApiError> {
    let (matching, none_matching) = (tags(headers, &header::IF_MATCH)?, tags(headers, &header::IF_NONE_MATCH)?);
    match (matching, none_matching, current) {
        (None, None, _) => Ok(Expected::Anything),
        (Some(_), Some(_), _) => {
            Err(ApiError::invalid("if-match", "`if-match` and `if-none-match` are both given; allowed: one of them"))
        }
        (Some(Tags::Any), None, Some(_)) => Ok(Expected::Present),
        (Some(tags), None, Some(profile)) if tags.have(profile.stamp, Comparison::Strong) => {
            Ok(Expected::State(profile.stamp))
        }
        (None, Some(_), None) => Ok(Expected::Absent),
        (None, Some(tags), Some(profile)) if !tags.have(profile.stamp, Comparison::Weak) => {
            Ok(Expected::State(profile.stamp))
        }
        _ => Err(ApiError::profile_changed()),
    }
}

/// Whether the client that reads has this state already.
///
/// # Errors
/// 400 if the header cannot be read.
pub(super) fn is_known(headers: &HeaderMap, stamp: Stamp) -> Result<bool, ApiError> {
    Ok(tags(headers, &header::IF_NONE_MATCH)?.is_some_and(|tags| tags.have(stamp, Comparison::Weak)))
}

/// How tags are compared: a weak one stands for no certain state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// The tags of a header.
enum Tags {
    /// `*`
    Any,
    /// Each with whether it is weak.
    Listed(Vec<(bool, String)>),
}

impl Tags {
    fn have(&self, stamp: Stamp, comparison: Comparison) -> bool {
        let own = stamp.to_string();
        match self {
            Self::Any => true,
            Self::Listed(tags) => {
                tags.iter().any(|(weak, tag)| *tag == own && !(*weak && comparison == Comparison::Strong))
            }
        }
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, ApiError> {
    let mut listed = Vec::new();
    for value in headers.get_all(name) {
        let refused = || {
            let message = format!(
                "`{name}` cannot be read; allowed: entity tags such as \"1a2b-3\", with commas between them, or `*`"
            );
            ApiError::invalid(name.as_str(), message)
        };
        let text = value.to_str().map_err(|_| refused())?.trim();
        if text == "*" {
            return Ok(Some(Tags::Any));
        }
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (weak, quoted) = part.strip_prefix("W/").map_or((false, part), |quoted| (true, quoted));
            let tag = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(refused)?;
            listed.push((weak, tag.to_owned()));
        }
    }
    if listed.is_empty() && headers.contains_key(name) {
        return Err(ApiError::invalid(
            name.as_str(),
            format!("`{name}` is empty; allowed: entity tags, or no such header"),
        ));
    }
    Ok((!listed.is_empty()).then_some(Tags::Listed(listed)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const STAMP: Stamp = Stamp { created_at: 0x1a, version: 3 };

    type Given = &'static [(&'static str, &'static str)];
    type Outcome = Result<Expected, u16>;

    fn profile() -> Profile {
        Profile {
            name: "alice".to_owned(),
            stamp: STAMP,
            preference: json!({}),
            learned: None,
            choices: 0,
            updated_at: 0,
        }
    }

    fn headers(given: Given) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        given.iter().map(pair).collect()
    }

    #[test]
    fn changes_are_made_as_the_headers_say() {
        let of = |given: Given, profile: Option<&Profile>| {
            expected(&headers(given), profile).map_err(|error| error.status().as_u16())
        };
        let alice = profile();
        assert_eq!(tag(STAMP), "\"1a-3\"");
        let cases: [(Given, Outcome, Outcome); 9] = [
            (&[], Ok(Expected::Anything), Ok(Expected::Anything)),
            (&[("if-match", "*")], Ok(Expected::Present), Err(412)),
            (&[("if-match", "\"1a-3\"")], Ok(Expected::State(STAMP)), Err(412)),
            (&[("if-match", "\"1a-2\", \"1a-3\"")], Ok(Expected::State(STAMP)), Err(412)),
            (&[("if-match", "\"1a-2\"")], Err(412), Err(412)),
            (&[("if-match", "W/\"1a-3\"")], Err(412), Err(412)),
            (&[("if-match", "1a-3")], Err(400), Err(400)),
            (&[("if-none-match", "*")], Err(412), Ok(Expected::Absent)),
            (&[("if-none-match", "\"1a-2\"")], Ok(Expected::State(STAMP)), Ok(Expected::Absent)),
        ];
        for (given, there, absent) in cases {
            assert_eq!(of(given, Some(&alice)), there, "{given:?}");
            assert_eq!(of(given, None), absent, "{given:?}, and there is none");
        }
        assert_eq!(of(&[("if-match", "*"), ("if-none-match", "*")], None), Err(400));
    }

    #[test]
    fn what_a_reader_has_is_not_sent_again() {
        let known = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))]);
            is_known(&headers, STAMP).expect("it reads")
        };
        assert!(known("\"1a-3\"") && known("W/\"1a-3\"") && known("*") && known("\"x\", \"1a-3\""));
        assert!(!known("\"1a-2\"") && !is_known(&HeaderMap::new(), STAMP).expect("it reads"));
    }
}
