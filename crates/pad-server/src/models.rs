//! `GET /v1/models`: the one model that is served.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use pad_api::{ErrorBody, Model, ModelList, ObjectKind};

use crate::ApiError;
use crate::state::{ModelCard, Shared};

/// List the served models.
#[utoipa::path(
    get, path = "/v1/models", tag = "Models", operation_id = "listModels",
    responses((status = 200, description = "The served models.", body = ModelList))
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Json<ModelList> {
    Json(ModelList { object: ObjectKind::List, data: vec![model(&shared.state.model)] })
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
    let card = &shared.state.model;
    card.check_name(Some(&id))?;
    Ok(Json(model(card)))
}

fn model(card: &ModelCard) -> Model {
    Model { id: card.id.clone(), object: ObjectKind::Model, created: card.created, owned_by: "pad".to_owned() }
}
