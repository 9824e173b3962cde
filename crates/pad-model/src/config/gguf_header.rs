//! Typed access to a GGUF header, with errors that name the key.

use std::path::Path;

use candle_core::quantized::gguf_file::Value;

use crate::ModelError;
use crate::gguf_directory::GgufDirectory;

/// The keys of one architecture.
pub struct Header<'a> {
    path: &'a Path,
    directory: &'a GgufDirectory,
    architecture: &'a str,
}

impl<'a> Header<'a> {
    /// The header of a file.
    ///
    /// # Errors
    /// If it names no architecture.
    pub fn new(path: &'a Path, directory: &'a GgufDirectory) -> Result<Self, ModelError> {
        let key = "general.architecture";
        let architecture = directory.content.metadata.get(key).and_then(|value| value.to_string().ok());
        let architecture =
            architecture.ok_or_else(|| ModelError::config(path, format!("{key} is missing or not a string")))?;
        Ok(Self { path, directory, architecture })
    }

    /// What kind of model it is.
    pub fn architecture(&self) -> &'a str {
        self.architecture
    }

    /// A refusal of the whole file.
    pub fn refuse<T>(&self, message: impl Into<String>) -> Result<T, ModelError> {
        Err(ModelError::config(self.path, message))
    }

    /// A tensor's dimensions, outermost first.
    pub fn dims(&self, tensor: &str) -> Option<&'a [usize]> {
        self.directory.tensors.get(tensor).map(|tensor| tensor.shape.as_slice())
    }

    /// Whether the architecture's key is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.directory.content.metadata.get(&format!("{}.{name}", self.architecture))
    }

    /// A value that `read` understands, or none where the key is not there.
    fn value<T>(&self, name: &str, what: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, ModelError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => self.refuse(format!("{}.{name} must be {what}", self.architecture)),
        }
    }

    fn need<T>(&self, name: &str, found: Option<T>) -> Result<T, ModelError> {
        match found {
            Some(value) => Ok(value),
            None => self.refuse(format!("{}.{name} is missing", self.architecture)),
        }
    }

    /// A text.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, ModelError> {
        self.value(name, "a text", |value| value.to_string().ok().map(String::as_str))
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<Option<f32>, ModelError> {
        self.value(name, "a number", |value| match value {
            Value::F64(number) => Some(*number as f32),
            value => value.to_f32().ok(),
        })
    }

    /// A number that must be there.
    pub fn needed_number(&self, name: &str) -> Result<f32, ModelError> {
        self.need(name, self.number(name)?)
    }

    /// A count, the same for every layer.
    pub fn count(&self, name: &str) -> Result<Option<usize>, ModelError> {
        self.value(name, "a count, the same for every layer", |value| {
            let one = |value: &Value| match *value {
                Value::I8(v) => usize::try_from(v).ok(),
                Value::I16(v) => usize::try_from(v).ok(),
                Value::I32(v) => usize::try_from(v).ok(),
                Value::I64(v) => usize::try_from(v).ok(),
                Value::Bool(_) => None,
                ref value => value.to_u64().ok().and_then(|v| usize::try_from(v).ok()),
            };
            match value {
                Value::Array(values) => {
                    let counts: Vec<usize> = values.iter().map(one).collect::<Option<_>>()?;
                    counts.first().copied().filter(|first| counts.iter().all(|count| count == first))
                }
                value => one(value),
            }
        })
    }

    /// A count that must be there.
    pub fn needed_count(&self, name: &str) -> Result<usize, ModelError> {
        self.need(name, self.count(name)?)
    }
}
