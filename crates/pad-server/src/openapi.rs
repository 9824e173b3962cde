//! The `OpenAPI` document: collected from the handlers and wire types, so that it cannot drift from them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use pad_api::{ChatRequest, CompletionRequest, ErrorBody, ItemOrder, PadOptions};
use pad_decode::{CANDIDATES, GUIDE_TOKENS, LOOP_GUARD};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Object, Schema};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};

use crate::state::{RequestLimits, Shared};
use crate::{
    chat, completions, docs, embeddings, health, models, preferences, profiles, responses, rewards, server_info, tokens,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "PAD Server",
        description = "Personalized decoding of language models over OpenAI's chat completions: a `preference` in the request \
            steers every token, and `pad.trace` tells why each was chosen.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "PAD Server")
    ),
    paths(
        chat::create, completions::create, responses::create, responses::get, responses::delete, responses::input_items::list, server_info::loads, server_info::server, server_info::model, server_info::tokenizer, models::list, models::get, preferences::list, profiles::list::list, profiles::get, profiles::put, profiles::delete, profiles::export::get, profiles::feedback::create, profiles::feedback::undo, profiles::elicit::create, rewards::create, embeddings::create, tokens::tokenize, tokens::detokenize,
        health::health, health::ready, health::version, health::ping, health::metrics, docs::page, serve
    ),
    components(schemas(ErrorBody, ItemOrder)),
    // The empty one first: a server without keys is open.
    security((), ("api_key" = [])),
    tags(
        (name = "Chat", description = "Steered chat completions."),
        (name = "Completions", description = "Steered completions of plain prompts."),
        (name = "Responses", description = "Steered answers in OpenAI's newer shape."),
        (name = "Embeddings", description = "Texts as vectors."),
        (name = "Models", description = "What is served."),
        (name = "Preferences", description = "What can be preferred, and what users prefer."),
        (name = "Tokens", description = "Text to tokens and back."),
        (name = "Operation", description = "Health, readiness, figures, this document.")
    ),
    modifiers(&BearerKey, &ErrorsOfEveryRoute)
)]
struct Document;

/// The `OpenAPI` document of all routes, with the limits of a server. Its order is fixed, so that its text can be compared.
pub fn openapi(limits: &RequestLimits) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let choices = limits.choices;
    limit(&mut document, &ChatRequest::name(), "n", |n| n.maximum = Some(choices.into()));
    limit(&mut document, &CompletionRequest::name(), "n", |n| n.maximum = Some(choices.into()));
    limit(&mut document, &ChatRequest::name(), "best_of", |n| n.maximum = Some(choices.into()));
    limit(&mut document, &CompletionRequest::name(), "best_of", |n| n.maximum = Some(choices.into()));
    limit(&mut document, &PadOptions::name(), "top_k", |top_k| {
        top_k.minimum = Some((*CANDIDATES.start()).into());
        top_k.maximum = Some((*CANDIDATES.end()).into());
    });
    for (name, allowed) in [("loop_guard", LOOP_GUARD), ("guide_tokens", GUIDE_TOKENS)] {
        limit(&mut document, &PadOptions::name(), name, |tokens| {
            tokens.minimum = Some((*allowed.start()).into());
            tokens.maximum = Some((*allowed.end()).into());
        });
    }
    document
}

/// Write a limit into the schema of a number, where its owner is no attribute of the wire type.
fn limit(document: &mut utoipa::openapi::OpenApi, name: &str, property: &str, write: impl FnOnce(&mut Object)) {
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    let Some(RefOr::T(Schema::Object(schema))) = schemas.and_then(|schemas| schemas.get_mut(name)) else { return };
    if let Some(RefOr::T(Schema::Object(number))) = schema.properties.get_mut(property) {
        write(number);
    }
}

/// Describe the API.
#[utoipa::path(
    get, path = "/openapi.json", tag = "Operation", operation_id = "openapi",
    responses((status = 200, description = "This document.", body = Object))
)]
pub(crate) async fn serve(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let write = || openapi(&shared.state.limits).to_pretty_json().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], shared.document.get_or_init(write).clone())
}

/// How to send a key.
struct BearerKey;

impl Modify for BearerKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("One of the server's API keys. If the server has none, it is open.".to_owned());
        document.components.get_or_insert_default().add_security_scheme("api_key", SecurityScheme::Http(bearer));
    }
}

/// Answers that every route can give.
struct ErrorsOfEveryRoute;

impl Modify for ErrorsOfEveryRoute {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten() {
                let open = operation.security.is_some();
                if !open {
                    add(operation, "401", "The API key is missing or unknown.");
                }
                add(operation, "403", "The host or the calling web page is not allowed.");
                if operation.request_body.is_some() {
                    add(operation, "408", "The body did not arrive in time.");
                    add(operation, "415", "The content type is not JSON, or the body is compressed.");
                }
                add(operation, "500", "An internal error.");
            }
        }
    }
}

fn add(operation: &mut Operation, status: &str, description: &str) {
    let schema = Ref::from_schema_name(ErrorBody::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response: Response =
        ResponseBuilder::new().description(description).content("application/json", content).build();
    operation.responses.responses.insert(status.to_owned(), RefOr::T(response));
}
