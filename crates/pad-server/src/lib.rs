//! The HTTP interface: OpenAI's API and the additions of PAD.
//!
//! [`app`] makes a router from an [`AppState`]; [`run`] serves it until a shutdown is requested and the running streams
//! have finished. `generation` describes the path of a request; small modules beside it hold everything else:
//! keys, errors (`refusal` maps those of the other crates), the body, request ids, models, preferences, tokens, health, metrics, spans.
//!
//! There are no tensors here, and no log line holds a prompt or a key.

mod api_request;
mod app;
mod auth;
mod body;
mod chat;
mod completions;
mod connection;
mod content;
mod conversation;
mod docs;
mod embeddings;
mod engine_metrics;
mod error;
mod error_shape;
mod failures;
mod generation;
mod grant;
mod head;
mod health;
mod host_check;
mod hosts;
mod keys;
mod lanes;
mod lifecycle;
mod load_report;
mod metrics;
mod models;
mod openapi;
mod origins;
mod preferences;
mod preparation;
mod preset;
mod probes;
mod profiles;
mod queue_time;
mod rate;
mod refusal;
mod request_id;
mod responses;
mod rewards;
mod run;
mod server_info;
mod spans;
mod standing_preference;
mod state;
mod text_constraints;
mod tls;
mod token_meter;
mod tokens;
mod unknown_fields;

#[cfg(test)]
mod tests;

pub use app::app;
pub use connection::ConnectionLimits;
pub use error::ApiError;
pub use hosts::AllowedHosts;
pub use keys::{ApiKey, ApiKeys};
pub use lifecycle::Lifecycle;
pub use openapi::openapi;
pub use origins::Origins;
pub use preset::Preset;
pub use run::{Ended, run};
pub use spans::{GenerationSpan, Outcome, Phase, PhaseKind, RequestSpan, SpanSink, Spans, TraceContext};
pub use state::{AppState, Defaults, ModelCard, ProfileRules, RequestLimits, Reward};
pub use tls::{Tls, TlsError};
