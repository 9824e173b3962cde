//! Kind `model`: a language model for each dimension, whose log-probability of a token is the token's reward (`GenARM`, an autoregressive
//! reward model): phi is `log pi_i(a)`, over its whole vocabulary, with no reference.

use super::guided::{self, Against};
use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::layout::{Layout, Request};
use crate::manifest::Manifest;
use crate::preference::Preference;
use crate::reference_policy::ReferencePolicy;

pub fn check(manifest: &Manifest) -> Result<(), RewardError> {
    manifest.check_reference(&[ReferencePolicy::None, ReferencePolicy::Base])?;
    guided::check(manifest, "a weight below 0 steers away from the guide")?;
    match manifest.dimensions.iter().find(|dimension| dimension.against.is_some()) {
        None => Ok(()),
        Some(dimension) => {
            let field = format!("the `against` of dimension `{}`", dimension.name);
            let allowed = "nothing with kind `model`; a guide is measured against another one with kind `contrast`";
            Err(RewardError::manifest(&field, "set", allowed))
        }
    }
}

pub fn lay_out(request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
    let reference = request.manifest.reference();
    guided::lay_out(request, preference, |_: &Dimension| match reference {
        ReferencePolicy::Base => Against::Base,
        _ => Against::Nothing,
    })
}
