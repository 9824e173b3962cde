//! The launches that read single rows of the unembedding and of the embedding.

use candle_core::Result;

use super::launch::{Address, Arguments, Launch};
use super::stored::StoredAs;

/// The logits of each row at the tokens of its set: the very sums that [`MatmulLaunch`](super::MatmulLaunch) computes for them.
#[derive(Clone, Copy, Debug)]
pub struct ReadoutLaunch {
    /// How `weights` are stored.
    pub stored: StoredAs,
    /// `[rows, inputs]` in single precision, aligned to 16 bytes.
    pub hidden: Address,
    /// `[vocabulary, inputs]`.
    pub weights: Address,
    /// `[sets, count]`, `u32`; a token that the vocabulary has not gets minus infinity.
    pub tokens: Address,
    /// `[rows]`, `u32`: the set that a row is read at.
    pub sets: Address,
    /// `[rows, count]`.
    pub logits: Address,
    /// Rows.
    pub rows: usize,
    /// Width of the hidden states.
    pub inputs: usize,
    /// Tokens that there are.
    pub vocabulary: usize,
    /// Tokens of a set.
    pub count: usize,
    /// Logits become `cap * tanh(logit / cap)`.
    pub cap: Option<f32>,
}

impl ReadoutLaunch {
    /// The launch.
    ///
    /// # Errors
    /// If the inputs do not fill whole units of the format, or a size is out of range.
    pub fn launch(&self) -> Result<Launch> {
        self.stored.check(self.inputs)?;
        Arguments::new(&[self.hidden, self.weights, self.tokens, self.sets, self.logits])
            .sizes(&[("inputs", self.inputs), ("vocabulary", self.vocabulary), ("count", self.count)])?
            .numbers(&[self.cap.unwrap_or(0.0)])
            .launch(format!("readout_{}", self.stored.name()), [self.count.div_ceil(4), self.rows, 1], 128)
    }
}

/// The embeddings of tokens, multiplied by `scale`.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingLaunch {
    /// How `weights` are stored.
    pub stored: StoredAs,
    /// `[vocabulary, hidden]`.
    pub weights: Address,
    /// `[rows]`, `u32`, each of them in the vocabulary.
    pub tokens: Address,
    /// `[rows, hidden]`.
    pub x: Address,
    /// Rows.
    pub rows: usize,
    /// Width.
    pub hidden: usize,
    /// What embeddings are multiplied by.
    pub scale: f32,
}

impl EmbeddingLaunch {
    /// The launch.
    ///
    /// # Errors
    /// If the width does not fill whole units of the format, or a size is out of range.
    pub fn launch(&self) -> Result<Launch> {
        self.stored.check(self.hidden)?;
        Arguments::new(&[self.weights, self.tokens, self.x])
            .sizes(&[("hidden", self.hidden)])?
            .numbers(&[self.scale])
            .launch(format!("embed_{}", self.stored.name()), [self.rows, 1, 1], 128)
    }
}
