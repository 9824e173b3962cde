//! What a reward model is: dimensions, principles, and the lanes that read them.
//!
//! A [`Manifest`] describes a reward model; [`RewardModel`] is a checked manifest. It turns
//! a request's [`PreferenceInput`] into a [`Preference`], and a [`Prompt`] with a preference into a
//! [`LanePlan`]: the base lane's prompt, the reward lanes' prompts, and the weighted terms.
//!
//! There are seven kinds. A `prompted` model is the base model itself, once per dimension, with the
//! dimension's principle in its prompt, or its opposite for a weight below 0. A `checkpoint` is a separate language model with a value
//! head, and has all principles in one prompt. A `heads` model is the base model with an adapter and
//! one trained head per dimension; its prompt is the base model's. A `model` has a language model per dimension, whose log-probability
//! is the reward, a `contrast` one that is measured against another, and a `vector` is the base model with a control vector per dimension. A
//! `bilinear` model is one language model for all dimensions, with an adapter whose core depends on their weights.
//!
//! ```
//! use pad_reward::{Manifest, Preference, PreferenceInput, RewardModel};
//!
//! let manifest: Manifest = toml::from_str(
//!     r#"
//!     kind = "prompted"
//!     dimensions = [
//!         { name = "concise", principle = "Answer in one short sentence." },
//!         { name = "cheerful", principle = "Answer in a cheerful tone." },
//!     ]
//!     "#,
//! )?;
//! let model = RewardModel::new(manifest)?;
//! let preference = model.resolve(&PreferenceInput::Named(vec![("cheerful".to_owned(), 0.5)]))?;
//! assert_eq!(preference, Preference::Weights(vec![0.0, 0.5]));
//!
//! let error = model.resolve(&PreferenceInput::Named(vec![("cheery".to_owned(), 0.5)])).unwrap_err();
//! assert_eq!(error.param(), Some("preference"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bridge;
mod comparison;
mod dimension;
mod error;
mod framed;
mod guide;
mod kind;
mod lane;
mod layout;
mod manifest;
mod model;
mod normalisation;
mod preference;
mod principle;
mod prompt;
mod reference_policy;

pub use bridge::TokenBridge;
pub use comparison::Comparison;
pub use dimension::Dimension;
pub use error::RewardError;
pub use framed::Framed;
pub use guide::{Guide, GuideAdapter};
pub use kind::{OwnModel, TrainedParts};
pub use lane::{LaneAdapter, LaneHead, LaneKind, LanePlan, LaneSource, LaneStrength, RewardLane, TermWeight};
pub use manifest::{BasePrompt, CandidateSource, Kind, Manifest, TrainedOn};
pub use model::RewardModel;
pub use normalisation::Normalisation;
pub use preference::{Preference, PreferenceInput};
pub use principle::{PAPER_TEMPLATE, PrincipleTemplate, PrincipleTurn, TEMPLATE};
pub use prompt::Prompt;
pub use reference_policy::ReferencePolicy;
