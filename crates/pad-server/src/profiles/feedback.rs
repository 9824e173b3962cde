//! `/v1/preferences/profiles/{name}/feedback`: what a user preferred among answers, from which the profile is learned.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use pad_api::{Feedback, FeedbackRequest, ObjectKind, UndoneFeedback};
use pad_learning::Choice;
use pad_store::{Expected, NewChoice, Profile, Revised, Revision, Scope, Store, StoreError};
use serde_json::json;

use super::examples::ChoiceTexts;
use super::judgement::{Judgement, Verdict};
use super::learned::{Evidence, Learned, served_dimensions, to_json, typical};
use super::{name, population};
use crate::ApiError;
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::failures::{Failures, ProfileFailures};
use crate::rewards::features::features;
use crate::state::Shared;

/// Tokens that a change of what is learned counts as.
const COST: u64 = 16;

/// Bytes of a choice's texts, as JSON.
const MOST_BYTES: usize = 256 << 10;

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
    let dimensions = served_dimensions(&shared)?;
    let judgement = Judgement::read(request, &shared, &scope).await?;
    let known = judgement.features.as_ref().filter(|(of, _)| *of == dimensions.of);
    let features = match known {
        Some((_, features)) => features.clone(),
        None => features(&shared, &caller, &judgement.conversation, &judgement.answers).await?,
    };
    // What was scored before is not read again, but takes a place and some of the key's tokens all the same.
    let mut grant = caller.acquire()?;
    grant.charge(COST)?;
    let first_is_better = judgement.verdict == Verdict::Better;
    let content = to_json(&ChoiceTexts::new(&judgement.conversation, &judgement.answers, first_is_better))?;
    let size = content.to_string().len();
    if size > MOST_BYTES {
        let message =
            format!("the conversation and its answers have {size} bytes as JSON; allowed: {MOST_BYTES} in a choice");
        return Err(ApiError::invalid("messages", message));
    }
    let prior = population::prior(&shared, &dimensions, &scope, &name).await;
    let append = move |profile: &Profile, stored: &[pad_store::Choice]| -> Result<Revision<Told>, ApiError> {
        let mut standing = Evidence::standing(&dimensions, stored, None);
        let before = match Learned::read(&dimensions, profile) {
            Some(known) => known,
            None => Learned::of_choices(&dimensions, &standing, &prior)?,
        };
        let typical = typical(&standing, &features);
        let choice = judgement.choice(features, typical);
        let expected = probability(&before, &choice);
        let evidence = Evidence { of: dimensions.of.clone(), choice };
        let new = NewChoice { evidence: to_json(&evidence)?, content };
        standing.push(evidence.choice);
        let learned = Learned::of_choices(&dimensions, &standing, &prior)?;
        let outcome = Told { expected, choices: learned.posterior.choices as u64 };
        Ok(Revision { append: Some(new), undo: Vec::new(), learned: Some(to_json(&learned)?), outcome })
    };
    made(store, &scope, &name).await?;
    let Revised { profile, outcome: Told { expected, choices } } = store.revise(&scope, &name, append).await?;
    let (object, id) = (ObjectKind::Feedback, feedback_id(&profile, profile.choices));
    Ok(Json(Feedback { object, id, profile: name, expected, choices }))
}

/// What a client is told of a choice.
struct Told {
    expected: Option<f64>,
    choices: u64,
}

/// Names a choice. A profile that is made again has other ids.
fn feedback_id(profile: &Profile, number: i64) -> String {
    format!("{:x}-{number}", profile.stamp.created_at)
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
    name::check(&name)?;
    let number = id.rsplit('-').next().and_then(|number| number.parse::<i64>().ok());
    let number = number.ok_or_else(|| ApiError::feedback_not_found(&id))?;
    let dimensions = served_dimensions(&shared)?;
    let (store, scope) = (shared.store()?, caller.scope());
    let mut grant = caller.acquire()?;
    grant.charge(COST)?;
    let prior = population::prior(&shared, &dimensions, &scope, &name).await;
    let asked = id.clone();
    let undo = move |profile: &Profile, stored: &[pad_store::Choice]| -> Result<Revision<u64>, ApiError> {
        let stands = stored.iter().any(|choice| choice.number == number);
        if !stands || asked != feedback_id(profile, number) {
            return Err(ApiError::feedback_not_found(&asked));
        }
        let standing = Evidence::standing(&dimensions, stored, Some(number));
        let learned = Learned::of_choices(&dimensions, &standing, &prior)?;
        let outcome = learned.posterior.choices as u64;
        Ok(Revision { append: None, undo: vec![number], learned: Some(to_json(&learned)?), outcome })
    };
    let choices = store.revise(&scope, &name, undo).await?.outcome;
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
