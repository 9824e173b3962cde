//! The body of `POST /v1/responses`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use utoipa::ToSchema;

use crate::object::objects;
use crate::whole;
use crate::{MaxTokens, PadOptions, Preference, ResponseInput, ResponseToolChoice, ResponseTools, TextOptions};

/// A request for a response: text and calls of functions.
///
/// A field that is not listed here is ignored and its name logged once.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({
    "model": "smollm2-135m-instruct", "instructions": "Be kind.", "input": "How do I prepare for a job interview?",
    "max_output_tokens": 64, "preference": {"concise": 1.0}
}))]
pub struct ResponseRequest {
    /// What is answered.
    pub input: ResponseInput,
    /// The served model's id or an alias of it; absent means the served model.
    pub model: Option<String>,
    /// What the system says first. It holds for this response only, not for those that follow it.
    pub instructions: Option<String>,
    /// The response that this one follows: its conversation comes before the input.
    pub previous_response_id: Option<String>,
    /// Remember the response and its conversation, so that another can follow it. True where it is absent. The server remembers a
    /// bounded number of them, the latest, in memory.
    pub store: Option<bool>,
    /// Tokens to generate at most. Absent means the server's default; more than fit are cut to that, as in a chat completion.
    pub max_output_tokens: Option<MaxTokens>,
    /// 0 chooses the best score always; higher values flatten the distribution.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    /// Sample from the smallest set of candidates that has this much of the probability.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Makes the request repeatable, whatever else the server does meanwhile.
    #[serde(default, deserialize_with = "whole::optional")]
    pub seed: Option<i64>,
    /// What form the text is to have.
    pub text: Option<TextOptions>,
    /// Functions that the model may call.
    pub tools: Option<ResponseTools>,
    /// Whether functions are called, and which. Absent means `auto` where there are tools.
    pub tool_choice: Option<ResponseToolChoice>,
    /// Whether one response may call several times; absent means that it may.
    pub parallel_tool_calls: Option<bool>,
    /// What to tell beside the text: `message.output_text.logprobs` asks for the tokens' log-probabilities; what else OpenAI knows
    /// is not there to be told, and passed over.
    pub include: Option<Vec<String>>,
    /// Report so many of the most probable candidates in each token's place. More than 0 asks for log-probabilities, too.
    #[schema(minimum = 0, maximum = 20)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub top_logprobs: Option<u64>,
    /// A stored conversation of OpenAI's, which is refused: see `previous_response_id`.
    #[schema(value_type = Option<Object>)]
    pub conversation: Option<IgnoredAny>,
    /// A stored prompt of OpenAI's, which is refused: see `instructions`.
    #[schema(value_type = Option<Object>)]
    pub prompt: Option<IgnoredAny>,
    /// Send typed events while the response is generated.
    pub stream: Option<bool>,
    /// Notes of the client's, given back with the response. `pad_preference` is a preference for clients that cannot send
    /// `preference`: as text, in one of the forms of the header `x-pad-preference`.
    pub metadata: Option<BTreeMap<String, String>>,
    /// What to steer towards; see `GET /v1/preferences` for the dimensions.
    pub preference: Option<Preference>,
    /// How strongly to steer, and whether to explain it.
    pub pad: Option<PadOptions>,
    /// Keeps what is cached of the prompt apart: only requests with the same salt (and key) find it. Not empty.
    #[schema(min_length = 1)]
    pub cache_salt: Option<String>,
}

objects! {
    ResponseRequest: "an object with `input`",
}
