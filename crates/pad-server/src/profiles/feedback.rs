//! `/v1/preferences/profiles/{name}/feedback`: what a user preferred among answers, from which the profile is learned.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use pad_api::{Feedback, FeedbackRequest, ObjectKind, UndoneFeedback};
use pad_learning::Choice;
use pad_store::{Expected, NewChoice, Profile, Revision, Scope, Store, StoreError};
use serde::Serialize;
use serde_json::json;

use super::dimensions::LearnedDimensions;
use super::examples::ChoiceTexts;
use super::judgement::{Judgement, Verdict};
use super::learned::{Evidence, Learned};
use super::{name, population};
use crate::ApiError;
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::failures::{Failures, ProfileFailures};
use crate::rewards::features::features;
use crate::state::Shared;

/// Store what a user preferred, and learn from it. A profile that does not exist is made.
#[utoipa::path(
    post, path = "/v1/preferences/profiles/{name}/feedback", tag = "Preferences", operation_id = "createFeedback",
    request_body = FeedbackRequest,
    params(("name" = String, Path, description = "The profile's name.")),
    responses((status = 200, description = "It was stored, and the profile is up to date.", body = Feedback), Failures)
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<FeedbackRequest>,
) -> Result<Json<Feedback>, ApiError> {
    name::check(&name)?;
    let (store, scope) = (shared.store()?, caller.scope());
    let dimensions = LearnedDimensions::served(&shared.state)?;
    let judgement = Judgement::read(request, &shared, &scope).await?;
    let known = judgement.features.as_ref().filter(|(of, _)| *of == dimensions.of);
    let features = match known {
        Some((_, features)) => features.clone(),
        None => features(&shared, &caller, &judgement.conversation, &judgement.answers).await?,
    };
    let texts = ChoiceTexts {
        conversation: judgement.conversation.clone(),
        answers: judgement.answers.clone(),
        first_is_better: judgement.verdict == Verdict::Better,
    };
    let content = to_json(&texts)?;
    let prior = population::prior(&shared, &dimensions, &scope, &name).await;
    let (mut expected, mut choices) = (None, 0);
    let append = |profile: &Profile, stored: &[pad_store::Choice]| -> Result<Revision, ApiError> {
        let mut standing = Evidence::standing(&dimensions, stored, None);
        let before = match Learned::read(&dimensions, profile) {
            Some(known) => known,
            None => Learned::of_choices(&dimensions, &standing, &prior)?,
        };
        let typical = typical(&standing, &features);
        let choice = judgement.choice(features, typical);
        expected = probability(&before, &choice);
        let evidence = Evidence { of: dimensions.of.clone(), choice };
        let new = NewChoice { evidence: to_json(&evidence)?, content };
        standing.push(evidence.choice);
        let learned = Learned::of_choices(&dimensions, &standing, &prior)?;
        choices = learned.posterior.choices as u64;
        Ok(Revision { append: Some(new), undo: Vec::new(), learned: Some(learned.to_json()?) })
    };
    made(store, &scope, &name).await?;
    let profile = store.revise(&scope, &name, append).await?;
    let (object, id) = (ObjectKind::Feedback, profile.choices.to_string());
    Ok(Json(Feedback { object, id, profile: name, expected, choices }))
}

/// Undo feedback: the profile is learned again, as if it had not been given. Its texts stay stored until the profile is deleted.
#[utoipa::path(
    delete, path = "/v1/preferences/profiles/{name}/feedback/{id}", tag = "Preferences", operation_id = "undoFeedback",
    params(
        ("name" = String, Path, description = "The profile's name."),
        ("id" = String, Path, description = "The feedback's id."),
    ),
    responses((status = 200, description = "It is undone.", body = UndoneFeedback), ProfileFailures)
)]
pub(crate) async fn undo(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<UndoneFeedback>, ApiError> {
    let missing = || ApiError::feedback_not_found(&id);
    let number: i64 = id.parse().map_err(|_| missing())?;
    let dimensions = LearnedDimensions::served(&shared.state)?;
    let (store, scope) = (shared.store()?, caller.scope());
    let prior = population::prior(&shared, &dimensions, &scope, &name).await;
    let mut choices = 0;
    let undo = |_: &Profile, stored: &[pad_store::Choice]| -> Result<Revision, ApiError> {
        if !stored.iter().any(|choice| choice.number == number && choice.undone_at.is_none()) {
            return Err(missing());
        }
        let standing = Evidence::standing(&dimensions, stored, Some(number));
        let learned = Learned::of_choices(&dimensions, &standing, &prior)?;
        choices = learned.posterior.choices as u64;
        Ok(Revision { append: None, undo: vec![number], learned: Some(learned.to_json()?) })
    };
    store.revise(&scope, &name, undo).await?;
    Ok(Json(UndoneFeedback { object: ObjectKind::Feedback, id, deleted: true, choices }))
}

/// Make sure that there is a profile of this name.
async fn made(store: &Store, scope: &Scope, name: &str) -> Result<(), ApiError> {
    if store.profile(scope, name).await?.is_some() {
        return Ok(());
    }
    match store.put_profile(scope, name, &json!({}), Expected::Absent).await {
        // Somebody else was first.
        Ok(_) | Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The mean of the answers in these choices. Where there are none, that of the new answers: a single one then differs from it in nothing,
/// and teaches nothing yet, since long answers have large rewards whatever they say.
fn typical(choices: &[Choice], new: &[Vec<f64>]) -> Vec<f64> {
    let mut known: Vec<&[f64]> = choices.iter().flat_map(Choice::answers).collect();
    if known.is_empty() {
        known.extend(new.iter().map(Vec::as_slice));
    }
    let dimensions = known.first().map_or(0, |answer| answer.len());
    let mean = |at: usize| known.iter().map(|answer| answer[at]).sum::<f64>() / known.len() as f64;
    (0..dimensions).map(mean).collect()
}

/// The probability of a choice between two answers.
fn probability(known: &Learned, choice: &Choice) -> Option<f64> {
    match choice {
        Choice::Best { chosen, others } if others.len() == 1 => Some(known.posterior.probability(chosen, &others[0])),
        Choice::Worst { rejected, others } if others.len() == 1 => {
            Some(known.posterior.probability(&others[0], rejected))
        }
        _ => None,
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<serde_json::Value, ApiError> {
    serde_json::to_value(value).map_err(|error| ApiError::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typical_is_the_mean_of_the_answers() {
        let best = Choice::Best { chosen: vec![3.0, 0.0], others: vec![vec![1.0, 2.0], vec![2.0, 1.0]] };
        let verdict = Choice::Verdict { answer: vec![6.0, 1.0], typical: vec![9.0, 9.0], approved: true };
        let new = [vec![5.0, 7.0]];
        assert_eq!(typical(&[best, verdict], &new), [3.0, 1.0]);
        assert_eq!(typical(&[], &new), [5.0, 7.0]);
    }
}
