//! A request for a response with all its values checked, and the conversation that it continues.

use std::collections::BTreeMap;

use pad_api::{
    MaxTokens, ResponseFormatKind, ResponseRequest, ResponseTool, ResponseToolChoice, ResponseTools, TextFormat,
    TextOptions, Tool,
};
use pad_text::Message;

use super::conversation::extend;
use super::stored::{self, ResponseOwner};
use crate::ApiError;
use crate::auth::Caller;
use crate::generation::form::{FormNames, FormRequest, TextForm};
use crate::generation::options::GenerationOptions;
use crate::generation::request::{FieldNames, GenerationRequest};
use crate::generation::sampling::SamplingRequest;
use crate::profiles::examples::examples;
use crate::standing_preference::Steering;
use crate::state::Shared;

/// Notes of a client's: OpenAI's bounds.
const MOST_NOTES: usize = 16;
const LONGEST_NOTE: usize = 512;
/// What the request calls its fields.
const NAMES: FieldNames = FieldNames { prompt: "input", max_tokens: "max_output_tokens", top_logprobs: "top_logprobs" };
const FORM_NAMES: FormNames = FormNames { text: "text.format.schema", function: "" };
/// Characters of a tool's kind that are logged.
const LONGEST_KIND: usize = 64;
/// Asks for log-probabilities.
const LOGPROBS: &str = "message.output_text.logprobs";

/// What a request asks for.
pub(super) struct CheckedResponseRequest {
    /// What is generated.
    pub(super) options: GenerationOptions,
    /// The conversation up to the answer, without instructions.
    pub(super) conversation: Vec<Message>,
    /// Whose it is, if it is stored.
    pub(super) owner: ResponseOwner,
    pub(super) request_fields: RequestFields,
}

/// The fields of a request that its response repeats.
pub(super) struct RequestFields {
    pub(super) instructions: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) store: bool,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) temperature: f64,
    pub(super) top_p: f64,
    pub(super) text: TextOptions,
    pub(super) tools: Vec<ResponseTool>,
    pub(super) tool_choice: ResponseToolChoice,
    pub(super) parallel: bool,
    pub(super) top_logprobs: u64,
    pub(super) metadata: BTreeMap<String, String>,
}

impl CheckedResponseRequest {
    /// Check a request's values, and find the conversation that it follows.
    ///
    /// # Errors
    /// 404 for a response that is not stored, 400 naming the field that is wrong, 503 if the database does not answer.
    pub(super) async fn check(
        request: ResponseRequest,
        steering: Steering,
        shared: &Shared,
        caller: &Caller,
    ) -> Result<Self, ApiError> {
        refuse_stored(&request)?;
        let state = &shared.state;
        let metadata = request.metadata.unwrap_or_default();
        check_metadata(&metadata)?;
        let profile = steering.profile().map(str::to_owned);
        let mut owner = ResponseOwner { scope: caller.scope(), person: steering.person };
        let mut conversation = match &request.previous_response_id {
            None => Vec::new(),
            Some(id) => {
                let found = stored::find(shared, &owner.scope, id).await;
                let found = found.map_err(|error| error.about("previous_response_id"))?;
                // What was said before is about the same person, named or not.
                owner.person = owner.person.or(found.person);
                found.conversation
            }
        };
        let before = conversation.len();
        extend(&mut conversation, request.input);
        if conversation.len() == before {
            return Err(ApiError::invalid("input", "`input` is empty; allowed: a string, or one item or more"));
        }
        let system = request.instructions.as_ref().map(|instructions| Message::new("system", instructions.clone()));
        let prompt: Vec<Message> = system.into_iter().chain(conversation.iter().cloned()).collect();
        let format = request.text.and_then(|text| text.format).unwrap_or_else(TextFormat::text);
        let ResponseTools { functions: tools, skipped } = request.tools.unwrap_or_default();
        for kind in skipped {
            let kind: String = kind.chars().take(LONGEST_KIND).collect();
            tracing::info!(kind = ?kind, "ignored a tool that this server does not run");
        }
        let tool_choice = request.tool_choice;
        let top = request.top_logprobs.unwrap_or(0);
        let logprobs = top > 0 || request.include.iter().flatten().any(|what| what == LOGPROBS);
        let generation = GenerationRequest {
            max_tokens: request.max_output_tokens,
            sampling: SamplingRequest {
                temperature: request.temperature,
                top_p: request.top_p,
                ..SamplingRequest::default()
            },
            seed: request.seed,
            form: Some(FormRequest {
                names: FORM_NAMES,
                text: text_form(&format)?,
                functions: tools.iter().cloned().map(|tool| Tool::from(tool).function).collect(),
                tool_choice: tool_choice.clone().map(|choice| choice.0),
                parallel_calls: request.parallel_tool_calls,
            }),
            top_logprobs: logprobs.then_some(top),
            stream: request.stream,
            preference: steering.preference,
            preference_source: steering.source,
            cache_salt: request.cache_salt,
            pad: request.pad,
            ..GenerationRequest::new(NAMES, vec![prompt.into()])
        };
        let request_fields = RequestFields {
            instructions: request.instructions,
            previous: request.previous_response_id,
            store: request.store.unwrap_or(true),
            max_output_tokens: request.max_output_tokens.and_then(MaxTokens::most),
            temperature: request.temperature.unwrap_or_else(|| f64::from(state.defaults.temperature)),
            top_p: request.top_p.unwrap_or_else(|| f64::from(state.defaults.top_p)),
            text: TextOptions { format: Some(format) },
            tools,
            tool_choice: tool_choice.unwrap_or_default(),
            parallel: request.parallel_tool_calls.unwrap_or(state.defaults.parallel_calls),
            top_logprobs: top,
            metadata,
        };
        let examples = examples(shared, &owner.scope, profile.as_deref(), generation.question()).await;
        let options = GenerationOptions::check(generation.with_examples(&examples), state)?;
        Ok(Self { options, conversation, owner, request_fields })
    }
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let long = |(name, note): (&String, &String)| name.len().max(note.len()) > LONGEST_NOTE;
    if metadata.len() > MOST_NOTES || metadata.iter().any(long) {
        let message = format!("`metadata` is too large; allowed: {MOST_NOTES} entries of {LONGEST_NOTE} bytes");
        return Err(ApiError::invalid("metadata", message));
    }
    Ok(())
}

fn refuse_stored(request: &ResponseRequest) -> Result<(), ApiError> {
    let stored = [
        ("conversation", request.conversation.is_some(), "use `previous_response_id` to continue a conversation"),
        ("prompt", request.prompt.is_some(), "stored prompts are not supported; use `instructions`"),
    ];
    match stored.into_iter().find(|(_, given, _)| *given) {
        Some((name, _, instead)) => Err(ApiError::invalid(name, format!("`{name}` is given: {instead}"))),
        None => Ok(()),
    }
}

fn text_form(format: &TextFormat) -> Result<TextForm, ApiError> {
    let missing = match (format.kind, &format.name, &format.schema) {
        (ResponseFormatKind::Text, ..) => return Ok(TextForm::Any),
        (ResponseFormatKind::JsonObject, ..) => return Ok(TextForm::Object),
        (ResponseFormatKind::JsonSchema, Some(_), Some(schema)) => return Ok(TextForm::Schema(schema.clone())),
        (ResponseFormatKind::JsonSchema, None, _) => "name",
        (ResponseFormatKind::JsonSchema, _, None) => "schema",
    };
    let param = format!("text.format.{missing}");
    Err(ApiError::invalid(&param, format!("`{param}` is absent; a `json_schema` has a `name` and a `schema`")))
}
