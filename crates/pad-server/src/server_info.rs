//! `GET /server_info`, `/model_info`, `/v1/loads` and `/tokenizer_info`: for routers and harnesses made for `SGLang` and vLLM.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use pad_api::{Load, LoadList, LoadSum, ModelInfo, ServerInfo, TokenizerInfo};
use pad_engine::{BLOCK, Status};

use crate::state::Shared;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Describe the tokenizer, as vLLM does.
#[utoipa::path(
    get, path = "/tokenizer_info", tag = "Tokens", operation_id = "tokenizerInfo",
    responses((status = 200, description = "The tokenizer's special tokens and chat template.", body = TokenizerInfo))
)]
pub(crate) async fn tokenizer(State(shared): State<Arc<Shared>>) -> Json<TokenizerInfo> {
    let chat = &shared.state.chat;
    let some = |token: &str| (!token.is_empty()).then(|| token.to_owned());
    Json(TokenizerInfo {
        tokenizer_class: "PreTrainedTokenizerFast".to_owned(),
        bos_token: some(chat.bos_token()),
        eos_token: some(chat.eos_token()),
        pad_token: some(chat.eos_token()),
        chat_template: chat.template_source().to_owned(),
        model_max_length: shared.state.engine.limits().context as u64,
        vocab_size: chat.tokenizer().vocab_size() as u64,
    })
}

/// Describe the model, as `SGLang` does; `GET /get_model_info` is the same.
#[utoipa::path(
    get, path = "/model_info", tag = "Models", operation_id = "modelInfo",
    responses((status = 200, description = "The model.", body = ModelInfo))
)]
pub(crate) async fn model(State(shared): State<Arc<Shared>>) -> Json<ModelInfo> {
    let card = &shared.state.model;
    Json(ModelInfo {
        model_path: card.id.clone(),
        tokenizer_path: card.id.clone(),
        is_generation: true,
        has_image_understanding: false,
        has_audio_understanding: false,
        weight_version: card.fingerprint.clone(),
    })
}

/// Describe the server, as `SGLang` does; `GET /get_server_info` is the same.
#[utoipa::path(
    get, path = "/server_info", tag = "Operation", operation_id = "serverInfo",
    responses((status = 200, description = "The server.", body = ServerInfo))
)]
pub(crate) async fn server(State(shared): State<Arc<Shared>>) -> Json<ServerInfo> {
    let limits = shared.state.engine.limits();
    Json(ServerInfo {
        model_path: shared.state.model.id.clone(),
        served_model_name: shared.state.model.id.clone(),
        version: VERSION.to_owned(),
        context_length: limits.context as u64,
        max_total_num_tokens: limits.kv_positions as u64,
        max_running_requests: limits.queue as u64,
        tp_size: 1,
        dp_size: 1,
    })
}

/// Report the server's load, as `SGLang` does.
#[utoipa::path(
    get, path = "/v1/loads", tag = "Operation", operation_id = "loads",
    responses((status = 200, description = "The server's load.", body = LoadList))
)]
pub(crate) async fn loads(State(shared): State<Arc<Shared>>) -> Json<LoadList> {
    let engine = &shared.state.engine;
    let load = load(&engine.status(), engine.limits().queue);
    Json(LoadList {
        version: VERSION.to_owned(),
        dp_rank_count: 1,
        aggregate: LoadSum {
            total_running_reqs: load.num_running_reqs,
            total_waiting_reqs: load.num_waiting_reqs,
            total_reqs: load.num_total_reqs,
            avg_token_usage: load.token_usage,
            avg_utilization: load.utilization,
        },
        loads: vec![load],
    })
}

fn load(status: &Status, queue: usize) -> Load {
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let total = status.running + status.waiting;
    Load {
        dp_rank: 0,
        num_running_reqs: status.running,
        num_waiting_reqs: status.waiting,
        num_total_reqs: total,
        num_used_tokens: status.kv_blocks_used * BLOCK as u64,
        max_total_num_tokens: status.kv_blocks_total * BLOCK as u64,
        token_usage: share(status.kv_blocks_used, status.kv_blocks_total),
        max_running_requests: queue as u64,
        utilization: share(total, queue as u64).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_has_the_engines_figures() {
        let status = Status { running: 2, waiting: 3, kv_blocks_used: 5, kv_blocks_total: 20, ..Status::default() };
        let load = load(&status, 10);
        assert_eq!((load.num_running_reqs, load.num_waiting_reqs, load.num_total_reqs), (2, 3, 5));
        assert_eq!((load.num_used_tokens, load.max_total_num_tokens), (80, 320));
        assert_eq!((load.token_usage, load.utilization), (0.25, 0.5));
    }
}
