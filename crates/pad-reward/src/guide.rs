//! A guide: the language model whose own log-probabilities are a dimension's reward.

use serde::{Deserialize, Serialize};

use crate::error::RewardError;

/// A causal language model with the base model's tokenizer, or a LoRA adapter of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guide {
    /// Its weights: a path, or a source that the server can fetch; none for the base model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The folder of an adapter of those weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
}

/// An adapter that the dimensions' guides name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuideAdapter {
    /// The model that it changes, by order of the models that the guides name; none for the base model.
    pub of: Option<usize>,
    /// Its folder.
    pub folder: String,
}

impl Guide {
    /// Refuses a guide that is the base model itself.
    pub(crate) fn check(&self, field: &str) -> Result<(), RewardError> {
        let named = || [&self.model, &self.adapter].into_iter().flatten();
        if named().next().is_some() && named().all(|name| !name.trim().is_empty()) {
            return Ok(());
        }
        Err(RewardError::manifest(field, "without weights", "`model`, `adapter`, or both, none of them empty"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guide(model: Option<&str>, adapter: Option<&str>) -> Guide {
        Guide { model: model.map(str::to_owned), adapter: adapter.map(str::to_owned) }
    }

    #[test]
    fn a_guide_has_weights() {
        assert!(guide(Some("poet"), None).check("guide").is_ok());
        assert!(guide(None, Some("anna")).check("guide").is_ok());
        for empty in [guide(None, None), guide(Some(""), None), guide(Some("poet"), Some(""))] {
            let message = empty.check("the guide of dimension `a`").unwrap_err().to_string();
            assert!(message.contains("the guide of dimension `a` is without weights"), "{message}");
        }
    }
}
