//! What kinds ask of weights that read all dimensions in one lane: one sign.

use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::manifest::Manifest;
use crate::preference::Preference;

/// Refuses a preference for one dimension and against another.
pub fn check_preference(manifest: &Manifest, preference: &Preference) -> Result<(), RewardError> {
    match preference {
        Preference::Weights(weights) => {
            let weighed: Vec<_> = manifest.dimensions.iter().zip(weights.iter().copied()).collect();
            check(&weighed)
        }
        Preference::Principle(_) => Ok(()),
    }
}

/// Refuses weights for one dimension and against another.
pub fn check(weighed: &[(&Dimension, f32)]) -> Result<(), RewardError> {
    let names = |side: fn(f32) -> bool| {
        let side = weighed.iter().filter(|(_, weight)| side(*weight));
        let quoted: Vec<String> = side.map(|(dimension, _)| format!("`{}`", dimension.name)).collect();
        quoted.join(", ")
    };
    let (positive, negative) = (names(|weight| weight > 0.0), names(|weight| weight < 0.0));
    if positive.is_empty() || negative.is_empty() {
        return Ok(());
    }
    Err(RewardError::OppositeSigns { positive, negative })
}
