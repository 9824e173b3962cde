//! `POST /v1/preferences/profiles/{name}/elicit`: two answers between which a user's choice teaches most.
//!
//! Half of the candidates are generated with the weights that are known plus the direction that is least certain, half with the known ones
//! minus it. Of all of them the two are shown that promise the most information.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use pad_api::{
    ElicitRequest, FinishReason, MaxTokens, ObjectKind, Preference, PreferenceQuestion, PreferenceSource,
    QuestionAnswer,
};
use pad_learning::Posterior;
use pad_text::Message;
use rand::RngExt;

use super::kept_answers::KeptAnswers;
use super::learned::{Learned, named, served_dimensions};
use super::{name, population};
use crate::ApiError;
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::conversation::conversation;
use crate::failures::Failures;
use crate::generation;
use crate::generation::options::GenerationOptions;
use crate::generation::range::within;
use crate::generation::request::{FieldNames, GenerationRequest};
use crate::generation::sampling::SamplingRequest;
use crate::rewards::features::{GivenAnswer, features};
use crate::spans::SpanRecorder;
use crate::state::Shared;

/// Tokens of an answer where a request does not say: enough to show a style.
const MAX_TOKENS: u64 = 128;
/// Tokens that it may have.
const MOST_TOKENS: u64 = 256;
/// The temperature where a request does not say.
const TEMPERATURE: f64 = 0.8;
/// Answers that are generated where a request does not say.
const CANDIDATES: u64 = 4;

/// What is asked if a request has no messages: questions with long and short, plain and learned, sober and cheerful answers.
const PROMPTS: [&str; 6] = [
    "How can I fall asleep faster?",
    "Why is the sky blue?",
    "How do I make new friends in a new city?",
    "What is a good way to start running?",
    "How does a vaccine work?",
    "What should I cook tonight?",
];

/// A candidate.
struct Candidate {
    answer: GivenAnswer,
    finish_reason: FinishReason,
    /// Which of the two opposed weights.
    side: usize,
}

/// Generate two answers between which a choice of the user teaches most.
#[utoipa::path(
    post, path = "/v1/preferences/profiles/{name}/elicit", tag = "Preferences", operation_id = "elicitPreference",
    request_body = ElicitRequest,
    params(("name" = String, Path, description = "The profile's name; it need not exist.")),
    responses(
        (status = 200, description = "The two answers. The user's choice is feedback.", body = PreferenceQuestion),
        Failures,
    )
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<ElicitRequest>,
) -> Result<Json<PreferenceQuestion>, ApiError> {
    name::check(&name)?;
    let (store, scope) = (shared.store()?, caller.scope());
    let dimensions = served_dimensions(&shared)?;
    let profile = store.fresh_profile(&scope, &name).await?;
    let learned = profile.and_then(|profile| Learned::read(&dimensions, &profile));
    let posterior = if let Some(learned) = learned {
        learned.posterior
    } else {
        let prior = population::prior(&shared, &dimensions, &scope, &name).await;
        Learned::of_choices(&dimensions, &[], &prior)?.posterior
    };
    let seed = request.seed.unwrap_or_else(|| rand::rng().random());
    let prompt = request.messages.is_none().then(|| PROMPTS[seed.unsigned_abs() as usize % PROMPTS.len()]);
    let conversation = match (request.messages.clone(), prompt) {
        (Some(messages), _) => conversation(messages)?,
        (None, prompt) => vec![Message::new("user", prompt.unwrap_or_default().to_owned())],
    };
    let opposed = posterior.opposed(&dimensions.bounds).map(|weights| named(&dimensions, &weights));
    let mut candidates = Vec::new();
    for (side, weights) in opposed.iter().enumerate() {
        candidates.extend(generate(&shared, &caller, &request, &conversation, weights, seed, side).await?);
    }
    different(&mut candidates);
    let answers: Vec<GivenAnswer> = candidates.iter().map(|candidate| candidate.answer.clone()).collect();
    let mut known = features(&shared, &caller, &conversation, &answers).await?;
    let question = posterior.most_informative(&known).ok_or_else(|| {
        let message = "all answers came out the same; allowed: a higher `temperature`, or other `messages`";
        ApiError::invalid("temperature", message)
    })?;
    // Which one comes first must not tell anything.
    let (first, second) =
        if seed & 1 == 0 { (question.first, question.second) } else { (question.second, question.first) };
    let shown = [first, second].map(|at| shown(&candidates[at], &opposed));
    let features = [first, second].map(|at| std::mem::take(&mut known[at]));
    let expected = Posterior::probability(&posterior, &features[0], &features[1]);
    let kept = KeptAnswers {
        conversation,
        answers: [first, second].map(|at| answers[at].clone()).to_vec(),
        features: Some((dimensions.of.clone(), features.to_vec())),
    };
    let id = format!("question-{:032x}", rand::rng().random::<u128>());
    kept.keep(&shared, &scope, &id, Some(name.clone())).await?;
    Ok(Json(PreferenceQuestion {
        object: ObjectKind::Question,
        id,
        profile: name,
        prompt: prompt.map(str::to_owned),
        answers: shown.to_vec(),
        expected,
        information: question.information,
    }))
}

