//! The body of `POST /v1/responses`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use utoipa::ToSchema;

use crate::object::objects;
use crate::whole;
use crate::{MaxTokens, PadOptions, PreferenceChoice, ResponseInput, ResponseToolChoice, ResponseTools, TextOptions};

/// A request for a response: text and function calls.
///
/// A field that is not listed here is ignored and its name logged once.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({
    "model": "smollm2-135m-instruct", "instructions": "Be kind.", "input": "How do I prepare for a job interview?",
    "max_output_tokens": 64, "preference": {"concise": 1.0}
}))]
pub struct ResponseRequest {
    /// The input.
    pub input: ResponseInput,
    /// The served model's id or an alias of it; default: the served model.
    pub model: Option<String>,
    /// The first system message. It applies to this response only, not to those that continue it.
    pub instructions: Option<String>,
    /// The response that this one continues: its conversation precedes the input.
    pub previous_response_id: Option<String>,
    /// Store the response and its conversation, so that another can continue it. Default: true. The server stores a
    /// limited number of them, the latest, in memory.
    pub store: Option<bool>,
    /// Maximum number of tokens to generate. Default: the server's; a larger number is reduced to what fits, as in a chat completion.
    pub max_output_tokens: Option<MaxTokens>,
    /// 0 always chooses the best score; higher values flatten the distribution.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    /// Sample from the smallest set of candidates with at least this share of the probability.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Makes the request repeatable, whatever else the server is doing.
    #[serde(default, deserialize_with = "whole::optional")]
    pub seed: Option<i64>,
    /// The form of the text.
    pub text: Option<TextOptions>,
    /// Functions that the model may call.
    pub tools: Option<ResponseTools>,
    /// Whether functions are called, and which. Default: `auto` if there are tools.
    pub tool_choice: Option<ResponseToolChoice>,
    /// Whether one response may contain several calls; default: the server's. No call is made twice with the same arguments.
    pub parallel_tool_calls: Option<bool>,
    /// What to report in addition to the text: `message.output_text.logprobs` for the tokens' log-probabilities; OpenAI's other
    /// values are ignored.
    pub include: Option<Vec<String>>,
    /// Report this many of the most probable candidates at each position. More than 0 requests log-probabilities, too.
    #[schema(minimum = 0, maximum = 20)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub top_logprobs: Option<u64>,
    /// A stored conversation of OpenAI's; rejected: see `previous_response_id`.
    #[schema(value_type = Option<Object>)]
    pub conversation: Option<IgnoredAny>,
    /// A stored prompt of OpenAI's; rejected: see `instructions`.
    #[schema(value_type = Option<Object>)]
    pub prompt: Option<IgnoredAny>,
    /// Send typed events while the response is generated.
    pub stream: Option<bool>,
    /// Metadata of the client, returned with the response. `pad_preference` is a preference for clients that cannot send
    /// `preference`: as text, in one of the forms of the header `x-pad-preference`.
    pub metadata: Option<BTreeMap<String, String>>,
    /// What to steer towards; see `GET /v1/preferences` for the dimensions.
    pub preference: Option<PreferenceChoice>,
    /// The user on whose behalf the request is made. If the server binds profiles to users, the stored profile of this name applies where
    /// neither body, header nor metadata have a preference.
    pub user: Option<String>,
    /// The user under OpenAI's newer name; used if `user` is absent.
    pub safety_identifier: Option<String>,
    /// How strongly to steer, and whether to explain it.
    pub pad: Option<PadOptions>,
    /// Separates the cached prompt: only requests with the same salt (and key) can use it. Not empty.
    #[schema(min_length = 1)]
    pub cache_salt: Option<String>,
}

objects! {
    ResponseRequest: "an object with `input`",
}
