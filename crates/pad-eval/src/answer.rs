//! Questions and their answers.

use std::fmt;

use pad_client::Message;
use serde::{Deserialize, Serialize};

use crate::journal::Record;
use crate::method::Method;
use crate::preference::Preference;

/// How tokens are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoding {
    /// Always the best one.
    Greedy,
    /// Drawn, from this seed on.
    Seed(u64),
}

impl Decoding {
    /// The answers that are averaged together with it.
    pub fn style(self) -> Style {
        match self {
            Self::Greedy => Style::Greedy,
            Self::Seed(_) => Style::Sampled,
        }
    }
}

impl fmt::Display for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Greedy => f.write_str("greedy"),
            Self::Seed(seed) => write!(f, "seed {seed}"),
        }
    }
}

/// Greedy answers are one thing and sampled ones, over all seeds, another: a small model's greedy answers loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// Over all seeds.
    Sampled,
    /// The one greedy answer.
    Greedy,
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sampled => "sampled",
            Self::Greedy => "greedy",
        })
    }
}

/// One answer that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// How the preference reaches the answer.
    pub method: Method,
    /// What is preferred.
    pub preference: Preference,
    /// The prompt's id.
    pub prompt: String,
    /// The conversation without any preference in it.
    pub plain: Vec<Message>,
    /// The conversation that the model gets.
    pub messages: Vec<Message>,
    /// How tokens are chosen.
    pub decoding: Decoding,
}

impl Question {
    /// Its name in the results: all that sets it apart from the others.
    pub fn id(&self) -> String {
        format!("{} | {} | {} | {}", self.method, self.preference, self.prompt, self.decoding)
    }
}

/// A line of `answers.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The question's id.
    pub id: String,
    /// How the preference reached the answer.
    pub method: Method,
    /// What was preferred.
    pub preference: Preference,
    /// The prompt's id.
    pub prompt: String,
    /// The conversation that the model got.
    pub messages: Vec<Message>,
    /// How tokens were chosen.
    pub decoding: Decoding,
    /// The text.
    pub answer: String,
    /// Whether the model ended it itself.
    pub complete: bool,
    /// Its tokens.
    pub tokens: u64,
    /// Tokens that were not the base model's first.
    pub steered_tokens: u64,
    /// Reward lanes that were run beside the base lane.
    #[serde(default)]
    pub reward_lanes: u64,
    /// Seconds from the request to the answer, other requests beside it.
    #[serde(default)]
    pub seconds: f64,
}

impl Record for Answer {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A line of `likelihoods.jsonl`: how probable an answer is under the base model without a preference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// The answer's id.
    pub id: String,
    /// The answer, without which an old line might be taken for a new answer's.
    pub answer: String,
    /// The log-probability of all tokens, in nats.
    pub base_logprob: f64,
    /// How many they are.
    pub tokens: u64,
}

impl Record for Likelihood {
    fn id(&self) -> &str {
        &self.id
    }
}
