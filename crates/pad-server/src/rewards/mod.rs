//! `POST /v1/rewards`: a given answer under one or more preferences, in one pass.

mod question;
mod worth;

use std::sync::Arc;

use axum::Json;
use pad_api::{Rewards, RewardsRequest};
use pad_engine::{ScoreRequest, Scored};

use crate::api_request::ApiRequest;
use crate::failures::Failures;
use crate::generation::options::cache_salt;
use crate::preparation::prepare;
use crate::{ApiError, lanes};
use question::Question;
use worth::Worth;

/// Score the last answer of a conversation under one or more preferences.
#[utoipa::path(
    post, path = "/v1/rewards", tag = "Preferences", operation_id = "createRewards", request_body = RewardsRequest,
    responses(
        (status = 200, description = "The rewards of the answer.", body = Rewards),
        Failures,
    )
)]
pub(crate) async fn create(request: ApiRequest<RewardsRequest>) -> Result<Json<Rewards>, ApiError> {
    let ApiRequest { shared, caller, standing, mut body } = request;
    if body.preferences.is_none() {
        standing.fill(&mut body.preference, None, body.model.as_deref(), &shared.state)?;
    }
    let cache_salt = cache_salt(body.cache_salt.take())?;
    let per_token = body.per_token.unwrap_or(false);
    let mut grant = caller.acquire()?;
    let asked = Arc::clone(&shared);
    let Question { plan, answer, preferences } = prepare(move || Question::read(body, &asked.state)).await?;
    let lanes = lanes::specs(shared.state.reward.as_ref(), plan.base, plan.lanes)?;
    let reward_lanes = lanes.len() - 1;
    let prompt = lanes.first().map_or(0, |base| base.prompt.len()) + answer.len();
    grant.charge(lanes.iter().map(|lane| (lane.prompt.len() + answer.len()) as u64).sum())?;
    let request =
        ScoreRequest { lanes, answer: Arc::clone(&answer), top: 0, tenant: grant.tenant(cache_salt.as_deref()) };
    // Within the handler's future, so that a client that hangs up drops it.
    let Scored { scores, cached_tokens } = shared.state.engine.score(&request)?.result().await?;
    shared.metrics.admitted(prompt);
    let worth = Worth { scores, answer, terms: plan.terms, names: plan.dimensions };
    Ok(Json(worth.told(&shared.state, preferences, per_token, worth::usage(prompt, cached_tokens, reward_lanes))))
}
