//! The input of scoring: the answer's tokens, and the lanes that read them for all preferences together.

use std::sync::Arc;

use pad_api::{Preference as Given, RewardsRequest, Role};
use pad_reward::{Comparison, LanePlan, Preference, Prompt, TermWeight};

use super::reading::answer_tokens;
use crate::ApiError;
use crate::conversation::conversation;
use crate::generation::guidance::preference_input;
use crate::state::AppState;

/// A request that was read.
pub(super) struct Question {
    /// The lanes of all preferences; its terms are the dimensions, whose weights are left out.
    pub(super) plan: LanePlan,
    /// The answer's tokens.
    pub(super) answer: Arc<[u32]>,
    /// Each preference as it was given, and its weights by term.
    pub(super) preferences: Vec<(Given, Vec<TermWeight>)>,
}

impl Question {
    /// Check a request and lay out its lanes.
    ///
    /// # Errors
    /// 400 naming the field that is wrong.
    pub(super) fn read(mut request: RewardsRequest, given: Vec<Given>, state: &AppState) -> Result<Self, ApiError> {
        let complete = request.complete.unwrap_or(true);
        let answer = match request.messages.pop() {
            Some(last) if last.role == Role::Assistant => last.content.map(pad_api::Content::into_text),
            _ => {
                return Err(ApiError::invalid(
                    "messages",
                    "the last message must be the assistant's answer that is to be scored",
                ));
            }
        };
        if request.messages.is_empty() {
            let message = "`messages` has only the answer; allowed: a conversation that ends with the answer";
            return Err(ApiError::invalid("messages", message));
        }
        let prompt = Prompt::from(conversation(request.messages)?);
        let tokens = answer_tokens(&state.chat, &answer.unwrap_or_default(), complete)?;
        if tokens.is_empty() {
            return Err(ApiError::invalid(
                "messages",
                "the answer is empty and not complete, so there is nothing to score",
            ));
        }
        let Some(reward) = &state.reward else {
            if !given.is_empty() {
                let message = "a preference is given, but this server has no reward model to score with";
                return Err(ApiError::invalid("preference", message));
            }
            let plan = LanePlan::base_alone(prompt.encode(&state.chat)?);
            return Ok(Self { plan, answer: tokens.into(), preferences: Vec::new() });
        };
        let resolve = |given: &Given| Ok(reward.model.resolve(&preference_input(Some(given.clone())))?);
        let resolved = given.iter().map(resolve).collect::<Result<Vec<Preference>, ApiError>>()?;
        let Comparison { plan, weights } = reward.model.compare(&state.chat, &prompt, &resolved)?;
        Ok(Self { plan, answer: tokens.into(), preferences: given.into_iter().zip(weights).collect() })
    }
}
