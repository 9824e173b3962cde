//! ORCA load reports: a request that has the header `endpoint-load-metrics-format` gets the server's load with its answer, so that
//! a router needs no other way to learn it. The names are vLLM's.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use pad_engine::Status;
use serde_json::json;

use crate::state::Shared;

/// Asks for a report, as `TEXT` or `JSON`; another value asks for none.
const FORMAT: HeaderName = HeaderName::from_static("endpoint-load-metrics-format");
/// The report.
const REPORT: HeaderName = HeaderName::from_static("endpoint-load-metrics");

/// Add the load to the answer of a request that asks for it.
pub(crate) async fn report(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let format = request.headers().get(FORMAT).cloned();
    let mut response = next.run(request).await;
    let written = format.and_then(|format| written(format.to_str().ok()?, &shared.state.engine.status()));
    if let Some(value) = written.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(REPORT, value);
    }
    response
}

fn written(format: &str, status: &Status) -> Option<String> {
    let (usage, waiting) = (status.kv_usage(), status.waiting);
    match format.to_ascii_uppercase().as_str() {
        "TEXT" => Some(format!(
            "TEXT named_metrics.kv_cache_usage_perc={usage}, named_metrics.num_requests_waiting={waiting}"
        )),
        "JSON" => {
            let metrics = json!({"kv_cache_usage_perc": usage, "num_requests_waiting": waiting});
            Some(format!("JSON {}", json!({"named_metrics": metrics})))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_have_vllms_names() {
        let status = Status { kv_blocks_used: 1, kv_blocks_total: 4, waiting: 3, ..Status::default() };
        let text = "TEXT named_metrics.kv_cache_usage_perc=0.25, named_metrics.num_requests_waiting=3";
        assert_eq!(written("text", &status).as_deref(), Some(text));
        let json = r#"JSON {"named_metrics":{"kv_cache_usage_perc":0.25,"num_requests_waiting":3}}"#;
        assert_eq!(written("JSON", &status).as_deref(), Some(json));
        assert_eq!(written("BIN", &status), None);
    }
}
