//! The body of `POST /v1/chat/completions`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::object::objects;
use crate::whole;
use crate::{
    ChatMessage, GuidedJson, MaxTokens, PadOptions, PreferenceChoice, ResponseFormat, Stop, StructuredOutputs, Tool,
    ToolChoice,
};

/// A chat completion request.
///
/// Every other field that OpenAI's API knows may be sent; a field that is not listed here is ignored and its name logged once.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({
    "model": "smollm2-135m-instruct",
    "messages": [{"role": "user", "content": "How do I prepare for a job interview?"}],
    "max_tokens": 64,
    "preference": {"concise": 1.0, "harmless": 0.5},
    "pad": {"beta": 1.0, "top_k": 10, "trace": false}
}))]
pub struct ChatRequest {
    /// The conversation so far, oldest message first.
    #[schema(min_items = 1)]
    pub messages: Vec<ChatMessage>,
    /// The served model's id or an alias of it; default: the served model.
    pub model: Option<String>,
    /// Whether to store the conversation and its answers, so that feedback can name them by the completion's id. Default: false.
    pub store: Option<bool>,
    /// Maximum number of tokens to generate. Default: the server's; -1 means as many as fit the context. A larger number is reduced
    /// to what fits, and the answer ends with `length`, unless `strict_max_tokens` is set on the server. `max_completion_tokens`
    /// takes precedence if both are sent.
    pub max_tokens: Option<MaxTokens>,
    /// Maximum number of tokens to generate, under the newer name.
    pub max_completion_tokens: Option<MaxTokens>,
    /// 0 always chooses the best score; higher values flatten the distribution.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    /// Sample only candidates with at least this fraction of the best one's probability. Applied before `top_k` and `top_p`.
    #[schema(minimum = 0, maximum = 1)]
    pub min_p: Option<f64>,
    /// Sample from this many candidates with the best scores; 0 and -1 mean all. Applied second. It narrows the sampling
    /// after steering; `pad.top_k` sets how many of the base model's tokens are candidates in the first place, and a larger
    /// number here has no effect.
    #[schema(minimum = -1)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub top_k: Option<i64>,
    /// Sample from the smallest set of candidates with at least this share of the remaining probability. Applied last; 0 leaves only the
    /// best one.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Added to the base model's logits before its candidates are taken: from token ids (as strings) to -100 (a ban) up to 100
    /// (forces it). At most 1024 tokens; entries of 0 or beyond the vocabulary are ignored.
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// Subtracted from a token's logit once it was generated. Penalties change the base model's logits, after `logit_bias` and
    /// before its candidates are taken; rewards are measured without them.
    #[schema(minimum = -2, maximum = 2)]
    pub presence_penalty: Option<f64>,
    /// Subtracted from a token's logit for every time it was generated.
    #[schema(minimum = -2, maximum = 2)]
    pub frequency_penalty: Option<f64>,
    /// Divides a token's logit if it is positive, else multiplies it, if the token is in the prompt or was
    /// generated; 1 changes nothing. Applied before the other two penalties.
    #[schema(minimum = 0.01, maximum = 100)]
    pub repetition_penalty: Option<f64>,
    /// Generate until `max_tokens`: end tokens are not candidates.
    pub ignore_eos: Option<bool>,
    /// Minimum number of tokens: before it is reached, end tokens are not candidates and stop strings do not end the answer.
    #[schema(minimum = 0)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub min_tokens: Option<u64>,
    /// Report the tokens' log-probabilities in `choices[].logprobs`.
    pub logprobs: Option<bool>,
    /// Report this many of the most probable candidates at each position, or all if there are fewer; more than 0 requires `logprobs`.
    #[schema(minimum = 0, maximum = 20)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub top_logprobs: Option<u64>,
    /// Makes the request repeatable, whatever else the server is doing.
    #[serde(default, deserialize_with = "whole::optional")]
    pub seed: Option<i64>,
    /// Up to four strings that end the answer; they are not part of it.
    pub stop: Option<Stop>,
    /// How many independent choices to generate; the prompt is processed once for all.
    #[schema(minimum = 1)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub n: Option<u64>,
    /// Generate this many choices and keep the `n` best by the measure `pad.best_of_by`. Not for streams, since sent text cannot be
    /// withdrawn; 0 is the same as absent.
    #[schema(minimum = 0)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub best_of: Option<u64>,
    /// Send the answer as server-sent events while it is generated.
    pub stream: Option<bool>,
    /// Options of the stream; ignored without `stream`.
    pub stream_options: Option<StreamOptions>,
    /// The form of the answer. Tokens are chosen only among those that the form allows; a stop string and `max_tokens` may
    /// still cut it off. The model does not see the form: describe in a message what you want.
    pub response_format: Option<ResponseFormat>,
    /// A JSON schema that the answer must follow, under vLLM's older name.
    pub guided_json: Option<GuidedJson>,
    /// The texts of which the answer must be one, 1 to 1000, under vLLM's older name.
    pub guided_choice: Option<Vec<String>>,
    /// A regular expression that the answer must match as a whole, under vLLM's older name.
    pub guided_regex: Option<String>,
    /// A grammar in Lark's notation that the answer must follow, under vLLM's older name. Not together with tools that may be called.
    pub guided_grammar: Option<String>,
    /// A constraint of the answer's text, under vLLM's newer name.
    pub structured_outputs: Option<StructuredOutputs>,
    /// Continue the last message, which must be the assistant's, instead of answering it. The answer contains only what is added.
    pub continue_final_message: Option<bool>,
    /// Open the assistant's turn after the messages. May be false only with `continue_final_message`, and true only without it.
    pub add_generation_prompt: Option<bool>,
    /// The output types: only `text`.
    pub modalities: Option<Vec<String>>,
    /// Parameters of speech output. Rejected, unless `modalities` contains only text.
    #[schema(value_type = Option<Object>)]
    pub audio: Option<IgnoredAny>,
    /// Tools that the model may call.
    #[schema(max_items = 128)]
    pub tools: Option<Vec<Tool>>,
    /// Whether tools are called, and which. Default: `auto` if there are tools.
    pub tool_choice: Option<ToolChoice>,
    /// Whether one answer may contain several calls; default: the server's. No call is made twice with the same arguments.
    pub parallel_tool_calls: Option<bool>,
    /// The old name of `tools`; rejected with a pointer to `tools`, unless it is empty.
    #[schema(deprecated, value_type = Option<Vec<Object>>)]
    pub functions: Option<Vec<IgnoredAny>>,
    /// What to steer towards; see `GET /v1/preferences` for the dimensions. Default: the server's.
    pub preference: Option<PreferenceChoice>,
    /// Metadata of the client. `pad_preference` is a preference for clients that cannot send `preference`: as text, in one of the
    /// forms of the header `x-pad-preference`.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
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

/// Options of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(remote = "Self")]
pub struct StreamOptions {
    /// Send `usage` in a last chunk that has no choices.
    pub include_usage: Option<bool>,
}

objects! {
    ChatRequest: "an object with `messages`",
    StreamOptions: "an object with `include_usage`",
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Role, from_slice};

