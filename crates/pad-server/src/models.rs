//! `GET /v1/models`: the one model that is served, and its presets.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use pad_api::{ErrorBody, Model, ModelList, ObjectKind};

use crate::state::Shared;
use crate::{ApiError, Preset};

/// List the served models.
#[utoipa::path(
    get, path = "/v1/models", tag = "Models", operation_id = "listModels",
    responses((status = 200, description = "The served models.", body = ModelList))
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Json<ModelList> {
    Json(ModelList { object: ObjectKind::List, data: models(&shared).collect() })
}

/// Describe a model, by its id or an alias.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "Models", operation_id = "getModel",
    params(("id" = String, Path, description = "The model's id; it may have slashes.")),
    responses(
        (status = 200, description = "The model.", body = Model),
        (status = 404, description = "No such model.", body = ErrorBody),
    )
)]
pub(crate) async fn get(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Model>, ApiError> {
    shared.state.model.check_name(Some(&id))?;
    let preset = models(&shared).find(|model| model.id == id);
    preset.or_else(|| models(&shared).next()).map(Json).ok_or_else(|| ApiError::internal("no model is served"))
}

/// The model, then its presets.
fn models(shared: &Shared) -> impl Iterator<Item = Model> {
    let card = &shared.state.model;
    let served = Model {
        id: card.id.clone(),
        object: ObjectKind::Model,
        created: card.created,
        owned_by: "pad".to_owned(),
        max_model_len: shared.state.engine.limits().context as u64,
        family: card.family.clone(),
        format: card.format.clone(),
        parent: None,
        preference: None,
    };
    let preset = |preset: &Preset| Model {
        id: preset.name.clone(),
        parent: Some(card.id.clone()),
        preference: Some(preset.preference.clone()),
        ..served.clone()
    };
    let presets: Vec<Model> = card.presets.iter().map(preset).collect();
    std::iter::once(served).chain(presets)
}
