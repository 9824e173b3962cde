//! What is to be scored: the answer's tokens, and the lanes that read them for all preferences together.

use std::sync::Arc;

use pad_api::{Preference as Given, RewardsRequest, Role};
use pad_decode::Reference;
use pad_reward::{Kind, LanePlan, Preference, Prompt, RewardModel};

use crate::ApiError;
use crate::conversation::conversation;
use crate::generation::guidance::preference_input;
use crate::state::AppState;

/// Preferences of one request: a principle in plain words is a lane of its own.
const MOST_PREFERENCES: usize = 32;

/// Terms, by their index, and what they weigh.
pub(super) type Weights = Vec<(usize, f32)>;

/// A request that was read.
pub(super) struct Question {
    /// The lanes of all preferences; its terms are the dimensions, whose weights are left out.
    pub(super) plan: LanePlan,
    /// The answer's tokens.
    pub(super) answer: Arc<[u32]>,
    /// Each preference as it was given, and its weights by term.
    pub(super) preferences: Vec<(Given, Weights)>,
}

impl Question {
    /// Check a request and lay out its lanes.
    ///
    /// # Errors
    /// 400 naming the field that is wrong.
    pub(super) fn read(mut request: RewardsRequest, state: &AppState) -> Result<Self, ApiError> {
        let complete = request.complete.unwrap_or(true);
        let given = given(request.preference, request.preferences)?;
        let answer = match request.messages.pop() {
            Some(last) if last.role == Role::Assistant => last.content.map(pad_api::Content::into_text),
            _ => {
                return Err(ApiError::invalid(
                    "messages",
                    "the last message has to be the assistant's, which is scored",
                ));
            }
        };
        if request.messages.is_empty() {
            let message = "`messages` has only the answer; allowed: what is answered, then the answer";
            return Err(ApiError::invalid("messages", message));
        }
        let prompt = Prompt::from(conversation(request.messages)?);
        let mut tokens = state.chat.encode_text(&answer.unwrap_or_default())?;
        tokens.extend(state.chat.end_of_turn().filter(|_| complete));
        if tokens.is_empty() {
            return Err(ApiError::invalid(
                "messages",
                "the answer is empty, and it is not complete: there is nothing to score",
            ));
        }
        let Some(reward) = &state.reward else {
            if !given.is_empty() {
                let message = "a preference is given, but this server has no reward model to score with";
                return Err(ApiError::invalid("preference", message));
            }
            let base = prompt.encode(&state.chat)?;
            let plan = LanePlan { base, lanes: Vec::new(), dimensions: Vec::new(), terms: Vec::new() };
            return Ok(Self { plan, answer: tokens.into(), preferences: Vec::new() });
        };
        let base = prompt.encode(&state.chat)?;
        let mut lanes = Lanes { state, model: &reward.model, prompt: &prompt, plan: empty(base) };
        let preferences = lanes.of_all(given)?;
        Ok(Self { plan: lanes.plan, answer: tokens.into(), preferences })
    }
}

fn given(one: Option<Given>, several: Option<Vec<Given>>) -> Result<Vec<Given>, ApiError> {
    match (one, several) {
        (Some(_), Some(_)) => {
            let message = "`preference` and `preferences` are both given; allowed: one of them";
            Err(ApiError::invalid("preferences", message))
        }
        (_, Some(several)) if several.len() > MOST_PREFERENCES => {
            let message = format!("`preferences` has {}; allowed: {MOST_PREFERENCES} at most", several.len());
            Err(ApiError::invalid("preferences", message))
        }
        (one, several) => Ok(one.into_iter().chain(several.into_iter().flatten()).collect()),
    }
}

fn empty(base: Vec<u32>) -> LanePlan {
    LanePlan { base, lanes: Vec::new(), dimensions: Vec::new(), terms: Vec::new() }
}

/// The lanes as far as they are laid out. The base lane reads the conversation as it came, whatever the preferences.
struct Lanes<'a> {
    state: &'a AppState,
    model: &'a RewardModel,
    prompt: &'a Prompt,
    plan: LanePlan,
}

impl Lanes<'_> {
    fn of_all(&mut self, given: Vec<Given>) -> Result<Vec<(Given, Weights)>, ApiError> {
        let resolve = |given: &Given| Ok(self.model.resolve(&preference_input(Some(given.clone())))?);
        let resolved = given.iter().map(resolve).collect::<Result<Vec<Preference>, ApiError>>()?;
        let together = self.model.manifest().kind != Kind::Checkpoint;
        if given.is_empty() {
            self.add(&Preference::Weights(vec![1.0; self.model.dimensions().len()]), None)?;
        } else if together {
            let weighed = |dimension: usize| {
                let weighs =
                    |preference: &Preference| matches!(preference, Preference::Weights(w) if w[dimension] != 0.0);
                f32::from(u8::from(resolved.iter().any(weighs)))
            };
            let union = (0..self.model.dimensions().len()).map(weighed).collect();
            self.add(&Preference::Weights(union), None)?;
        }
        let mut told = Vec::with_capacity(given.len());
        for (given, preference) in given.into_iter().zip(resolved) {
            let weights = match &preference {
                Preference::Weights(weights) if together => self.named(weights),
                Preference::Weights(_) => self.add(&preference, None)?,
                Preference::Principle(words) => self.add(&preference, Some(words))?,
            };
            told.push((given, weights));
        }
        Ok(told)
    }

    /// The terms of dimensions that are laid out already, with these weights.
    fn named(&self, weights: &[f32]) -> Weights {
        let weights = self.model.dimensions().iter().zip(weights).filter(|(_, weight)| **weight != 0.0);
        let term = |name: &String| self.plan.dimensions.iter().position(|known| known == name);
        weights.filter_map(|(dimension, weight)| Some((term(&dimension.name)?, *weight))).collect()
    }

    /// Add the lanes of a preference, under another name where there is one; its terms. What is there already is not added again.
    fn add(&mut self, preference: &Preference, name: Option<&String>) -> Result<Weights, ApiError> {
        let added = self.model.plan(&self.state.chat, self.prompt, preference)?;
        let readouts: usize = self.plan.lanes.iter().map(|lane| lane.kind.heads.len()).sum();
        let names: Vec<String> = added.dimensions.into_iter().map(|own| name.cloned().unwrap_or(own)).collect();
        let known = |name: &String| self.plan.dimensions.iter().position(|known| known == name);
        if let Some(known) = names.iter().map(known).collect::<Option<Vec<usize>>>() {
            return Ok(known.into_iter().zip(added.terms.iter().map(|term| term.weight)).collect());
        }
        let first = self.plan.terms.len();
        let weights = added.terms.iter().enumerate().map(|(at, term)| (first + at, term.weight)).collect();
        self.plan.lanes.extend(added.lanes);
        self.plan.dimensions.extend(names);
        self.plan.terms.extend(added.terms.into_iter().map(|mut term| {
            term.readout += readouts;
            if let Reference::Readout(other) = &mut term.reference {
                *other += readouts;
            }
            term
        }));
        Ok(weights)
    }
}
