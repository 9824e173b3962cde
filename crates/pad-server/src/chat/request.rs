//! A chat completion's request for the generation.

use pad_api::{ChatRequest, ResponseFormat, ResponseFormatKind};

use crate::ApiError;
use crate::conversation::conversation;
use crate::generation::form::{FormNames, FormRequest, TextForm};
use crate::generation::request::{FieldNames, GenerationRequest};
use crate::generation::sampling::SamplingRequest;

/// What the request calls its fields.
const NAMES: FieldNames = FieldNames { prompt: "messages", max_tokens: "max_tokens", top_logprobs: "top_logprobs" };
const FORM_NAMES: FormNames = FormNames { schema: "response_format.json_schema.schema", function: ".function" };

/// What the request asks for.
///
/// # Errors
/// 400 naming the field that is wrong.
pub(super) fn generation_request(request: ChatRequest) -> Result<GenerationRequest, ApiError> {
    let newer = request.max_completion_tokens;
    let names = FieldNames { max_tokens: newer.map_or(NAMES.max_tokens, |_| "max_completion_tokens"), ..NAMES };
    let functions = request.tools.unwrap_or_default();
    if request.functions.is_some() && functions.is_empty() {
        let message = "`functions` is given; allowed: `tools`, each {\"type\": \"function\", \"function\": {...}}";
        return Err(ApiError::invalid("functions", message));
    }
    let prompt = conversation(request.messages)?.into();
    Ok(GenerationRequest {
        choices: request.n,
        max_tokens: newer.or(request.max_tokens),
        sampling: SamplingRequest {
            temperature: request.temperature,
            min_p: request.min_p,
            top_k: request.top_k,
            top_p: request.top_p,
            logit_bias: request.logit_bias,
            presence_penalty: request.presence_penalty,
            frequency_penalty: request.frequency_penalty,
            repetition_penalty: request.repetition_penalty,
            ignore_eos: request.ignore_eos,
            min_tokens: request.min_tokens,
        },
        seed: request.seed,
        stop: request.stop,
        form: Some(FormRequest {
            names: FORM_NAMES,
            text: text_form(request.response_format)?,
            functions: functions.into_iter().map(|tool| tool.function).collect(),
            tool_choice: request.tool_choice,
            parallel_calls: request.parallel_tool_calls,
        }),
        top_logprobs: top_logprobs(request.logprobs, request.top_logprobs)?,
        stream: request.stream,
        stream_options: request.stream_options,
        preference: request.preference,
        pad: request.pad,
        ..GenerationRequest::new(names, vec![prompt])
    })
}

/// A `json_schema` without a schema is any object.
fn text_form(format: Option<ResponseFormat>) -> Result<TextForm, ApiError> {
    let Some(ResponseFormat { kind, json_schema }) = format else { return Ok(TextForm::Any) };
    match (kind, json_schema) {
        (ResponseFormatKind::Text, _) => Ok(TextForm::Any),
        (ResponseFormatKind::JsonObject, _) => Ok(TextForm::Object),
        (ResponseFormatKind::JsonSchema, Some(described)) => {
            Ok(described.schema.map_or(TextForm::Object, TextForm::Schema))
        }
        (ResponseFormatKind::JsonSchema, None) => {
            let message = "`response_format.json_schema` is absent; allowed: an object with `name` and `schema`";
            Err(ApiError::invalid("response_format.json_schema", message))
        }
    }
}

fn top_logprobs(logprobs: Option<bool>, top: Option<u64>) -> Result<Option<u64>, ApiError> {
    match (logprobs.unwrap_or(false), top) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None) => Ok(None),
        (false, Some(_)) => {
            let message = "`top_logprobs` is given without `logprobs`; allowed: with `logprobs` true";
            Err(ApiError::invalid("top_logprobs", message))
        }
    }
}
