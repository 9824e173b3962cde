//! `POST /v1/rewards`: a given answer under one or more preferences, in one pass.

mod question;
mod worth;

use std::sync::Arc;

use axum::Json;
use pad_api::{Rewards, RewardsRequest};
use pad_engine::ScoreRequest;

use crate::api_request::ApiRequest;
use crate::failures::Failures;
use crate::{ApiError, lanes, scores};
use question::Question;
use worth::Worth;

/// Score the last answer of a conversation under one or more preferences.
#[utoipa::path(
    post, path = "/v1/rewards", tag = "Preferences", operation_id = "createRewards", request_body = RewardsRequest,
    responses(
        (status = 200, description = "What the answer is worth.", body = Rewards),
        Failures,
    )
)]
pub(crate) async fn create(request: ApiRequest<RewardsRequest>) -> Result<Json<Rewards>, ApiError> {
    let ApiRequest { shared, caller, body, .. } = request;
    let per_token = body.per_token.unwrap_or(false);
    let grant = caller.acquire()?;
    // Templates and tokenizers take a while over long conversations, in which other requests of the same thread would wait.
    let asked = Arc::clone(&shared);
    let prepared = tokio::task::spawn_blocking(move || Question::read(body, &asked.state)).await;
    let Question { plan, answer, preferences } =
        prepared.map_err(|_| ApiError::internal("the request could not be prepared"))??;
    let lanes = lanes::specs(shared.state.reward.as_ref(), plan.base, plan.lanes)?;
    let reward_lanes = lanes.len() - 1;
    let prompt = lanes.first().map_or(0, |base| base.prompt.len()) + answer.len();
    let request = ScoreRequest { lanes, answer: Arc::clone(&answer), top: 0 };
    let (scores, cached) = scores::read(&shared, &request).await?;
    shared.metrics.admitted(prompt);
    grant.spend(prompt as u64);
    let worth = Worth { scores, answer, terms: plan.terms, names: plan.dimensions };
    Ok(Json(worth.told(&shared.state, preferences, per_token, worth::usage(prompt, cached, reward_lanes))))
}
