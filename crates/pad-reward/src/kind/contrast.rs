//! Kind `contrast`: an expert against an anti-expert for each dimension (`DExperts`, proxy tuning), or against the base lane (a user's LoRA
//! adapter against the base model, `CoPe`): phi is `log pi_guide(a) - log pi_against(a)`.

use super::guided::{self, Against};
use crate::error::RewardError;
use crate::layout::{Layout, Request};
use crate::manifest::Manifest;
use crate::preference::Preference;
use crate::reference_policy::ReferencePolicy;

pub fn check(manifest: &Manifest) -> Result<(), RewardError> {
    manifest.check_reference(&[ReferencePolicy::Base])?;
    guided::check(manifest, "a weight below 0 steers from the guide towards what it is measured against")?;
    for dimension in &manifest.dimensions {
        let Some(against) = &dimension.against else { continue };
        let field = format!("the `against` of dimension `{}`", dimension.name);
        against.check(&field)?;
        if Some(against) == dimension.guide.as_ref() {
            let allowed = "another guide, or none, which is the base model";
            return Err(RewardError::manifest(&field, "its guide", allowed));
        }
    }
    Ok(())
}

pub fn lay_out(request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
    guided::lay_out(request, preference, |dimension| dimension.against.as_ref().map_or(Against::Base, Against::Guide))
}
