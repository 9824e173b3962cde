//! The body of `POST /v1/completions`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::object::objects;
use crate::whole;
use crate::{
    GuidedJson, MaxTokens, PadOptions, PreferenceChoice, Prompt, ResponseFormat, Stop, StreamOptions, StructuredOutputs,
};

/// A completion request: prompts that are continued without a chat template.
///
/// A field that is not listed here is ignored and its name logged once.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(remote = "Self")]
#[schema(example = json!({
    "model": "smollm2-135m-instruct", "prompt": "Once upon a time", "max_tokens": 32, "preference": {"concise": 1.0}
}))]
pub struct CompletionRequest {
    /// What to continue.
    pub prompt: Prompt,
    /// The served model's id or an alias of it; default: the served model.
    pub model: Option<String>,
    /// Maximum number of tokens to generate; default 16. 0 generates nothing, which is useful with `echo`; -1 means as many as
    /// fit. A larger number is reduced to what fits, as in a chat completion.
    pub max_tokens: Option<MaxTokens>,
    /// Start each choice with its prompt.
    pub echo: Option<bool>,
    /// How many independent choices to generate for each prompt.
    #[schema(minimum = 1)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub n: Option<u64>,
    /// Generate this many choices for each prompt and keep the `n` best by the measure `pad.best_of_by`: by default those whose tokens
    /// have the highest mean log-probability (of the distribution that was sampled from). Not for streams, since sent text cannot be
    /// withdrawn; 0 is the same as absent.
    #[schema(minimum = 0)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub best_of: Option<u64>,
    /// Report each token's log-probability, and those of this many of the most probable candidates at its position. With `echo` the
    /// prompt's own tokens are reported as well, over the whole vocabulary of the base model alone, and so is the end token, whose
    /// text is empty: there is an entry for every token that was read or generated.
    #[schema(minimum = 0, maximum = 20)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub logprobs: Option<u64>,
    /// Not supported: this server does not fill in the middle. An empty string is the same as absent.
    pub suffix: Option<String>,
    /// 0 always chooses the best score; higher values flatten the distribution.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    /// As in a chat completion.
    #[schema(minimum = 0, maximum = 1)]
    pub min_p: Option<f64>,
    /// As in a chat completion.
    #[schema(minimum = -1)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub top_k: Option<i64>,
    /// As in a chat completion.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// As in a chat completion.
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// As in a chat completion.
    #[schema(minimum = -2, maximum = 2)]
    pub presence_penalty: Option<f64>,
    /// As in a chat completion.
    #[schema(minimum = -2, maximum = 2)]
    pub frequency_penalty: Option<f64>,
    /// As in a chat completion.
    #[schema(minimum = 0.01, maximum = 100)]
    pub repetition_penalty: Option<f64>,
    /// Generate until `max_tokens`: end tokens are not candidates.
    pub ignore_eos: Option<bool>,
    /// As in a chat completion.
    #[schema(minimum = 0)]
    #[serde(default, deserialize_with = "whole::optional")]
    pub min_tokens: Option<u64>,
    /// Makes the request repeatable, whatever else the server is doing.
    #[serde(default, deserialize_with = "whole::optional")]
    pub seed: Option<i64>,
    /// Up to four strings that end the text; they are not part of it.
    pub stop: Option<Stop>,
    /// Send the text as server-sent events while it is generated.
    pub stream: Option<bool>,
    /// Options of the stream; ignored without `stream`.
    pub stream_options: Option<StreamOptions>,
    /// The form of the text, as in a chat completion.
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
    /// What to steer towards. A reward lane with a principle puts it around the prompt's text.
    pub preference: Option<PreferenceChoice>,
    /// As in a chat completion.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// The user on whose behalf the request is made. If the server binds profiles to users, the stored profile of this name applies where
    /// neither body, header nor metadata have a preference.
    pub user: Option<String>,
    /// How strongly to steer, and whether to explain it.
    pub pad: Option<PadOptions>,
    /// Separates the cached prompt: only requests with the same salt (and key) can use it. Not empty.
    #[schema(min_length = 1)]
    pub cache_salt: Option<String>,
}

objects! {
    CompletionRequest: "an object with `prompt`",
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::from_slice;

    /// The body that openai-python's own suite sends with every parameter set.
    #[test]
    fn every_parameter_of_the_sdk_is_read() {
        let body = json!({
            "model": "string", "prompt": "This is a test.", "best_of": 0, "echo": true, "frequency_penalty": -2,
            "logit_bias": {"foo": 0}, "logprobs": 0, "max_tokens": 16, "n": 1, "presence_penalty": -2, "seed": 0, "stop": "\n",
            "stream": false, "stream_options": {"include_usage": true}, "suffix": "test.", "temperature": 1, "top_p": 1,
            "user": "user-1234"
        });
        let parsed = from_slice::<CompletionRequest>(body.to_string().as_bytes()).expect("well formed");
        assert_eq!((parsed.value.best_of, parsed.value.logprobs, parsed.value.echo), (Some(0), Some(0), Some(true)));
        assert!(parsed.ignored.is_empty(), "{:?}", parsed.ignored);
        assert_eq!(parsed.value.user.as_deref(), Some("user-1234"));
        let missing = from_slice::<CompletionRequest>(b"{}").expect_err("no prompt");
        assert_eq!(missing.param.as_deref(), Some("prompt"));
    }
}
