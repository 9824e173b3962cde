//! `GET /health`, `GET /ready`, `GET /version`, `GET /metrics`: for those who run the server.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use pad_api::{EngineHealth, ErrorBody, Health, HealthStatus, KvBlocks, Readiness, ReadyStatus, Version};
use pad_engine::Status;
use pad_store::Store;

use crate::ApiError;
use crate::lifecycle::Phase;
use crate::state::Shared;

/// Report the server's health. Answers 200 as long as the process serves HTTP; no key is needed.
#[utoipa::path(
    get, path = "/health", tag = "Operation", operation_id = "health", security(()),
    responses((status = 200, description = "The server is alive; the engine's figures.", body = Health))
)]
pub(crate) async fn health(State(shared): State<Arc<Shared>>) -> Json<Health> {
    let engine = &shared.state.engine;
    let status = engine.status();
    Json(Health {
        status: word(&status, shared.state.lifecycle.phase()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: shared.state.model.id.clone(),
        engine: figures(&status, engine.limits().context as u64),
    })
}

/// Report whether requests are accepted. No key is needed.
#[utoipa::path(
    get, path = "/ready", tag = "Operation", operation_id = "ready", security(()),
    responses(
        (status = 200, description = "Requests are accepted. `status` is `degraded` while the database does not answer.", body = Readiness),
        (status = 503, description = "The server is draining, or its engine has stopped.", body = ErrorBody),
    )
)]
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Result<Json<Readiness>, ApiError> {
    match word(&shared.state.engine.status(), shared.state.lifecycle.phase()) {
        HealthStatus::Ok => Ok(Json(Readiness { ready: true, status: completeness(&shared) })),
        HealthStatus::Draining => Err(ApiError::draining()),
        HealthStatus::Dead => Err(ApiError::unavailable("engine_dead", "the engine has stopped")),
    }
}

/// The same as `GET /ready`, under the name that `SageMaker` and vLLM's clients use. No key is needed.
#[utoipa::path(
    get, path = "/ping", tag = "Operation", operation_id = "ping", security(()),
    responses(
        (status = 200, description = "Requests are accepted. `status` is `degraded` while the database does not answer.", body = Readiness),
        (status = 503, description = "The server is draining, or its engine has stopped.", body = ErrorBody),
    )
)]
pub(crate) async fn ping(shared: State<Arc<Shared>>) -> Result<Json<Readiness>, ApiError> {
    ready(shared).await
}

/// Report the server's version. No key is needed.
#[utoipa::path(
    get, path = "/version", tag = "Operation", operation_id = "version", security(()),
    responses((status = 200, description = "The version.", body = Version))
)]
pub(crate) async fn version() -> Json<Version> {
    Json(Version { version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// Report figures in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "Operation", operation_id = "metrics",
    responses((status = 200, description = "Prometheus' text format, version 0.0.4.", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let store_up = completeness(&shared) == ReadyStatus::Ok;
    let page = shared.metrics.page(&shared.state.engine.status(), store_up);
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], page)
}

/// Whether the database answers. A server whose database does not still generates text, and keeps its place among others.
fn completeness(shared: &Shared) -> ReadyStatus {
    match shared.state.store.as_ref().map(Store::health) {
        None | Some(pad_store::Health::Up) => ReadyStatus::Ok,
        Some(pad_store::Health::Down(_)) => ReadyStatus::Degraded,
    }
}

fn word(status: &Status, phase: Phase) -> HealthStatus {
    match (status.ready, status.draining || phase > Phase::Serving) {
        (false, _) => HealthStatus::Dead,
        (true, true) => HealthStatus::Draining,
        (true, false) => HealthStatus::Ok,
    }
}

fn figures(status: &Status, context: u64) -> EngineHealth {
    EngineHealth {
        running: status.running,
        waiting: status.waiting,
        kv_blocks: KvBlocks {
            used: status.kv_blocks_used,
            cached: status.kv_blocks_cached,
            total: status.kv_blocks_total,
        },
        context,
        steps: status.steps,
        tokens_generated: status.tokens_generated,
        tokens_steered: status.tokens_steered,
        tokens_prefilled: status.tokens_prefilled,
        tokens_cached: status.tokens_cached,
        reward_rows: status.reward_rows,
        finished: status.finished,
        cancelled: status.cancelled,
        preempted: status.preempted,
        failed: status.failed,
    }
}
