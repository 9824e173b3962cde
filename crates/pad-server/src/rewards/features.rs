//! The features of answers, which choices between them are learned from: each dimension's reward, summed over the tokens.

use std::sync::Arc;

use pad_engine::{ScoreRequest, Scored};
use pad_reward::{Comparison, LanePlan, Prompt};
use pad_text::Message;
use serde::{Deserialize, Serialize};

use super::worth::Worth;
use crate::auth::Caller;
use crate::state::{AppState, Reward, Shared};
use crate::{ApiError, lanes};

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
    let mut features = Vec::with_capacity(answers.len());
    for answer in answers {
        features.push(of_answer(shared, caller, conversation.to_vec(), answer.clone()).await?);
    }
    Ok(features)
}

async fn of_answer(
    shared: &Arc<Shared>,
    caller: &Caller,
    conversation: Vec<Message>,
    answer: GivenAnswer,
) -> Result<Vec<f64>, ApiError> {
    let mut grant = caller.acquire()?;
    let asked = Arc::clone(shared);
    let prepared = tokio::task::spawn_blocking(move || prepare(&asked.state, conversation, &answer)).await;
    let (plan, answer) = prepared.map_err(|_| ApiError::internal("the answer could not be prepared"))??;
    let lanes = lanes::specs(shared.state.reward.as_ref(), plan.base, plan.lanes)?;
    let prompt = lanes.first().map_or(0, |base| base.prompt.len()) + answer.len();
    grant.charge(lanes.iter().map(|lane| (lane.prompt.len() + answer.len()) as u64).sum())?;
    let request = ScoreRequest { lanes, answer: Arc::clone(&answer), top: 0, tenant: grant.tenant(None) };
    let Scored { scores, .. } = shared.state.engine.score(&request)?.result().await?;
    shared.metrics.admitted(prompt);
    let worth = Worth { scores, answer, terms: plan.terms, names: plan.dimensions };
    let sums = worth.by_dimension();
    let of = |name: &String| {
        let sum = sums.iter().find(|(known, _)| known == name).map(|(_, sum)| *sum);
        sum.ok_or_else(|| ApiError::internal("the reward model leaves a dimension out"))
    };
    reward_model(&shared.state)?.model.dimensions().iter().map(|dimension| of(&dimension.name)).collect()
}

fn prepare(
    state: &AppState,
    conversation: Vec<Message>,
    answer: &GivenAnswer,
) -> Result<(LanePlan, Arc<[u32]>), ApiError> {
    let mut tokens = state.chat.encode_text(&answer.text)?;
    tokens.extend(state.chat.end_of_turn().filter(|_| answer.complete));
    if tokens.is_empty() {
        let message = "an answer is empty and not complete: there is nothing to compare";
        return Err(ApiError::invalid("complete", message));
    }
    let reward = reward_model(state)?;
    let Comparison { plan, .. } = reward.model.compare(&state.chat, &Prompt::from(conversation), &[])?;
    Ok((plan, tokens.into()))
}
