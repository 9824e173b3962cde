//! The text side of a model folder in Hugging Face layout.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use crate::TextError;

/// What the JSON files beside `tokenizer.json` say about text.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// The chat template: `chat_template.jinja`, else that of `tokenizer_config.json`.
    pub(crate) template: Option<String>,
    /// The token that opens a text, written out; empty if there is none.
    pub(crate) bos_token: String,
    /// The token that ends a text, written out; empty if there is none.
    pub(crate) eos_token: String,
    /// `eos_token_id` of `generation_config.json`, else of `config.json`.
    pub(crate) eos_ids: Vec<u32>,
}

impl Directory {
    /// Reads the files that exist.
    ///
    /// # Errors
    /// [`TextError::Read`], [`TextError::Json`] or [`TextError::Field`].
    pub(crate) fn read(path: &Path) -> Result<Self, TextError> {
        let tokenizer_config = path.join("tokenizer_config.json");
        let config = json(&tokenizer_config)?.unwrap_or_default();
        let template = match text(&path.join("chat_template.jinja"))? {
            Some(file) => Some(file),
            None => template(&tokenizer_config, &config["chat_template"])?,
        };
        let mut eos_ids = None;
        for name in ["generation_config.json", "config.json"] {
            let file = path.join(name);
            if eos_ids.is_none()
                && let Some(config) = json(&file)?
            {
                eos_ids = token_ids(&file, &config["eos_token_id"])?;
            }
        }
        Ok(Self {
            template,
            bos_token: token(&config["bos_token"]),
            eos_token: token(&config["eos_token"]),
            eos_ids: eos_ids.unwrap_or_default(),
        })
    }
}

/// A template is a text, or a list of named ones of which `default` is for chats.
fn template(path: &Path, value: &Value) -> Result<Option<String>, TextError> {
    let named_default = |list: &Vec<Value>| {
        let entry = list.iter().find(|entry| entry["name"] == "default")?;
        entry["template"].as_str().map(str::to_owned)
    };
    let problem = "must be a text, or a list of {name, template} with a `default`";
    match value {
        Value::Null => Ok(None),
        Value::String(source) => Ok(Some(source.clone())),
        Value::Array(list) => named_default(list).map(Some).ok_or_else(|| field_error(path, "chat_template", problem)),
        _ => Err(field_error(path, "chat_template", problem)),
    }
}

/// A token is its text, or an object with the text as `content`.
fn token(value: &Value) -> String {
    let content = value.get("content").unwrap_or(value);
    content.as_str().unwrap_or_default().to_owned()
}

/// An id or a list of ids; `None` if the field is absent or null.
fn token_ids(path: &Path, value: &Value) -> Result<Option<Vec<u32>>, TextError> {
    let id = |value: &Value| u32::try_from(value.as_u64()?).ok();
    let ids = match value {
        Value::Null => return Ok(None),
        Value::Array(list) => list.iter().map(id).collect(),
        single => id(single).map(|id| vec![id]),
    };
    ids.map(Some).ok_or_else(|| {
        let problem = format!("is {value}; allowed are a token id or a list of them");
        field_error(path, "eos_token_id", &problem)
    })
}

fn field_error(path: &Path, field: &'static str, problem: &str) -> TextError {
    TextError::Field { path: path.to_owned(), field, problem: problem.to_owned() }
}

/// A file's text, or `None` if there is no such file.
fn text(path: &Path) -> Result<Option<String>, TextError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TextError::Read { path: path.to_owned(), source }),
    }
}

fn json(path: &Path) -> Result<Option<Value>, TextError> {
    let parsed = text(path)?.map(|text| serde_json::from_str(&text));
    parsed.transpose().map_err(|source| TextError::Json { path: path.to_owned(), source })
}
