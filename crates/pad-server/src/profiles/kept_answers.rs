//! Answers that were kept so that feedback can name them: stored responses and chat completions, and questions.

use std::time::Duration;

use pad_api::ResponseStatus;
use pad_store::{Document, Scope, StoreError};
use pad_text::Message;
use serde::{Deserialize, Serialize};

use crate::ApiError;
use crate::responses::stored;
use crate::rewards::features::GivenAnswer;
use crate::state::Shared;

/// What the store calls them.
const KIND: &str = "answers";

/// How ids of responses begin.
const RESPONSE: &str = "resp_";

/// Answers to one conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptAnswers {
    pub(crate) conversation: Vec<Message>,
    pub(crate) answers: Vec<GivenAnswer>,
    /// Their features, and the name of what these mean, if they were computed.
    pub(crate) features: Option<(String, Vec<Vec<f64>>)>,
}

impl KeptAnswers {
    /// Keep them under this id, as something about `person`.
    ///
    /// # Errors
    /// 404 if this server stores nothing, 503 if the database does not answer.
    pub(crate) async fn keep(
        &self,
        shared: &Shared,
        scope: &Scope,
        id: &str,
        person: Option<String>,
    ) -> Result<(), ApiError> {
        let body = serde_json::to_string(self).map_err(|error| ApiError::internal(error.to_string()))?;
        let lifetime: Duration = shared.state.limits.responses_kept;
        let document = Document { kind: KIND, id: id.to_owned(), person, body, lifetime };
        if shared.store()?.keep(scope, document).await? {
            return Ok(());
        }
        Err(ApiError::unavailable(
            "store_full",
            "the store has no room for answers: `store.max_responses` or `store.responses_size`",
        ))
    }

    /// The answers of this id.
    ///
    /// # Errors
    /// 404 if there are none of this scope, 503 if the database does not answer.
    pub(crate) async fn find(shared: &Shared, scope: &Scope, id: &str) -> Result<Self, ApiError> {
        if id.starts_with(RESPONSE) {
            let found = stored::find(shared, scope, id).await.map_err(|error| error.about("id"))?;
            return of_conversation(found.conversation, found.response.status == ResponseStatus::Completed);
        }
        let found = shared.store()?.document(scope, KIND, id).await?;
        let found = found.ok_or_else(|| ApiError::answers_not_found(id))?;
        Ok(serde_json::from_str(&found.body).map_err(StoreError::from)?)
    }
}

/// The last message is the answer.
fn of_conversation(mut conversation: Vec<Message>, complete: bool) -> Result<KeptAnswers, ApiError> {
    let last = conversation.pop().filter(|_| !conversation.is_empty());
    let Some(last) = last.filter(|last| last.role == "assistant" && !last.content.is_empty()) else {
        return Err(ApiError::invalid("id", "the response has no text that could be compared"));
    };
    let answers = vec![GivenAnswer { text: last.content, complete }];
    Ok(KeptAnswers { conversation, answers, features: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_response_is_the_end_of_its_conversation() {
        let said = |role: &str, content: &str| Message::new(role, content.to_owned());
        let kept = of_conversation(vec![said("user", "a"), said("assistant", "b")], true).expect("an answer");
        assert_eq!(kept.conversation, [said("user", "a")]);
        assert_eq!(kept.answers, [GivenAnswer { text: "b".to_owned(), complete: true }]);
        for wrong in [vec![], vec![said("assistant", "b")], vec![said("user", "a"), said("assistant", "")]] {
            assert!(of_conversation(wrong, true).is_err());
        }
    }
}
