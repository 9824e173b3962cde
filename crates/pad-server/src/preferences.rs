//! `GET /v1/preferences`: the dimensions and weights that a request may use.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use pad_api::{
    CandidateLanes, CountDefaults, DimensionInfo, GuardDefaults, GuidanceDefaults, NumberRange, ObjectKind,
    PreferenceList,
};
use pad_decode::{CANDIDATES, CandidateSource, GUIDE_TOKENS, Guards, LOOP_GUARD, MAX_KL, PLAUSIBILITY};
use pad_reward::Manifest;

use crate::generation::guidance::{BETA, Guidance};
use crate::rewards::features::reward_model;
use crate::state::{AppState, Shared};

/// List the dimensions of `preference`, with the ranges and defaults of guidance.
#[utoipa::path(
    get, path = "/v1/preferences", tag = "Preferences", operation_id = "listPreferences",
    responses((status = 200, description = "The reward model's dimensions, in the order of a preference's array form.",
        body = PreferenceList))
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Json<PreferenceList> {
    Json(describe(&shared.state))
}

fn describe(state: &AppState) -> PreferenceList {
    let manifest = state.reward.as_ref().map(|reward| reward.model.manifest());
    let Guidance { beta, candidates, candidate_source, guards } = state.guidance();
    PreferenceList {
        object: ObjectKind::List,
        kind: manifest.map_or("none", |manifest| manifest.kind.name()).to_owned(),
        learns: state.store.is_some() && reward_model(state).is_ok(),
        data: manifest.map(dimensions).unwrap_or_default(),
        default: manifest.map(default_weights).unwrap_or_default(),
        beta: number(decimal(beta), &BETA),
        top_k: count(candidates, &CANDIDATES),
        candidates: match candidate_source {
            CandidateSource::Base => CandidateLanes::Base,
            CandidateSource::Union => CandidateLanes::Union,
        },
        guards: Some(guard_defaults(guards)),
    }
}

fn guard_defaults(Guards { plausibility, loop_guard, max_kl, guide_tokens }: Guards) -> GuardDefaults {
    GuardDefaults {
        plausibility: number(decimal(plausibility), &PLAUSIBILITY),
        loop_guard: count(loop_guard, &LOOP_GUARD),
        // JSON has no infinity: the upper end of the range is no limit either.
        max_kl: number(max_kl.min(*MAX_KL.end()), &MAX_KL),
        guide_tokens: count(guide_tokens, &GUIDE_TOKENS),
    }
}

fn number(default: f64, allowed: &RangeInclusive<f64>) -> GuidanceDefaults {
    GuidanceDefaults { default, minimum: *allowed.start(), maximum: *allowed.end() }
}

/// The number that was written: 0.1, and not the nearest one of half the precision.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

fn count(default: usize, allowed: &RangeInclusive<usize>) -> CountDefaults {
    CountDefaults { default: default as u64, minimum: *allowed.start() as u64, maximum: *allowed.end() as u64 }
}

fn dimensions(manifest: &Manifest) -> Vec<DimensionInfo> {
    let range = |[minimum, maximum]: [f64; 2]| NumberRange { minimum, maximum };
    let weight = range(manifest.weight_range);
    let dimension = |dimension: &pad_reward::Dimension| {
        let recommended = dimension.recommended_within(manifest.weight_range).map(range);
        DimensionInfo {
            name: dimension.name.clone(),
            description: dimension.description.clone(),
            principle: dimension.principle.clone(),
            opposite: dimension.opposite.clone(),
            weight,
            recommended,
            strong: recommended.map(|recommended| weight.beyond(recommended)).unwrap_or_default(),
        }
    };
    manifest.dimensions.iter().map(dimension).collect()
}

/// Every dimension's weight where a request gives no preference.
fn default_weights(manifest: &Manifest) -> BTreeMap<String, f64> {
    let weight = |name: &String| manifest.preference.get(name).copied().unwrap_or(0.0);
    manifest.dimensions.iter().map(|dimension| (dimension.name.clone(), weight(&dimension.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_told_as_they_were_written() {
        let guards = Guards { plausibility: 0.01, loop_guard: 3, max_kl: 0.5, guide_tokens: 40 };
        let told = guard_defaults(guards);
        assert_eq!((told.plausibility.default, told.loop_guard.default), (0.01, 3));
        assert_eq!((told.max_kl.default, told.guide_tokens.default), (0.5, 40));
    }
}
