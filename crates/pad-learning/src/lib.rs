//! What a user prefers, learned from choices between answers.
//!
//! A reward is linear in the weights w of a preference (PAD, arXiv 2410.04070, equation 4), so a choice between two answers is one row
//! of a logistic regression on their features f, the rewards of each dimension summed over the answer's tokens (Bradley and Terry):
//!
//! ```text
//! P(a is preferred to b) = 1 / (1 + exp(-w . (f(a) - f(b)) / s))
//! ```
//!
//! s is the [`Scale`] of the features, one number for each dimension, so that weights of different dimensions can be compared. The norm
//! of w says how consistent the choices are: 0 is chance, and the larger it is, the less noise they have.
//!
//! [`Posterior::fit`] computes mean and covariance of w from all choices: a Gaussian around the most probable w (Laplace's
//! approximation) under priors of several widths, averaged by their evidence. It depends on the choices alone, in whatever order, so
//! to undo one is to leave it out and to fit again. [`Posterior::weights`] turns the result into the weights of a request,
//! [`Posterior::describe`] into words, and [`Posterior::most_informative`] selects the two answers between which a choice teaches most.
//!
//! There are no tensors here, no storage and no HTTP. Numbers are `f64`; a profile has a few dozen dimensions at most.
//!
//! A user who prefers the first dimension, six times out of six:
//!
//! ```
//! use pad_learning::{Choice, Posterior, Prior};
//!
//! let choice = |chosen: [f64; 2], other: [f64; 2]| Choice::Best { chosen: chosen.to_vec(), others: vec![other.to_vec()] };
//! let choices: Vec<Choice> = (0..6).map(|i| choice([3.0, f64::from(i % 2)], [1.0, 0.5])).collect();
//! let posterior = Posterior::fit(2, &choices, &Prior::unit(2))?;
//!
//! assert!(posterior.mean[0] > 1.0 && posterior.mean[1].abs() < 0.1);
//! assert!(posterior.probability(&[3.0, 0.0], &[1.0, 0.0]) > 0.8);
//! let weights = posterior.weights(&[[-2.0, 2.0], [-2.0, 2.0]]);
//! assert!(weights[0] > 0.5 && weights[0] < 1.0, "not yet certain");
//! # Ok::<(), pad_learning::LearningError>(())
//! ```

mod choice;
mod description;
mod elicitation;
mod error;
mod laplace;
mod matrix;
mod normal;
mod posterior;
mod prediction;
mod prior;
mod scale;
mod weights;

pub use choice::Choice;
pub use description::Wording;
pub use elicitation::Question;
pub use error::LearningError;
pub use posterior::{Posterior, WIDTHS};
pub use prior::Prior;
pub use scale::Scale;
