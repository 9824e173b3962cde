//! `/v1/preferences/profiles/{name}/feedback`: what a user preferred among answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::object::objects;
use crate::{ChatMessage, ObjectKind};

/// What a user preferred: one answer to others, a stored answer or not, or an edited text to the answer that was edited.
///
/// Either `messages`, `chosen` and `rejected`, or `id` with `thumb` or `edited`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({
    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
    "chosen": "Air scatters blue light most.",
    "rejected": "The sky is blue for many reasons, and each of them deserves to be explained at length."
}))]
pub struct FeedbackRequest {
    /// The conversation that was answered.
    #[schema(min_items = 1)]
    pub messages: Option<Vec<ChatMessage>>,
    /// The answer that was preferred.
    pub chosen: Option<String>,
    /// The answer, or the answers, that it was preferred to: 15 at most.
    pub rejected: Option<RejectedAnswers>,
    /// Whether these answers are complete: then their ends are scored as well. Default: true.
    pub complete: Option<bool>,
    /// A stored response, a chat completion that was stored (`store`), or a question of `elicit`.
    pub id: Option<String>,
    /// The answer that `thumb` or `edited` is about, counted from 0. Default: 0.
    pub index: Option<u64>,
    /// `up`: it is better than the other answers of `id`, or good if there are none; `down`: it is worse, or bad.
    pub thumb: Option<Thumb>,
    /// What the user made of the answer, which is preferred to it.
    pub edited: Option<String>,
}

objects! {
    FeedbackRequest: "an object with `messages`, `chosen` and `rejected`, or with `id`",
}

/// One answer or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a string or an array of strings")]
pub enum RejectedAnswers {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl RejectedAnswers {
    /// As a list.
    pub fn into_list(self) -> Vec<String> {
        match self {
            Self::One(answer) => vec![answer],
            Self::Several(answers) => answers,
        }
    }
}

/// Approval or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Thumb {
    /// Approval.
    Up,
    /// Disapproval.
    Down,
}

/// Feedback that was stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"object": "preference_profile.feedback", "id": "19b2f3a4c00-7", "profile": "alice", "expected": 0.62, "choices": 7}))]
pub struct Feedback {
    /// Always `preference_profile.feedback`.
    pub object: ObjectKind,
    /// Names it among those of the profile; `DELETE` undoes it.
    pub id: String,
    /// The profile's name.
    pub profile: String,
    /// The probability that the user would decide so, as far as the choices before told; null for a choice among more than two answers,
    /// and for a single answer.
    #[schema(required)]
    pub expected: Option<f64>,
    /// How many choices the profile rests on now.
    pub choices: u64,
}

/// Feedback that was undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UndoneFeedback {
    /// Always `preference_profile.feedback`.
    pub object: ObjectKind,
    /// Its id.
    pub id: String,
    /// Always true.
    pub deleted: bool,
    /// How many choices the profile rests on now.
    pub choices: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_slice;

    #[test]
    fn one_answer_or_several_are_rejected() {
        let read = |rejected: &str| {
            let body = format!(r#"{{"messages": [], "chosen": "a", "rejected": {rejected}}}"#);
            from_slice::<FeedbackRequest>(body.as_bytes())
                .map(|parsed| parsed.value.rejected.expect("some").into_list())
        };
        assert_eq!(read(r#""b""#), Ok(vec!["b".to_owned()]));
        assert_eq!(read(r#"["b", "c"]"#), Ok(vec!["b".to_owned(), "c".to_owned()]));
        let error = read("5").expect_err("refused");
        assert_eq!(error.param.as_deref(), Some("rejected"));
        assert!(error.message.contains("a string or an array of strings"), "{}", error.message);
    }
}
