//! From prompts and a preference to the tokens of all lanes.

use std::sync::Arc;

use pad_reward::{LanePlan, PreferenceInput, Prompt, RewardError};
use pad_text::{Chat, TextError};

use super::guidance::Guidance;
use super::options::GenerationOptions;
use crate::preparation::prepare;
use crate::state::{AppState, Shared};
use crate::{ApiError, refusal};

/// Bytes of text, over all lanes, that are turned into tokens on the thread that serves the request.
///
/// This much takes about a millisecond, for which handing it to another thread does not pay. More would keep other requests of the same
/// thread waiting, and goes to a thread that may block.
const INLINE_BYTES: usize = 16 << 10;

/// The lanes of a request, for each of its prompts.
///
/// # Errors
/// 400 where the preference does not fit the reward model or the template refuses the messages.
pub(crate) async fn plan(shared: &Arc<Shared>, options: &GenerationOptions) -> Result<Vec<LanePlan>, ApiError> {
    let mut plans = conversations(shared, options).await?;
    if let Some(begun) = &options.begun {
        // Every lane has the answer's beginning behind its own prompt, as if it had generated it.
        if begun.len() <= INLINE_BYTES {
            begin(&shared.state, &mut plans, begun)?;
        } else {
            let (shared, begun) = (Arc::clone(shared), begun.to_owned());
            plans = prepare(move || begin(&shared.state, &mut plans, &begun).map(|()| plans)).await?;
        }
    }
    Ok(plans)
}

/// Puts an answer's beginning behind the prompts of all lanes. It is a client's text: none of its tokens is a control token.
fn begin(state: &AppState, plans: &mut [LanePlan], begun: &str) -> Result<(), TextError> {
    let tokens = state.chat.encode_text(begun)?;
    for plan in plans {
        plan.base.extend_from_slice(&tokens);
        for lane in &mut plan.lanes {
            let own = state.reward.as_ref().map(|reward| reward.model.begun(lane.kind.source, begun));
            lane.prompt.extend(own.transpose()?.flatten().as_ref().unwrap_or(&tokens));
        }
    }
    Ok(())
}

async fn conversations(shared: &Arc<Shared>, options: &GenerationOptions) -> Result<Vec<LanePlan>, ApiError> {
    let GenerationOptions { names, guidance, preference_source, .. } = *options;
    if shared.state.reward.is_none() {
        refuse_preference(&options.preference)?;
    }
    let refused = move |error: RewardError| match (error.param(), preference_source.param()) {
        (Some("preference"), place) if place != "preference" => ApiError::invalid(place, format!("`{place}`: {error}")),
        _ => refusal::reward(&error, names.prompt),
    };
    let lanes = 1 + reward_lanes(&shared.state, &options.preference);
    let bytes: usize = options.prompts.iter().map(Prompt::bytes).sum();
    let tools = Arc::clone(&options.form.tools);
    if tools.is_empty() && bytes.saturating_mul(lanes) <= INLINE_BYTES {
        let planned = lay_out(&shared.state, &shared.state.chat, &options.prompts, &options.preference, guidance);
        return planned.map_err(refused);
    }
    let (shared, prompts, preference) = (Arc::clone(shared), options.prompts.clone(), options.preference.clone());
    let chat = shared.state.chat.with_tools(tools);
    let lay_out = move || lay_out(&shared.state, &chat, &prompts, &preference, guidance).map_err(refused);
    prepare(lay_out).await
}

/// Upper bound on reward lanes, not counting the second lane of an `opposite` or `backbone` reference.
fn reward_lanes(state: &AppState, preference: &PreferenceInput) -> usize {
    let Some(reward) = &state.reward else { return 0 };
    match preference {
        PreferenceInput::Absent => reward.model.manifest().preference.len(),
        PreferenceInput::Named(weights) => weights.len(),
        PreferenceInput::Ordered(weights) => weights.iter().filter(|weight| **weight != 0.0).count(),
        PreferenceInput::Principle(_) => 1,
    }
}

fn lay_out(
    state: &AppState,
    chat: &Chat,
    prompts: &[Prompt],
    preference: &PreferenceInput,
    guidance: Guidance,
) -> Result<Vec<LanePlan>, RewardError> {
    let Some(reward) = &state.reward else {
        return prompts.iter().map(|prompt| Ok(LanePlan::base_alone(prompt.encode(chat)?))).collect();
    };
    let preference = reward.model.resolve(preference)?;
    prompts.iter().map(|prompt| reward.model.plan(chat, prompt, &preference, guidance.beta)).collect()
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
