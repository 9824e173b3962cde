//! The arithmetic of one PAD decision: which of k candidate tokens comes next.
//!
//! The base model proposes its k best tokens ([`CandidateSource`]: every reward lane may, too). Each reward lane reads the same
//! tokens, and its log-ratio to a reference is a token-level reward. With preference weights w and guidance
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
//! A lane whose model has other tokens than the base model's reads them over a [`Bridge`].
//!
//! [`Guards`] limit the steering of a step, given the answer so far ([`Progress`]).
//!
//! [`decide`] does all of the rest for one step of one sequence. There are no tensors here, only k
//! numbers per lane, in f32; sums of exponentials are accumulated in f64.
//!
//! The base model prefers token 7; a reward lane of weight 1 finds token 9 four times as likely, and wins:
//!
//! ```
//! use pad_decode::{Candidates, Progress, Readout, Reference, Rule, Sampler, Term, decide};
//!
//! let readout = |probabilities: [f32; 2]| Readout { logits: probabilities.map(f32::ln).to_vec(), log_sum_exp: None };
//! let candidates = Candidates { tokens: vec![7, 9], base: readout([0.6, 0.4]), adjusted: None };
//! let terms = [Term { weight: 1.0, readout: 0, reference: Reference::Base }];
//!
//! let (lanes, start) = ([readout([0.2, 0.8])], Progress::default());
//! let decision = decide(&Rule::default(), candidates, &terms, &lanes, &start, &mut Sampler::new(0, 0));
//! assert_eq!(decision.token(), 9);
//! assert!(decision.steered());
//! ```

mod adjustments;
mod bridge;
mod candidate;
mod decision;
mod grammar;
mod guards;
mod logprob;
mod nucleus;
mod penalties;
mod progress;
mod reward;
mod rule;
mod sampler;
mod token_set;

pub use adjustments::Adjustments;
pub use bridge::{Bridge, Crossing};
pub use candidate::{CANDIDATES, CandidateSource, Candidates, Readout};
pub use decision::{Decision, decide};
pub use grammar::{Allowed, Grammar, GrammarError};
pub use guards::{GUIDE_TOKENS, Guards, Hold, LOOP_GUARD, MAX_KL, PLAUSIBILITY};
pub use penalties::{Adjustment, History, Penalties};
pub use progress::Progress;
pub use reward::{Reference, Term, counts};
pub use rule::{Normalisation, Rule};
pub use sampler::Sampler;
pub use token_set::TokenSet;
