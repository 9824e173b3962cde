//! `POST /v1/rewards`: a given answer under one or more preferences, in one pass.

pub(crate) mod features;
mod question;
mod reading;
mod worth;

use std::sync::Arc;

use axum::Json;
use pad_api::{Preference, Rewards, RewardsRequest};

use crate::ApiError;
use crate::api_request::ApiRequest;
use crate::failures::Failures;
use crate::generation::options::cache_salt;
use crate::preparation::prepare;
use crate::standing_preference::{Asked, Standing, Steering};
use crate::state::Shared;
use question::Question;
use reading::Reading;

/// Preferences of one request: each principle in plain words has its own lane.
const MOST_PREFERENCES: usize = 32;

/// Score the last answer of a conversation under one or more preferences.
#[utoipa::path(
    post, path = "/v1/rewards", tag = "Preferences", operation_id = "createRewards", request_body = RewardsRequest,
    responses(
        (status = 200, description = "The rewards of the answer.", body = Rewards),
        Failures,
    )
)]
pub(crate) async fn create(request: ApiRequest<RewardsRequest>) -> Result<Json<Rewards>, ApiError> {
    let ApiRequest { shared, caller, standing, mut body, .. } = request;
    let preferences = given(standing, &mut body, &shared).await?;
    let cache_salt = cache_salt(body.cache_salt.take())?;
    let per_token = body.per_token.unwrap_or(false);
    let mut grant = caller.acquire()?;
    let asked = Arc::clone(&shared);
    let Question { plan, answer, preferences } =
        prepare(move || Question::read(body, preferences, &asked.state)).await?;
    let reading = Reading::new(&shared.state, plan, answer)?;
    grant.charge(reading.rows())?;
    let (tokens, reward_lanes) = (reading.tokens(), reading.reward_lanes());
    // Within the handler's future, so that a client that hangs up drops it.
    let (worth, cached_tokens) = reading.read(&shared, grant.tenant(cache_salt.as_deref())).await?;
    Ok(Json(worth.told(&shared.state, preferences, per_token, worth::usage(tokens, cached_tokens, reward_lanes))))
}

/// The preferences that are asked for: of the body, else of another place.
async fn given(standing: Standing, body: &mut RewardsRequest, shared: &Shared) -> Result<Vec<Preference>, ApiError> {
    match (body.preference.take(), body.preferences.take()) {
        (Some(_), Some(_)) => {
            let message = "`preference` and `preferences` are both given; allowed: one of them";
            Err(ApiError::invalid("preferences", message))
        }
        (None, Some(several)) if several.len() > MOST_PREFERENCES => {
            let message = format!("`preferences` has {}; allowed: {MOST_PREFERENCES} at most", several.len());
            Err(ApiError::invalid("preferences", message))
        }
        (None, Some(several)) => standing.look_up(several, shared).await,
        (preference, None) => {
            let asked = Asked { preference, model: body.model.as_deref(), ..Asked::default() };
            let Steering { preference, .. } = standing.settle(asked, shared).await?;
            Ok(preference.into_iter().collect())
        }
    }
}
