//! The router: every route, and the layers around them.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;

use crate::lifecycle::Phase;
use crate::state::{AppState, Shared};
use crate::{
    ApiError, auth, chat, completions, docs, embeddings, error_shape, head, health, host_check, load_report, models,
    openapi, preferences, profiles, request_id, responses, rewards, server_info, tokens,
};

/// All routes over `state`.
pub fn app(state: AppState) -> Router {
    let shared = Arc::new(Shared::new(state));
    let for_key_holders = Router::new()
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/completions", post(completions::create))
        .route("/v1/embeddings", post(embeddings::create))
        .route("/v1/models", get(models::list))
        // The rest of the path: ids of models have slashes.
        .route("/v1/models/{*id}", get(models::get))
        .route("/v1/preferences", get(preferences::list))
        .route("/v1/preferences/profiles", get(profiles::list::list))
        .route("/v1/preferences/profiles/{name}", get(profiles::get).put(profiles::put).delete(profiles::delete))
        .route("/v1/preferences/profiles/{name}/elicit", post(profiles::elicit::create))
        .route("/v1/preferences/profiles/{name}/export", get(profiles::export::get))
        .route("/v1/preferences/profiles/{name}/feedback", post(profiles::feedback::create))
        .route("/v1/preferences/profiles/{name}/feedback/{id}", delete(profiles::feedback::undo))
        .route("/v1/responses", post(responses::create))
        .route("/v1/responses/{id}", get(responses::get).delete(responses::delete))
        .route("/v1/responses/{id}/input_items", get(responses::input_items::list))
        .route("/v1/rewards", post(rewards::create))
        .route("/v1/loads", get(server_info::loads))
        .route("/server_info", get(server_info::server))
        .route("/get_server_info", get(server_info::server))
        .route("/model_info", get(server_info::model))
        .route("/get_model_info", get(server_info::model))
        .route("/tokenizer_info", get(server_info::tokenizer))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
        .route("/openapi.json", get(openapi::serve))
        .merge(if shared.state.open_metrics { Router::new() } else { figures() })
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(route_not_found)
        .layer(from_fn_with_state(Arc::clone(&shared), auth::require_key));
    let page = if shared.state.page { pad_page::routes() } else { Router::new() };
    let for_everyone = Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/ping", get(health::ping))
        .route("/version", get(health::version))
        .route("/docs", get(docs::page))
        .merge(page)
        .merge(if shared.state.open_metrics { figures() } else { Router::new() })
        .method_not_allowed_fallback(method_not_allowed);
    layered(for_key_holders.merge(for_everyone), shared)
}

/// What monitoring and routers read.
fn figures() -> Router<Arc<Shared>> {
    Router::new().route("/metrics", get(health::metrics))
}

/// What every route has around it: a name, a count, and an answer even where a handler panics.
fn layered(routes: Router<Arc<Shared>>, shared: Arc<Shared>) -> Router {
    let origins = shared.state.origins.layer();
    routes
        .layer(from_fn_with_state(Arc::clone(&shared), interruptible))
        .layer(from_fn_with_state(Arc::clone(&shared), host_check::check))
        .layer(from_fn_with_state(Arc::clone(&shared), head::check))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(error_shape::shape))
        .layer(from_fn_with_state(Arc::clone(&shared), count_answer))
        .layer(from_fn_with_state(Arc::clone(&shared), load_report::report))
        // Browsers ask without a key whether they may ask with one.
        .layer(option_layer(origins))
        .layer(from_fn_with_state(Arc::clone(&shared), request_id::name_request))
        .with_state(shared)
}

async fn route_not_found(request: Request) -> ApiError {
    ApiError::route_not_found(request.uri().path())
}

async fn method_not_allowed(request: Request) -> ApiError {
    ApiError::method_not_allowed(request.method().as_str(), request.uri().path())
}

async fn count_answer(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    shared.metrics.answered(response.status().as_u16());
    response
}

/// Answer what is not answered when the time to do so is over. Streams, which have begun, see to it themselves.
async fn interruptible(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    tokio::select! {
        biased;
        response = next.run(request) => response,
        () = shared.state.lifecycle.reached(Phase::Interrupting) => ApiError::interrupted().into_response(),
    }
}

/// What a panic says may quote the request: it goes to the client no more than to the log.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    ApiError::internal("internal error").into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::tests::client;
    use crate::tests::model::Behaviour;
    use crate::tests::server::state;

    async fn faulty() {
        panic!("a secret");
    }

    #[tokio::test]
    async fn a_panic_answers_in_the_one_shape() {
        let shared = Arc::new(Shared::new(state(Behaviour::default())));
        let router = layered(Router::new().route("/", get(faulty)), shared);
        let answer = client::get(&router, "/").await;
        let error = answer.error();
        assert_eq!(
            (answer.status.as_u16(), &error["type"], &error["param"]),
            (500, &"server_error".into(), &Value::Null)
        );
        assert!(!answer.text.contains("secret"), "{}", answer.text);
        assert!(answer.headers.contains_key(request_id::HEADER), "it has a name");
    }
}