    fn read(body: &serde_json::Value) -> ChatRequest {
        from_slice(body.to_string().as_bytes()).expect("the request is well formed").value
    }

    /// The body that openai-python's own suite sends with every parameter set.
    #[test]
    fn every_parameter_of_the_sdk_is_accepted() {
        let body = json!({
            "messages": [{"content": "string", "role": "developer", "name": "name"}],
            "model": "gpt", "audio": {"format": "wav", "voice": "alloy"}, "frequency_penalty": -2, "function_call": "none",
            "functions": [{"name": "name", "parameters": {"foo": "bar"}}], "logit_bias": {"foo": 0}, "logprobs": true,
            "max_completion_tokens": 0, "max_tokens": 0, "metadata": {"foo": "string"}, "modalities": ["text"], "n": 1,
            "parallel_tool_calls": true, "prediction": {"content": "string", "type": "content"}, "presence_penalty": -2,
            "prompt_cache_key": "k", "reasoning_effort": "none", "response_format": {"type": "text"}, "safety_identifier": "s",
            "seed": -9_007_199_254_740_991_i64, "service_tier": "auto", "stop": "\n", "store": true, "stream": false,
            "stream_options": {"include_obfuscation": true, "include_usage": true}, "temperature": 1, "tool_choice": "none",
            "tools": [{"function": {"name": "name", "strict": true}, "type": "function"}], "top_logprobs": 0, "top_p": 1,
            "user": "user-1234", "verbosity": "low", "web_search_options": {"search_context_size": "low"}
        });
        let parsed = from_slice::<ChatRequest>(body.to_string().as_bytes()).expect("the request is well formed");
        let request = parsed.value;
        assert_eq!(request.messages[0].role, Role::Developer);
        assert_eq!(request.seed, Some(-9_007_199_254_740_991));
        let none = Some(MaxTokens::Most(0));
        assert_eq!((request.max_tokens, request.max_completion_tokens), (none, none));
        assert_eq!((request.logprobs, request.top_logprobs), (Some(true), Some(0)));
        assert_eq!((request.frequency_penalty, request.presence_penalty), (Some(-2.0), Some(-2.0)));
        assert_eq!(request.logit_bias, Some(BTreeMap::from([("foo".to_owned(), 0.0)])));
        assert_eq!(request.stream_options, Some(StreamOptions { include_usage: Some(true) }));
        assert_eq!(request.tools.map(|tools| tools[0].function.strict), Some(Some(true)));
        assert_eq!((request.parallel_tool_calls, request.functions.map(|all| all.len())), (Some(true), Some(1)));
        for name in ["function_call", "stream_options.include_obfuscation", "verbosity"] {
            assert!(parsed.ignored.iter().any(|ignored| ignored == name), "{name} is reported in {:?}", parsed.ignored);
        }
        assert_eq!((request.user.as_deref(), request.safety_identifier.as_deref()), (Some("user-1234"), Some("s")));
        assert!(!parsed.ignored.iter().any(|name| name == "model"));
    }

    #[test]
    fn null_is_absent() {
        let request = read(&json!({
            "messages": [{"role": "user", "content": "hi"}], "model": null, "max_tokens": null, "temperature": null, "top_p": null,
            "min_p": null, "top_k": null, "logit_bias": null, "presence_penalty": null, "frequency_penalty": null,
            "repetition_penalty": null, "ignore_eos": null, "min_tokens": null, "logprobs": null, "top_logprobs": null,
            "seed": null, "stop": null, "n": null, "stream": null, "stream_options": null, "preference": null, "pad": null,
            "response_format": null, "tools": null, "tool_choice": null, "parallel_tool_calls": null, "functions": null
        }));
        assert!(request.logit_bias.is_none() && request.logprobs.is_none() && request.top_k.is_none());
        assert!(request.stop.is_none() && request.preference.is_none() && request.pad.is_none() && request.n.is_none());
    }
}
