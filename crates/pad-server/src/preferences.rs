//! `GET /v1/preferences`: the dimensions and weights that a request may use.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use pad_api::{DimensionInfo, GuidanceDefaults, NumberRange, ObjectKind, PreferenceList, TopKRange};
use pad_decode::CANDIDATES;
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
    let Guidance { beta, candidates, .. } = state.guidance();
    PreferenceList {
        object: ObjectKind::List,
        kind: manifest.map_or("none", |manifest| manifest.kind.name()).to_owned(),
        learns: state.store.is_some() && reward_model(state).is_ok(),
        data: manifest.map(dimensions).unwrap_or_default(),
        default: manifest.map(default_weights).unwrap_or_default(),
        beta: GuidanceDefaults { default: f64::from(beta), minimum: *BETA.start(), maximum: *BETA.end() },
        top_k: TopKRange {
            default: candidates as u64,
            minimum: *CANDIDATES.start() as u64,
            maximum: *CANDIDATES.end() as u64,
        },
    }
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
