//! `POST /v1/embeddings`: texts as vectors, read by the base model alone.

use std::sync::Arc;

use axum::Json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use pad_api::{
    Embedding, EmbeddingNumbers, Embeddings, EmbeddingsRequest, EmbeddingsUsage, EncodingFormat, ObjectKind,
};
use pad_engine::EmbedRequest;

use crate::api_request::ApiRequest;
use crate::completions::prompts;
use crate::failures::Failures;
use crate::generation::options::cache_salt;
use crate::preparation::prepare;
use crate::{ApiError, refusal};

/// Texts of one request: OpenAI's limit.
const MOST_TEXTS: usize = 2048;
/// Texts of one request that are in the engine's queue at once: many texts leave room for others.
const AT_ONCE: usize = 8;
/// What the request calls its texts.
const INPUT: &str = "input";

/// Embed texts: the mean of the base model's last hidden states over a text's tokens, of length 1.
///
/// They come from a model that was made to write, and not to embed: texts on the same subject are close to each other, but a model
/// made for the purpose tells more. A preference has no effect on them.
#[utoipa::path(
    post, path = "/v1/embeddings", tag = "Embeddings", operation_id = "createEmbeddings", request_body = EmbeddingsRequest,
    responses(
        (status = 200, description = "The embeddings.", body = Embeddings),
        Failures,
    )
)]
pub(crate) async fn create(request: ApiRequest<EmbeddingsRequest>) -> Result<Json<Embeddings>, ApiError> {
    let ApiRequest { shared, caller, body, .. } = request;
    if let Some(dimensions) = body.dimensions {
        let message = format!(
            "`dimensions` is {dimensions}; an embedding has as many numbers as the model's hidden states: leave it out"
        );
        return Err(ApiError::invalid("dimensions", message));
    }
    let (salt, format) = (cache_salt(body.cache_salt)?, body.encoding_format.unwrap_or_default());
    let mut grant = caller.acquire()?;
    let (asked, input) = (Arc::clone(&shared), body.input);
    let read = move || -> Result<Vec<Arc<[u32]>>, ApiError> {
        let texts = prompts(input, asked.state.chat.tokenizer(), INPUT)?;
        if texts.len() > MOST_TEXTS {
            let message = format!("`input` has {} texts; allowed: {MOST_TEXTS} at most", texts.len());
            return Err(ApiError::invalid(INPUT, message));
        }
        let encode = |text: &pad_reward::Prompt| text.encode(&asked.state.chat).map(Arc::from);
        texts.iter().map(encode).collect::<Result<_, _>>().map_err(|error| refusal::reward(&error, INPUT))
    };
    let texts = prepare(read).await?;
    let tokens = texts.iter().map(|tokens| tokens.len() as u64).sum();
    grant.take_places(texts.len().min(AT_ONCE))?;
    grant.charge(tokens)?;
    let tenant = grant.tenant(salt.as_deref());
    let mut data = Vec::with_capacity(texts.len());
    for some in texts.chunks(AT_ONCE) {
        let ask = |tokens: &Arc<[u32]>| shared.state.engine.embed(&EmbedRequest { tokens: Arc::clone(tokens), tenant });
        let pending = some.iter().map(ask).collect::<Result<Vec<_>, _>>();
        let pending = pending.map_err(|error| refusal::submit(&error, INPUT))?;
        // Within the handler's future, so that a client that hangs up drops them.
        for vector in try_join_all(pending.into_iter().map(pad_engine::Pending::result)).await? {
            let embedding = written(vector, format);
            data.push(Embedding { object: ObjectKind::Embedding, index: data.len() as u64, embedding });
        }
    }
    shared.metrics.admitted(tokens as usize);
    let usage = EmbeddingsUsage { prompt_tokens: tokens, total_tokens: tokens };
    Ok(Json(Embeddings { object: ObjectKind::List, data, model: shared.state.model.id.clone(), usage }))
}

fn written(vector: Vec<f32>, format: EncodingFormat) -> EmbeddingNumbers {
    match format {
        EncodingFormat::Float => EmbeddingNumbers::Float(vector),
        EncodingFormat::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
            EmbeddingNumbers::Base64(STANDARD.encode(bytes))
        }
    }
}
