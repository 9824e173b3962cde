//! What can go wrong between text and tokens.

use std::path::PathBuf;

/// Every error of this crate.
///
/// [`TextError::TemplateRefused`], [`TextError::TemplateRender`] and [`TextError::Encode`] are
/// about one request; all others are about the model's files and appear while it is loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A file of the model could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the model is not the JSON it should be.
    #[error("{path} is not valid JSON: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        source: serde_json::Error,
    },
    /// A field of a model file has a value that has no meaning here.
    #[error("{field} in {path}: {problem}")]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// A GGUF metadata key is missing or has another type than the format gives it.
    #[error("GGUF metadata `{key}`: {problem}")]
    Metadata {
        /// The key.
        key: String,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// The GGUF file has a tokenizer of a kind that is not supported.
    #[error(
        "GGUF metadata `tokenizer.ggml.model` is `{0}`; supported are `gpt2` (byte-level BPE) \
         and `llama` (SentencePiece BPE)"
    )]
    UnsupportedModel(String),
    /// The GGUF file names a pre-tokenizer that is not known: its tokens would be wrong.
    #[error("GGUF metadata `tokenizer.ggml.pre` is `{name}`; known are {known}")]
    UnsupportedPre {
        /// The name found.
        name: String,
        /// The known names, separated by commas.
        known: String,
    },
    /// A vocabulary, its merges or its `tokenizer.json` do not make a tokenizer.
    #[error("the vocabulary in {origin} cannot be used as a tokenizer: {problem}")]
    Vocabulary {
        /// The file, or `GGUF metadata`.
        origin: String,
        /// What is wrong.
        problem: String,
    },
    /// A text could not be turned into tokens.
    #[error("the text could not be encoded: {0}")]
    Encode(String),
    /// The model has no chat template and its vocabulary has no token of a format that is known.
    #[error(
        "the model has no chat template (`tokenizer.chat_template`, `chat_template.jinja` or \
         `chat_template` in tokenizer_config.json), and its vocabulary has neither \
         <|im_start|> for ChatML nor <start_of_turn> for Gemma's format; use an instruction-tuned model or add a template"
    )]
    TemplateMissing,
    /// The chat template is not valid Jinja.
    #[error("the chat template does not compile: {0}")]
    TemplateSyntax(String),
    /// The chat template called `raise_exception`: these messages are not for this model.
    #[error("the model's chat template rejects these messages: {0}")]
    TemplateRefused(String),
    /// The chat template failed on these messages.
    #[error("the model's chat template failed on these messages: {0}")]
    TemplateRender(String),
}

impl TextError {
    /// The error of a vocabulary that the `tokenizers` crate does not accept.
    pub(crate) fn vocabulary(origin: impl Into<String>, problem: &tokenizers::Error) -> Self {
        Self::Vocabulary { origin: origin.into(), problem: problem.to_string() }
    }
}