/// Half of the candidates, with one of the two opposed weights.
async fn generate(
    shared: &Arc<Shared>,
    caller: &Caller,
    request: &ElicitRequest,
    conversation: &[Message],
    weights: &[(String, f64)],
    seed: i64,
    side: usize,
) -> Result<Vec<Candidate>, ApiError> {
    let count = within("candidates", request.candidates.unwrap_or(CANDIDATES), &(2..=8))?;
    if count % 2 == 1 {
        let message = format!("`candidates` is {count}; allowed: an even number from 2 to 8");
        return Err(ApiError::invalid("candidates", message));
    }
    let max_tokens = within("max_tokens", request.max_tokens.unwrap_or(MAX_TOKENS), &(1..=MOST_TOKENS))?;
    let generation = GenerationRequest {
        choices: Some(count / 2),
        max_tokens: Some(MaxTokens::Most(max_tokens)),
        sampling: SamplingRequest {
            temperature: Some(request.temperature.unwrap_or(TEMPERATURE)),
            ..SamplingRequest::default()
        },
        seed: Some(seed),
        preference: Some(Preference::Named(weights.to_vec())),
        preference_source: PreferenceSource::Body,
        ..GenerationRequest::new(FieldNames::OF_CHAT, vec![conversation.to_vec().into()])
    };
    let options = GenerationOptions::check(generation, &shared.state)?;
    // Two generations run for one request, whose span has no phases.
    let recorder = SpanRecorder::default();
    let mut running = generation::start(shared, &options, caller.acquire()?, recorder).await?;
    let empty = || Candidate {
        answer: GivenAnswer { text: String::new(), complete: false },
        finish_reason: FinishReason::Length,
        side,
    };
    let mut candidates: Vec<Candidate> = (0..running.choices()).map(|_| empty()).collect();
    while let Some((index, part)) = running.next().await? {
        let candidate = &mut candidates[index];
        candidate.answer.text.push_str(&part.text);
        if let Some(end) = part.end {
            candidate.finish_reason = end.reason;
            candidate.answer.complete = end.reason == FinishReason::Stop;
        }
    }
    Ok(candidates)
}

/// Leave out empty answers, and all but the first of equal ones.
fn different(candidates: &mut Vec<Candidate>) {
    let mut texts: Vec<String> = Vec::new();
    candidates.retain(|candidate| {
        let text = candidate.answer.text.trim().to_owned();
        let new = !text.is_empty() && !texts.contains(&text);
        texts.extend(new.then_some(text));
        new
    });
}

fn shown(candidate: &Candidate, opposed: &[Vec<(String, f64)>; 2]) -> QuestionAnswer {
    QuestionAnswer {
        content: candidate.answer.text.clone(),
        finish_reason: candidate.finish_reason,
        weights: opposed[candidate.side].iter().cloned().collect(),
    }
}
