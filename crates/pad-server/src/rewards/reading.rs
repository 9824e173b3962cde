//! A given answer that is read: through its lanes, in one pass.

use std::sync::Arc;

use pad_decode::Term;
use pad_engine::{LaneSpec, ScoreRequest, Scored, Tenant};
use pad_reward::LanePlan;
use pad_text::Chat;

use super::worth::Worth;
use crate::state::{AppState, Shared};
use crate::{ApiError, lanes};

/// An answer, and the lanes that read it.
pub(super) struct Reading {
    lanes: Vec<LaneSpec>,
    answer: Arc<[u32]>,
    terms: Vec<Term>,
    names: Vec<String>,
}

/// The tokens of an answer; with the end of its turn if it is complete.
///
/// # Errors
/// 400 if the vocabulary cannot spell the text.
pub(super) fn answer_tokens(chat: &Chat, text: &str, complete: bool) -> Result<Vec<u32>, ApiError> {
    let mut tokens = chat.encode_text(text)?;
    tokens.extend(chat.end_of_turn().filter(|_| complete));
    Ok(tokens)
}

impl Reading {
    /// An answer that is to be read by the lanes of this plan.
    ///
    /// # Errors
    /// 500 where the plan needs weights that the reward model is not loaded with.
    pub(super) fn new(state: &AppState, plan: LanePlan, answer: Arc<[u32]>) -> Result<Self, ApiError> {
        let LanePlan { base, lanes, dimensions: names, terms } = plan;
        Ok(Self { lanes: lanes::specs(state.reward.as_ref(), base, lanes)?, answer, terms, names })
    }

    /// Lanes beside the base lane.
    pub(super) fn reward_lanes(&self) -> usize {
        self.lanes.len().saturating_sub(1)
    }

    /// Tokens of the base lane: the prompt and the answer.
    pub(super) fn tokens(&self) -> usize {
        self.lanes.first().map_or(0, |base| base.prompt.len()) + self.answer.len()
    }

    /// Rows that it takes, all lanes together.
    pub(super) fn rows(&self) -> u64 {
        self.lanes.iter().map(|lane| (lane.prompt.len() + self.answer.len()) as u64).sum()
    }

    /// Read it. Returns what it is worth, and the prompt tokens that were cached. Dropping the future cancels the work.
    ///
    /// # Errors
    /// 400 if it does not fit, 429 where the queue has no place left.
    pub(super) async fn read(self, shared: &Shared, tenant: Tenant) -> Result<(Worth, usize), ApiError> {
        let tokens = self.tokens();
        let Self { lanes, answer, terms, names } = self;
        let request = ScoreRequest { lanes, answer: Arc::clone(&answer), top: 0, tenant };
        let Scored { scores, cached_tokens } = shared.state.engine.score(&request)?.result().await?;
        shared.metrics.admitted(tokens);
        Ok((Worth { scores, answer, terms, names }, cached_tokens))
    }
}
