//! Given tokens, as the engine scores them.

use pad_engine::{Choice, Event, ScoreRequest, Scores};

use crate::ApiError;
use crate::state::Shared;

/// What the engine reads, and how many tokens of the prompt it had read before. Runs within the handler's future, so that a
/// client that hangs up drops it.
///
/// # Errors
/// Where the engine does not take the request, or fails.
pub(crate) async fn read(shared: &Shared, request: &ScoreRequest) -> Result<(Scores, usize), ApiError> {
    collect(shared.state.engine.score(request)?).await
}

/// The same of a request that was taken.
///
/// # Errors
/// 500 where the engine fails.
pub(crate) async fn collect(mut choice: Choice) -> Result<(Scores, usize), ApiError> {
    let mut scores = None;
    loop {
        match choice.next().await {
            Some(Event::Scored(read)) => scores = Some(read),
            Some(Event::Finished(finish)) => {
                let scores = scores.ok_or_else(|| ApiError::internal("the engine ended without scores"))?;
                return Ok((scores, finish.cached_tokens));
            }
            Some(Event::Failed(why)) => return Err(ApiError::internal(format!("the scoring failed: {why}"))),
            Some(Event::Token(_)) => return Err(ApiError::internal("the engine generated where it was to score")),
            None => return Err(ApiError::internal("the engine stopped")),
        }
    }
}
