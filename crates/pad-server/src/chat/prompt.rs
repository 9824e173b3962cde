//! Messages and a preference to the prompts of all lanes.

use std::sync::Arc;

use pad_reward::{LanePlan, PreferenceInput};
use pad_text::Message;

use super::options::ChatOptions;
use crate::ApiError;
use crate::state::{AppState, Shared};

/// Bytes of text, over all lanes, that are turned into tokens on the thread that serves the request.
///
/// So much takes well under a millisecond or two, less than handing it over is worth. More would keep other requests of
/// the same thread waiting, and goes to a thread that may block.
const INLINE_BYTES: usize = 16 << 10;

/// The lanes of a request.
///
/// # Errors
/// 400 where the preference does not fit the reward model or the template refuses the messages.
pub(crate) async fn plan(shared: &Arc<Shared>, options: &ChatOptions) -> Result<LanePlan, ApiError> {
    let lanes = 1 + shared.state.reward.as_ref().map_or(0, |reward| reward.model.dimensions().len());
    let bytes: usize = options.messages.iter().map(|message| message.content.len()).sum();
    if bytes.saturating_mul(lanes) <= INLINE_BYTES {
        return lay_out(&shared.state, &options.messages, &options.preference, options.beta);
    }
    let (shared, messages) = (Arc::clone(shared), options.messages.clone());
    let (preference, beta) = (options.preference.clone(), options.beta);
    // Where the client goes away meanwhile, only this computation runs on; nothing was submitted yet.
    let planned = tokio::task::spawn_blocking(move || lay_out(&shared.state, &messages, &preference, beta));
    planned.await.unwrap_or_else(|_| Err(ApiError::internal("the request could not be prepared")))
}

fn lay_out(
    state: &AppState,
    messages: &[Message],
    preference: &PreferenceInput,
    beta: f32,
) -> Result<LanePlan, ApiError> {
    let Some(reward) = &state.reward else {
        refuse_preference(preference)?;
        return base_alone(state, messages);
    };
    let preference = reward.model.resolve(preference)?;
    if beta == 0.0 {
        return base_alone(state, messages);
    }
    Ok(reward.model.plan(&state.chat, messages, &preference)?)
}

/// Without guidance there is the base lane only, and it reads the messages as they came.
fn base_alone(state: &AppState, messages: &[Message]) -> Result<LanePlan, ApiError> {
    let base = state.chat.encode(messages)?;
    Ok(LanePlan { base, lanes: Vec::new(), dimensions: Vec::new(), terms: Vec::new() })
}

fn refuse_preference(preference: &PreferenceInput) -> Result<(), ApiError> {
    let nothing_asked = match preference {
        PreferenceInput::Absent => true,
        PreferenceInput::Named(weights) => weights.is_empty(),
        PreferenceInput::Ordered(weights) => weights.is_empty(),
        PreferenceInput::Principle(_) => false,
    };
    if nothing_asked {
        return Ok(());
    }
    Err(ApiError::invalid("preference", "`preference` is given, but this server has no reward model to steer with"))
}
