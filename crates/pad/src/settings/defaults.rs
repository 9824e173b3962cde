//! `[defaults]`: values for fields that a request leaves out.

use serde::Deserialize;

use super::error::Bad;

/// What requests leave open.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultsSettings {
    /// Tokens to generate; 0: as many as fit.
    pub max_tokens: usize,
    /// Sampling temperature; 0 is greedy.
    pub temperature: f32,
    /// Nucleus.
    pub top_p: f32,
    /// Whether one answer may call tools several times.
    pub parallel_tool_calls: bool,
}

impl DefaultsSettings {
    pub(super) fn check(&self) -> Result<(), Bad> {
        let (temperature, top_p) = (self.temperature, self.top_p);
        Bad::unless((0.0..=2.0).contains(&temperature), "defaults.temperature", temperature, "0 to 2")?;
        Bad::unless(top_p > 0.0 && top_p <= 1.0, "defaults.top_p", top_p, "above 0, up to 1")
    }
}
