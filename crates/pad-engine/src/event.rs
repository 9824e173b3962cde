//! The events of a choice while it is generated.

use pad_decode::Decision;

/// One generated token and the decision behind it.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub id: u32,
    /// True for an end token: it gives no text.
    pub end: bool,
    /// The candidates, rewards and scores it was chosen from.
    pub decision: Decision,
}

/// Why a choice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// An end token was chosen, or the grammar is complete.
    Stop,
    /// `max_tokens` was reached.
    Length,
}

/// The last event of a choice that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish {
    /// Why it ended.
    pub reason: FinishReason,
    /// Prompt tokens of the base lane that were found in the KV cache rather than computed.
    pub cached_tokens: usize,
}

/// Log-probabilities of a given answer's tokens, over the whole vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Of the base model, one per token.
    pub base: Vec<f32>,
    /// Of every reward readout, `[readouts][tokens]`.
    pub rewards: Vec<Vec<f32>>,
    /// The base model's best tokens in each one's place, `[tokens][top]`, best first; empty lists where none were asked for.
    pub best: Vec<Vec<(u32, f32)>>,
}

/// An event of one choice. `Finished`, `Failed` or `OffGrammar` is the last.
#[derive(Clone, Debug)]
pub enum Event {
    /// A token was chosen.
    Token(Token),
    /// The choice is complete.
    Finished(Finish),
    /// The step that this choice was in failed; the text says why.
    Failed(String),
    /// Its grammar cannot go on, which is the request's fault, not the server's; the text says why.
    OffGrammar(String),
}
