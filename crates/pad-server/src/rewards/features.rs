//! The features of answers, which choices between them are learned from: each dimension's reward, summed over the tokens.

use std::sync::Arc;

use pad_reward::{Comparison, Dimension, Prompt};
use pad_text::Message;
use serde::{Deserialize, Serialize};

use super::reading::{Reading, answer_tokens};
use crate::ApiError;
use crate::auth::Caller;
use crate::preparation::prepare;
use crate::state::{AppState, Reward, Shared};

/// An answer to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GivenAnswer {
    pub(crate) text: String,
    /// Whether it ended by itself: its end is read, too.
    pub(crate) complete: bool,
}

/// The reward model whose dimensions are read.
///
/// # Errors
/// 400 if there is none, or one that reads all dimensions together.
pub(crate) fn reward_model(state: &AppState) -> Result<&Reward, ApiError> {
    let Some(reward) = &state.reward else {
        let message = "this server has no reward model, by which answers could be compared";
        return Err(ApiError::invalid_code("nothing_to_learn", message));
    };
    if reward.model.manifest().kind.reads_dimensions_apart() {
        return Ok(reward);
    }
    let message = "the reward model reads all dimensions together, so choices do not tell them apart";
    Err(ApiError::invalid_code("nothing_to_learn", message))
}

/// The features of answers to a conversation, `[answers][dimensions]` in the reward model's order. Each answer is read in one pass, one
/// after the other; the conversation, which they share, is computed once.
///
/// # Errors
/// 400 if a text is too long or empty, 429 where the queue or the caller has no place left.
pub(crate) async fn features(
    shared: &Arc<Shared>,
    caller: &Caller,
    conversation: &[Message],
    answers: &[GivenAnswer],
) -> Result<Vec<Vec<f64>>, ApiError> {
    let (asked, told, all) = (Arc::clone(shared), conversation.to_vec(), answers.to_vec());
    let readings = prepare(move || readings(&asked.state, told, &all)).await?;
    // All of them are charged before the first is read: a part of them is of no use.
    let mut grant = caller.acquire()?;
    grant.charge(readings.iter().map(Reading::rows).sum())?;
    let dimensions = reward_model(&shared.state)?.model.dimensions();
    let mut features = Vec::with_capacity(readings.len());
    for reading in readings {
        let (worth, _) = reading.read(shared, grant.tenant(None)).await?;
        let sums = worth.by_dimension();
        let of = |dimension: &Dimension| {
            let sum = sums.iter().find(|(name, _)| *name == dimension.name).map(|(_, sum)| *sum);
            sum.ok_or_else(|| ApiError::internal("the reward model leaves a dimension out"))
        };
        features.push(dimensions.iter().map(of).collect::<Result<_, _>>()?);
    }
    Ok(features)
}

/// The lanes read the conversation under every dimension, whatever the answer is: they are laid out once.
fn readings(state: &AppState, conversation: Vec<Message>, answers: &[GivenAnswer]) -> Result<Vec<Reading>, ApiError> {
    let reward = reward_model(state)?;
    let Comparison { plan, .. } = reward.model.compare(&state.chat, &Prompt::from(conversation), &[])?;
    let reading = |answer: &GivenAnswer| {
        let tokens = answer_tokens(&state.chat, &answer.text, answer.complete)?;
        if tokens.is_empty() {
            let message = "an answer is empty and not complete: there is nothing to compare";
            return Err(ApiError::invalid("complete", message));
        }
        Reading::new(state, plan.clone(), tokens.into())
    };
    answers.iter().map(reading).collect()
}
