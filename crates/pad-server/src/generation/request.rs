//! A request for text, independent of its dialect.

use pad_api::{MaxTokens, PadOptions, Preference, PreferenceSource, Stop, StreamOptions};
use pad_reward::Prompt;
use pad_text::Message;

use super::form::FormRequest;
use super::sampling::SamplingRequest;
use crate::conversation::last_question;

/// A request for text whose values are not checked yet. Every dialect makes one from its own request.
#[derive(Clone, Debug)]
pub(crate) struct GenerationRequest {
    /// Names of the fields in the dialect.
    pub(crate) names: FieldNames,
    /// The prompts; each is answered separately.
    pub(crate) prompts: Vec<Prompt>,
    /// Choices of each prompt (`n`).
    pub(crate) choices: Option<u64>,
    /// Choices of each prompt that are generated, of which the best are kept.
    pub(crate) best_of: Option<u64>,
    /// Maximum number of tokens to generate.
    pub(crate) max_tokens: Option<MaxTokens>,
    /// How tokens are sampled.
    pub(crate) sampling: SamplingRequest,
    /// Seed of the random draws; the same seed gives the same answer.
    pub(crate) seed: Option<i64>,
    /// Strings that end the answer.
    pub(crate) stop: Option<Stop>,
    /// The form of the answer; none if the dialect has only text.
    pub(crate) form: Option<FormRequest>,
    /// Report log-probabilities, with those of this many candidates for each token.
    pub(crate) top_logprobs: Option<u64>,
    /// Report those of end tokens as well.
    pub(crate) end_logprobs: bool,
    /// Send the answer while it is generated.
    pub(crate) stream: Option<bool>,
    /// Options of the stream.
    pub(crate) stream_options: Option<StreamOptions>,
    /// What to steer towards.
    pub(crate) preference: Option<Preference>,
    /// Where that came from.
    pub(crate) preference_source: PreferenceSource,
    /// Examples that were put before the conversation.
    pub(crate) examples: usize,
    /// The beginning of the answer, given by the client, which is continued.
    pub(crate) begun: Option<String>,
    /// How strongly to steer, and whether to report why each token was chosen.
    pub(crate) pad: Option<PadOptions>,
    /// Separates the cached prompts from those of other salts.
    pub(crate) cache_salt: Option<String>,
}

impl GenerationRequest {
    /// Continue these prompts; everything else is left to the defaults.
    pub(crate) fn new(names: FieldNames, prompts: Vec<Prompt>) -> Self {
        Self {
            names,
            prompts,
            choices: None,
            best_of: None,
            max_tokens: None,
            sampling: SamplingRequest::default(),
            seed: None,
            stop: None,
            form: None,
            top_logprobs: None,
            end_logprobs: false,
            stream: None,
            stream_options: None,
            preference: None,
            preference_source: PreferenceSource::Default,
            examples: 0,
            begun: None,
            pad: None,
            cache_salt: None,
        }
    }

    /// What the user asks last, where the prompt is a conversation.
    pub(crate) fn question(&self) -> Option<&str> {
        self.prompts.iter().find_map(|prompt| match prompt {
            Prompt::Messages(messages) => last_question(messages),
            Prompt::Text(_) | Prompt::Framed(_) | Prompt::Tokens { .. } => None,
        })
    }

    /// The same with `turns`, pairs of a question and an answer, before the conversation and behind its system message.
    pub(crate) fn with_examples(mut self, turns: &[Message]) -> Self {
        for prompt in &mut self.prompts {
            if let Prompt::Messages(messages) = prompt {
                let system = messages.iter().take_while(|message| message.role == "system").count();
                messages.splice(system..system, turns.iter().cloned());
            }
        }
        self.examples = turns.len() / 2;
        self
    }
}

/// The names of fields that differ between dialects, for messages about what is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldNames {
    /// The prompt: `messages`, `prompt`, `input`.
    pub(crate) prompt: &'static str,
    /// Maximum number of tokens to generate.
    pub(crate) max_tokens: &'static str,
    /// How many candidates' log-probabilities are reported for each token.
    pub(crate) top_logprobs: &'static str,
}

impl FieldNames {
    /// Those of a conversation.
    pub(crate) const OF_CHAT: Self =
        Self { prompt: "messages", max_tokens: "max_tokens", top_logprobs: "top_logprobs" };
}
