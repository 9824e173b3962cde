//! What can be wrong with a manifest, a preference or a conversation.

/// Each message names the field, the value and what is allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewardError {
    /// The manifest is not TOML, lacks a key or has one that is not known.
    #[error("the manifest cannot be read: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A value of the manifest is not allowed.
    #[error("reward model: {field} is {value}; allowed: {allowed}")]
    Manifest {
        /// Key in the manifest.
        field: String,
        /// What it holds.
        value: String,
        /// What it may hold.
        allowed: String,
    },
    /// A preference names a dimension that the reward model does not have.
    #[error("preference: unknown dimension `{name}`; this reward model has {known}")]
    UnknownDimension {
        /// The name in the request.
        name: String,
        /// The names of all dimensions.
        known: String,
    },
    /// A preference gives a dimension two weights.
    #[error("preference: dimension `{0}` is given twice; once is allowed")]
    Repeated(String),
    /// A preference without names has another length than the list of dimensions.
    #[error("preference: {given} weights are given; this reward model has {expected} dimensions: {known}")]
    Length {
        /// How many weights the request has.
        given: usize,
        /// How many dimensions there are.
        expected: usize,
        /// The names of all dimensions.
        known: String,
    },
    /// A weight is NaN, infinite, or outside the range.
    #[error("preference: the weight of `{name}` is {weight}; allowed: a number from {low} to {high}")]
    Weight {
        /// The dimension.
        name: String,
        /// Its weight in the request.
        weight: f64,
        /// Least weight.
        low: f64,
        /// Greatest weight.
        high: f64,
    },
    /// A principle in plain words that says nothing.
    #[error("preference: the principle is empty; allowed: some words, or an object of weights")]
    EmptyPrinciple,
    /// A model that reads all dimensions in one lane got weights of different signs.
    #[error(
        "preference: {positive} and {negative} have weights of opposite sign; this reward model reads all \
         dimensions in one lane and cannot give them weights of opposite sign: use weights of one sign"
    )]
    OppositeSigns {
        /// Names with a weight above 0.
        positive: String,
        /// Names with a weight below 0.
        negative: String,
    },
    /// A principle goes into the last user message, and there is none.
    #[error("no message has the role `user`; steering by a preference puts its principle into the last one")]
    NoUserMessage,
    /// A prompt could not be rendered or tokenized.
    #[error(transparent)]
    Text(#[from] pad_text::TextError),
}

impl RewardError {
    /// A value of the manifest that is not allowed.
    pub(crate) fn manifest(field: &str, value: &str, allowed: &str) -> Self {
        Self::Manifest { field: field.to_owned(), value: value.to_owned(), allowed: allowed.to_owned() }
    }

    /// The field of the request that is at fault; `None` when it is not one field of the request.
    pub fn param(&self) -> Option<&'static str> {
        match self {
            Self::UnknownDimension { .. }
            | Self::Repeated(_)
            | Self::Length { .. }
            | Self::Weight { .. }
            | Self::EmptyPrinciple
            | Self::OppositeSigns { .. } => Some("preference"),
            Self::NoUserMessage => Some("messages"),
            Self::Syntax(_) | Self::Manifest { .. } | Self::Text(_) => None,
        }
    }
}
