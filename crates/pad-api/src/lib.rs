//! The wire types: OpenAI's requests and answers, and the additions of PAD Server.
//!
//! Requests are read leniently as to fields (unknown ones are reported, not rejected) and strictly as to types
//! ([`from_slice`] names the field that is wrong). Responses are written exactly as OpenAI's SDKs read them.
//! Additions live under two names: `preference` and `pad` in requests, `pad` in responses.
//!
//! The crate depends neither on axum nor on the engine: ranges and names are checked by the crates that define them.

mod call_arguments;
mod chat_chunk;
mod chat_request;
mod chat_response;
mod completion_request;
mod completion_response;
mod content;
mod elicitation;
mod embeddings;
mod error;
mod feedback;
mod health;
mod input_part;
mod learned;
mod logprobs;
mod max_tokens;
mod message;
mod model;
mod object;
mod pad_options;
mod parse;
mod preference;
mod preference_choice;
mod preference_list;
mod preference_source;
mod preference_text;
mod profile;
mod prompt;
mod response;
mod response_event;
mod response_format;
mod response_input;
mod response_input_items;
mod response_output;
mod response_request;
mod response_status;
mod response_text;
mod response_tool;
mod response_tool_choice;
mod rewards;
mod server_info;
mod stop;
mod structured_outputs;
mod text_logprobs;
mod tokens;
mod tool;
mod tool_choice;
mod trace;
mod usage;
mod whole;

pub use chat_chunk::{ChatChunk, ChunkChoice, Delta};
pub use chat_request::{ChatRequest, StreamOptions};
pub use chat_response::{AssistantMessage, ChatChoice, ChatCompletion, FinishReason};
pub use completion_request::CompletionRequest;
pub use completion_response::{Completion, CompletionChoice};
pub use content::{Content, ContentPart};
pub use elicitation::{ElicitRequest, PreferenceQuestion, QuestionAnswer};
pub use embeddings::{Embedding, EmbeddingNumbers, Embeddings, EmbeddingsRequest, EmbeddingsUsage, EncodingFormat};
pub use error::{ErrorBody, ErrorDetail};
pub use feedback::{Feedback, FeedbackRequest, RejectedAnswers, Thumb, UndoneFeedback};
pub use health::{EngineHealth, Health, HealthStatus, KvBlocks, Readiness, ReadyStatus, Version};
pub use input_part::InputPart;
pub use learned::{LearnedDimension, LearnedPreference};
pub use logprobs::{Logprobs, TokenLogprob, TopLogprob};
pub use max_tokens::MaxTokens;
pub use message::{ChatMessage, Role};
pub use model::{Model, ModelList};
pub use object::ObjectKind;
pub use pad_options::{BestOfBy, CandidateLanes, PadOptions};
pub use parse::{ParseError, Parsed, from_slice};
pub use preference::Preference;
pub use preference_choice::{NamedProfile, PreferenceChoice};
pub use preference_list::{CountDefaults, DimensionInfo, GuardDefaults, GuidanceDefaults, NumberRange, PreferenceList};
pub use preference_source::PreferenceSource;
pub use profile::{
    DeletedProfile, PreferenceProfile, ProfileExport, ProfileList, ProfilePage, ProfileRequest, StoredText,
};
pub use prompt::Prompt;
pub use response::{DeletedResponse, IncompleteDetails, Response, ResponseError, ResponseUsage};
pub use response_event::{ResponseEvent, ResponseEventKind};
pub use response_format::{JsonSchemaFormat, ResponseFormat, ResponseFormatKind};
pub use response_input::{InputCall, InputCallOutput, InputContent, InputItem, InputMessage, ResponseInput};
pub use response_input_items::{InputItemList, InputItemPage, ItemOrder, StoredItem};
pub use response_output::{OutputCall, OutputItem, OutputMessage, OutputText};
pub use response_request::ResponseRequest;
pub use response_status::ResponseStatus;
pub use response_text::{TextFormat, TextOptions};
pub use response_tool::{ResponseTool, ResponseToolKind, ResponseTools};
pub use response_tool_choice::{ResponseAllowedTools, ResponseNamedTool, ResponseToolChoice};
pub use rewards::{PreferenceReward, Rewards, RewardsRequest, TokenReward};
pub use server_info::{Load, LoadList, LoadSum, ModelInfo, ServerInfo, TokenizerInfo};
pub use stop::Stop;
pub use structured_outputs::{GuidedJson, StructuredOutputs};
pub use text_logprobs::TextLogprobs;
pub use tokens::{Detokenization, DetokenizeRequest, Tokenization, TokenizeRequest};
pub use tool::{
    FunctionCall, FunctionCallDelta, FunctionTool, LONGEST_NAME, Tool, ToolCall, ToolCallDelta, ToolKind, fits_name,
};
pub use tool_choice::{AllowedMode, AllowedTools, NamedFunction, NamedTool, ToolChoice, ToolMode};
pub use trace::{CandidateHold, CandidateTrace, ChoicePad, TokenTrace};
pub use usage::{BestOfUsage, CompletionTokensDetails, PadUsage, PromptTokensDetails, Usage};
