//! Prompts and a preference to the tokens of all lanes.

use std::sync::Arc;

use pad_reward::{LanePlan, PreferenceInput, Prompt};
use pad_text::Chat;

use super::options::GenerationOptions;
use crate::ApiError;
use crate::state::{AppState, Shared};

/// Bytes of text, over all lanes, that are turned into tokens on the thread that serves the request.
///
/// So much takes well under a millisecond or two, less than handing it over is worth. More would keep other requests of
/// the same thread waiting, and goes to a thread that may block.
const INLINE_BYTES: usize = 16 << 10;

/// The lanes of a request, for each of its prompts.
///
/// # Errors
/// 400 where the preference does not fit the reward model or the template refuses the messages.
pub(crate) async fn plan(shared: &Arc<Shared>, options: &GenerationOptions) -> Result<Vec<LanePlan>, ApiError> {
    let lanes = 1 + shared.state.reward.as_ref().map_or(0, |reward| reward.model.dimensions().len());
    let bytes: usize = options.prompts.iter().map(Prompt::bytes).sum();
    let tools = Arc::clone(&options.form.tools);
    if tools.is_empty() && bytes.saturating_mul(lanes) <= INLINE_BYTES {
        return lay_out(&shared.state, &shared.state.chat, &options.prompts, &options.preference, options.beta);
    }
    let (shared, prompts) = (Arc::clone(shared), options.prompts.clone());
    let (preference, beta) = (options.preference.clone(), options.beta);
    let chat = shared.state.chat.with_tools(tools);
    // Where the client goes away meanwhile, only this computation runs on; nothing was submitted yet.
    let planned = tokio::task::spawn_blocking(move || lay_out(&shared.state, &chat, &prompts, &preference, beta));
    planned.await.unwrap_or_else(|_| Err(ApiError::internal("the request could not be prepared")))
}

fn lay_out(
    state: &AppState,
    chat: &Chat,
    prompts: &[Prompt],
    preference: &PreferenceInput,
    beta: f32,
) -> Result<Vec<LanePlan>, ApiError> {
    let Some(reward) = &state.reward else {
        refuse_preference(preference)?;
        return prompts.iter().map(|prompt| base_alone(chat, prompt)).collect();
    };
    let preference = reward.model.resolve(preference)?;
    let lanes = |prompt| -> Result<LanePlan, ApiError> {
        if beta == 0.0 { base_alone(chat, prompt) } else { Ok(reward.model.plan(chat, prompt, &preference)?) }
    };
    prompts.iter().map(lanes).collect()
}

/// Without guidance there is the base lane only, and it reads the prompt as it came.
fn base_alone(chat: &Chat, prompt: &Prompt) -> Result<LanePlan, ApiError> {
    let base = prompt.encode(chat)?;
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
