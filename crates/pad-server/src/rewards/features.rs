//! The features of answers, which choices between them are learned from: each dimension's reward, summed over the tokens.

use std::sync::Arc;

use pad_decode::Term;
use pad_engine::{LaneSpec, ScoreRequest, Scored, Tenant};
use pad_reward::{Comparison, LanePlan, Prompt};
use pad_text::Message;
use serde::{Deserialize, Serialize};

use super::worth::Worth;
use crate::auth::Caller;
use crate::preparation::prepare;
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
    let (asked, told, all) = (Arc::clone(shared), conversation.to_vec(), answers.to_vec());
    let plans = prepare(move || plans(&asked.state, &told, &all)).await?;
    let mut readings = Vec::with_capacity(plans.len());
    for (plan, answer) in plans {
        let lanes = lanes::specs(shared.state.reward.as_ref(), plan.base, plan.lanes)?;
        readings.push(Reading { lanes, answer, terms: plan.terms, names: plan.dimensions });
    }
    // All of them are charged before the first is read: a part of them is of no use.
    let mut grant = caller.acquire()?;
    grant.charge(readings.iter().map(Reading::rows).sum())?;
    let mut features = Vec::with_capacity(readings.len());
    for reading in readings {
        features.push(reading.features(shared, grant.tenant(None)).await?);
    }
    Ok(features)
}

/// An answer that is to be read.
struct Reading {
    lanes: Vec<LaneSpec>,
    answer: Arc<[u32]>,
    terms: Vec<Term>,
    names: Vec<String>,
}

impl Reading {
    /// Rows of the prompt and the answer, all lanes together.
    fn rows(&self) -> u64 {
        self.lanes.iter().map(|lane| (lane.prompt.len() + self.answer.len()) as u64).sum()
    }

    async fn features(self, shared: &Shared, tenant: Tenant) -> Result<Vec<f64>, ApiError> {
        let Self { lanes, answer, terms, names } = self;
        let prompt = lanes.first().map_or(0, |base| base.prompt.len()) + answer.len();
        let request = ScoreRequest { lanes, answer: Arc::clone(&answer), top: 0, tenant };
        let Scored { scores, .. } = shared.state.engine.score(&request)?.result().await?;
        shared.metrics.admitted(prompt);
        let sums = Worth { scores, answer, terms, names }.by_dimension();
        let of = |name: &String| {
            let sum = sums.iter().find(|(known, _)| known == name).map(|(_, sum)| *sum);
            sum.ok_or_else(|| ApiError::internal("the reward model leaves a dimension out"))
        };
        reward_model(&shared.state)?.model.dimensions().iter().map(|dimension| of(&dimension.name)).collect()
    }
}

/// The lanes that read an answer, and its tokens.
type Planned = (LanePlan, Arc<[u32]>);

fn plans(state: &AppState, conversation: &[Message], answers: &[GivenAnswer]) -> Result<Vec<Planned>, ApiError> {
    answers.iter().map(|answer| plan(state, conversation.to_vec(), answer)).collect()
}

fn plan(
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
