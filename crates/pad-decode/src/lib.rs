//! The arithmetic of one PAD decision: which of k candidate tokens comes next.
//!
//! The base model proposes its k best tokens. Each reward lane reads the same k tokens, and its
//! log-ratio to a reference is a token-level reward. With preference weights w and guidance
//! strength beta (PAD, arXiv 2410.04070, equations 4, 13 and 18):
//!
//! ```text
//! phi_i(a) = log pi_i(a) - log pi_ref(a)
//! score(a) = log pi_base(a) + beta * sum_i w_i phi_i(a)
//! greedy:    argmax score          sampling:  p(a) proportional to exp(score(a) / temperature)
//! ```
//!
//! A request may change the base's logits first ([`Penalties`]) and narrow the tokens down ([`Grammar`]); [`Adjustments`] finds the k best
//! tokens under the changes, among the [`TokenSet`] that the grammar allows.
//!
//! [`decide`] does all of the rest for one step of one sequence. There are no tensors here, only k
//! numbers per lane, in f32; sums of exponentials are accumulated in f64.

mod adjustments;
mod candidate;
mod decision;
mod grammar;
mod logprob;
mod nucleus;
mod penalties;
mod reward;
mod rule;
mod sampler;
mod token_set;

pub use adjustments::Adjustments;
pub use candidate::{CANDIDATES, Candidates, Readout};
pub use decision::{Decision, decide};
pub use grammar::{Allowed, Grammar, GrammarError};
pub use penalties::{Adjustment, History, Penalties};
pub use reward::{Reference, Term, counts};
pub use rule::{Normalisation, Rule};
pub use sampler::Sampler;
pub use token_set::TokenSet;
