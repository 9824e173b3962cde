//! How strongly a request is steered, and towards what.

use std::ops::RangeInclusive;

use pad_api::{CandidateLanes, PadOptions, Preference};
use pad_decode::{CANDIDATES, CandidateSource, GUIDE_TOKENS, Guards, LOOP_GUARD, MAX_KL, PLAUSIBILITY};
use pad_reward::{Manifest, PreferenceInput};

use super::range::{number, within};
use crate::ApiError;

/// Guidance strengths that a request may ask for.
pub(crate) const BETA: RangeInclusive<f64> = 0.0..=4.0;

/// How strongly a request is steered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Guidance {
    /// Guidance strength.
    pub(crate) beta: f32,
    /// Candidates at each step, of each lane that proposes some.
    pub(crate) candidates: usize,
    /// Which lanes propose candidates.
    pub(crate) candidate_source: CandidateSource,
    /// What holds it back.
    pub(crate) guards: Guards,
}

impl Guidance {
    /// Check what a request asks for; the rest is as the reward model has it.
    ///
    /// # Errors
    /// 400 naming the field that is wrong, its value and what is allowed.
    pub(super) fn check(pad: PadOptions, default: Self) -> Result<Self, ApiError> {
        let candidates = match pad.top_k {
            Some(given) => within("pad.top_k", usize::try_from(given).unwrap_or(usize::MAX), &CANDIDATES)?,
            None => default.candidates,
        };
        let candidate_source = match pad.candidates {
            None => default.candidate_source,
            Some(CandidateLanes::Base) => CandidateSource::Base,
            Some(CandidateLanes::Union) => CandidateSource::Union,
        };
        let guards = guards(&pad, default.guards)?;
        let beta = number("pad.beta", pad.beta, &BETA, default.beta)?;
        Ok(Self { beta, candidates, candidate_source, guards })
    }
}

impl Default for Guidance {
    /// Without a reward model: beta is unused; `candidates` is the `prompted` default.
    fn default() -> Self {
        Self { beta: 1.0, candidates: 40, candidate_source: CandidateSource::Base, guards: Guards::default() }
    }
}

impl From<&Manifest> for Guidance {
    /// A reward model's defaults.
    fn from(manifest: &Manifest) -> Self {
        let (candidates, candidate_source) = (manifest.top_k(), manifest.candidates.into());
        Self { beta: manifest.beta, candidates, candidate_source, guards: manifest.guards() }
    }
}

fn guards(pad: &PadOptions, default: Guards) -> Result<Guards, ApiError> {
    let tokens = |param, given: Option<u64>, allowed: &RangeInclusive<usize>, default| {
        let given = given.map(|given| usize::try_from(given).unwrap_or(usize::MAX));
        given.map_or(Ok(default), |given| within(param, given, allowed))
    };
    Ok(Guards {
        plausibility: number("pad.plausibility", pad.plausibility, &PLAUSIBILITY, default.plausibility)?,
        loop_guard: tokens("pad.loop_guard", pad.loop_guard, &LOOP_GUARD, default.loop_guard)?,
        max_kl: pad.max_kl.map_or(Ok(default.max_kl), |given| within("pad.max_kl", given, &MAX_KL))?,
        guide_tokens: tokens("pad.guide_tokens", pad.guide_tokens, &GUIDE_TOKENS, default.guide_tokens)?,
    })
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
