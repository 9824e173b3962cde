//! Where tensors come from: a GGUF file or a Hugging Face directory.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Matrix, ModelConfig, ModelError, Part};

/// A checkpoint that is open for reading.
pub trait Weights {
    /// The model's shape.
    fn config(&self) -> &ModelConfig;

    /// The file or directory, for messages.
    fn path(&self) -> &Path;

    /// The model's family, as its files name it: `general.architecture` or `model_type`.
    fn family(&self) -> &str;

    /// The number format that most of the weights' bytes are in, such as `Q4_K` or `BF16`.
    fn format(&self) -> String;

    /// Whether the checkpoint has this part's weight.
    fn has_weight(&self, part: Part) -> bool;

    /// Whether the checkpoint has this part's bias.
    fn has_bias(&self, part: Part) -> bool;

    /// A weight matrix of the shape that the configuration says ([`ModelConfig::shape`]), of finite values.
    ///
    /// # Errors
    /// If it is missing, unreadable, of another shape, or has a value that is not finite.
    fn matrix(&mut self, part: Part) -> Result<Matrix, ModelError>;

    /// A norm's weight; checked like a matrix.
    ///
    /// # Errors
    /// If it is missing, unreadable, of another length, or has a value that is not finite.
    fn norm(&mut self, part: Part) -> Result<Vec<f32>, ModelError>;

    /// A part's bias; checked like a matrix.
    ///
    /// # Errors
    /// As for [`Self::norm`].
    fn bias(&mut self, part: Part) -> Result<Vec<f32>, ModelError>;

    /// A tensor of a layer that no part was read from: the model does something that the configuration does not say. Meaningful once
    /// everything is read.
    fn unread(&self) -> Option<String>;
}

/// The name with the most bytes among tensors' (format, size) pairs; of equals the first by name.
pub(crate) fn most_bytes(tensors: impl Iterator<Item = (String, usize)>) -> String {
    let mut bytes: BTreeMap<String, usize> = BTreeMap::new();
    tensors.for_each(|(format, size)| *bytes.entry(format).or_default() += size);
    bytes.into_iter().rev().max_by_key(|(_, bytes)| *bytes).map_or_else(String::new, |(format, _)| format)
}
