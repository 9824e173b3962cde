//! How strongly a request is steered, and towards what.

use std::ops::RangeInclusive;

use pad_api::{PadOptions, Preference};
use pad_decode::CANDIDATES;
use pad_reward::PreferenceInput;

use super::range::{number, within};
use crate::ApiError;
use crate::state::AppState;

/// Guidance strengths that a request may ask for.
pub(crate) const BETA: RangeInclusive<f64> = 0.0..=4.0;

/// How strongly a request is steered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Guidance {
    /// Guidance strength.
    pub(crate) beta: f32,
    /// Candidates at each step.
    pub(crate) top_k: usize,
}

impl Guidance {
    /// Check what a request asks for; the reward model has the defaults.
    ///
    /// # Errors
    /// 400 naming the field that is wrong, its value and what is allowed.
    pub(super) fn check(pad: PadOptions, state: &AppState) -> Result<Self, ApiError> {
        let (beta, top_k) = state.guidance();
        let top_k = match pad.top_k {
            Some(given) => within("pad.top_k", usize::try_from(given).unwrap_or(usize::MAX), &CANDIDATES)?,
            None => top_k,
        };
        Ok(Self { beta: number("pad.beta", pad.beta, &BETA, beta)?, top_k })
    }
}

/// A preference as the reward model takes it.
pub(crate) fn preference_input(given: Option<Preference>) -> PreferenceInput {
    match given {
        None => PreferenceInput::Absent,
        Some(Preference::Named(weights)) => PreferenceInput::Named(weights),
        Some(Preference::Ordered(weights)) => PreferenceInput::Ordered(weights),
        Some(Preference::Principle(principle)) => PreferenceInput::Principle(principle),
    }
}
