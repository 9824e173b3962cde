//! The requests of an evaluation: prompts, preferences and ways of decoding.

use serde::{Deserialize, Serialize};

use crate::answer::{Decoding, Question};
use crate::conversation::conversation;
use crate::error::EvalError;
use crate::guidance::Guidance;
use crate::method::Method;
use crate::preference::{Grid, Preference};
use crate::prompt::Prompt;
use crate::scale::Scales;
use crate::server::{Sampling, Server};

/// What an evaluation asks.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The prompts.
    pub prompts: Vec<Prompt>,
    /// Which preferences.
    pub choice: Choice,
    /// How tokens are chosen: each prompt is asked once in each of these ways.
    pub decodings: Vec<Decoding>,
    /// What must stay the same when a run goes on.
    pub terms: Terms,
    /// Whether every answer is read again for its probability under the base model, which takes about as long as writing it.
    pub likelihoods: bool,
    /// Requests side by side.
    pub threads: usize,
}

/// Which preferences are tried.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// Weights of one dimension at a time, and of pairs.
    Grid {
        /// The dimensions; empty: all of the reward model's that have a score.
        dimensions: Vec<String>,
        /// Their weights.
        weights: Vec<f64>,
        /// Pairs; none given: the first two dimensions.
        fronts: Option<Vec<(String, String)>>,
        /// Sets of dimensions that weigh 1 each.
        mixtures: Vec<Vec<String>>,
    },
    /// These.
    Given(Vec<Preference>),
}

/// The settings that an answer depends on besides its question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Of sampled answers.
    pub temperature: f64,
    /// Tokens of an answer at most.
    pub max_tokens: usize,
}

impl Terms {
    /// The first setting that is another one in `now`: its name, what it was and what it is.
    pub(crate) fn difference(&self, now: &Self) -> Option<(&'static str, String, String)> {
        let settings = [
            ("temperature", self.temperature.to_string(), now.temperature.to_string()),
            ("at most so many tokens:", self.max_tokens.to_string(), now.max_tokens.to_string()),
        ];
        settings.into_iter().find(|(_, before, now)| before != now)
    }
}

impl Plan {
    /// How an arm's answers are sampled in one of the ways of decoding.
    pub fn sampling(&self, method: &Method, decoding: Decoding) -> Sampling {
        let guidance = method.steering().map_or_else(Guidance::default, |steering| steering.guidance);
        let (temperature, seed) = match decoding {
            Decoding::Greedy => (0.0, 0),
            Decoding::Seed(seed) => (self.terms.temperature, seed),
        };
        Sampling { temperature, seed, max_tokens: self.terms.max_tokens, guidance }
    }

    /// The preferences that a server is asked to follow, without those for dimensions that it does not have.
    ///
    /// # Errors
    ///
    /// When there is none: the reward model has none of the dimensions.
    pub fn preferences(&self, server: &Server, scales: &Scales) -> Result<Vec<Preference>, EvalError> {
        let has = |name: &str| server.dimensions().iter().any(|dimension| dimension.name == name);
        let names = || server.dimensions().iter().map(|dimension| dimension.name.as_str());
        let mut preferences = match &self.choice {
            Choice::Given(given) => given.iter().filter(|preference| !preference.is_none()).cloned().collect(),
            Choice::Grid { dimensions, weights, fronts, mixtures } => {
                let dimensions: Vec<String> = if dimensions.is_empty() {
                    names().filter(|name| scales.score(name).is_some()).map(str::to_owned).collect()
                } else {
                    dimensions.clone()
                };
                let fronts = fronts.clone().unwrap_or_else(|| first_two(&dimensions));
                Grid { dimensions, weights: weights.clone(), fronts, mixtures: mixtures.clone() }.preferences()
            }
        };
        preferences.retain(|preference| preference.weights().all(|(name, _)| has(name)));
        if preferences.is_empty() {
            let names: Vec<&str> = names().collect();
            let kind = server.kind();
            return Err(EvalError::Nothing(format!(
                "the reward model (kind `{kind}`) has the dimensions [{}], and none of them is both requested and scored",
                names.join(", ")
            )));
        }
        Ok(preferences)
    }

    /// The dimensions that were asked for by name and that a server does not have.
    pub fn missing(&self, server: &Server) -> Vec<String> {
        let named: Vec<&str> = match &self.choice {
            Choice::Given(given) => given.iter().flat_map(Preference::weights).map(|(name, _)| name).collect(),
            Choice::Grid { dimensions, fronts, mixtures, .. } => {
                let fronts = fronts.iter().flatten().flat_map(|(one, other)| [one, other]);
                dimensions.iter().chain(fronts).chain(mixtures.iter().flatten()).map(String::as_str).collect()
            }
        };
        let is_missing = |name: &str| server.dimensions().iter().all(|dimension| dimension.name != name);
        let mut missing: Vec<String> = named.into_iter().filter(|name| is_missing(name)).map(str::to_owned).collect();
        missing.sort();
        missing.dedup();
        missing
    }

    /// All questions of a method. Base answers are requested whatever the preferences.
    pub fn questions(&self, method: &Method, preferences: &[Preference], scales: &Scales) -> Vec<Question> {
        let none = [Preference::none()];
        let preferences = if *method == Method::Base { &none } else { preferences };
        let mut questions = Vec::new();
        for prompt in &self.prompts {
            for preference in preferences {
                let Some(messages) = conversation(method, prompt, preference, scales) else { continue };
                questions.extend(self.decodings.iter().map(|decoding| Question {
                    method: method.clone(),
                    preference: preference.clone(),
                    prompt: prompt.id.clone(),
                    plain: prompt.messages.clone(),
                    messages: messages.clone(),
                    decoding: *decoding,
                }));
            }
        }
        questions
    }

    /// Refuses what cannot be asked.
    ///
    /// # Errors
    ///
    /// The first value that is not allowed.
    pub fn check(&self) -> Result<(), EvalError> {
        let refuse =
            |what, given: String, problem: &str| Err(EvalError::Value { what, given, problem: problem.to_owned() });
        if self.decodings.is_empty() {
            return Err(EvalError::Nothing("neither seeds nor greedy answers are requested".to_owned()));
        }
        if self.terms.max_tokens == 0 {
            return refuse("the number of tokens", "0".to_owned(), "at least 1 is allowed");
        }
        if let Choice::Grid { weights, .. } = &self.choice
            && let Some(weight) = weights.iter().find(|weight| !weight.is_finite())
        {
            return refuse("a weight", weight.to_string(), "finite numbers are allowed");
        }
        Ok(())
    }
}

fn first_two(dimensions: &[String]) -> Vec<(String, String)> {
    match dimensions {
        [one, other, ..] => vec![(one.clone(), other.clone())],
        _ => Vec::new(),
    }
}
