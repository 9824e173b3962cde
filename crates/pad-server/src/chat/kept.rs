//! Answers of a chat completion that are stored, so that feedback can name them.

use std::sync::Arc;

use pad_store::Scope;
use pad_text::Message;

use crate::generation::reader::AnswerPart;
use crate::profiles::kept_answers::KeptAnswers;
use crate::rewards::features::GivenAnswer;
use crate::state::Shared;

/// Answers that are stored once they are complete.
pub(super) struct AnswersToKeep {
    shared: Arc<Shared>,
    scope: Scope,
    /// Whom they are about: with this profile they are exported and deleted.
    person: Option<String>,
    conversation: Vec<Message>,
    pub(super) answers: Vec<GivenAnswer>,
}

impl AnswersToKeep {
    /// None yet.
    pub(super) fn new(shared: Arc<Shared>, scope: Scope, person: Option<String>, conversation: Vec<Message>) -> Self {
        Self { shared, scope, person, conversation, answers: Vec::new() }
    }

    /// More of the answer `index`.
    pub(super) fn add(&mut self, index: usize, part: &AnswerPart) {
        while self.answers.len() <= index {
            self.answers.push(GivenAnswer { text: String::new(), complete: false });
        }
        let answer = &mut self.answers[index];
        answer.text.push_str(&part.text);
        answer.complete |= part.end.is_some_and(|end| end.natural);
    }

    /// Store them under the completion's id. A database that does not answer loses no answer that was generated.
    pub(super) async fn keep(&mut self, id: &str) {
        let (conversation, answers) = (std::mem::take(&mut self.conversation), std::mem::take(&mut self.answers));
        let kept = KeptAnswers { conversation, answers, features: None };
        if let Err(error) = kept.keep(&self.shared, &self.scope, id, self.person.take()).await {
            tracing::warn!(error = error.body().error.message, "the answers of a chat completion are not stored");
        }
    }
}
