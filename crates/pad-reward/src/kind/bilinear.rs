//! Kind `bilinear`: one language model for all dimensions, with an adapter whose core depends on their weights (`PARM`): phi is its
//! log-probability, over its whole vocabulary.
//!
//! The adapter was trained on weights that are at least 0 and have the sum 1. Those of a request are split: the core has the share of each
//! dimension in their sum, and the sum weighs the reward. So the rule is PARM's where the sum is 1, twice the weights are twice the reward, and
//! weights below 0 steer away from what the same weights above 0 steer towards.

use pad_decode::{Reference, Term};

use super::{one_sign, prompted};
use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::lane::{LaneAdapter, LaneHead, LaneKind, LaneSource, LaneStrength};
use crate::layout::{Layout, Request};
use crate::manifest::Manifest;
use crate::preference::Preference;
use crate::reference_policy::ReferencePolicy;

pub fn check(manifest: &Manifest) -> Result<(), RewardError> {
    manifest.check_reference(&[ReferencePolicy::None, ReferencePolicy::Base])?;
    if let Some(dimension) = manifest.dimensions.iter().find(|dimension| dimension.opposite.is_some()) {
        let field = format!("the opposite of dimension `{}`", dimension.name);
        let allowed = "no opposite with kind `bilinear`: weights below 0 steer away";
        return Err(RewardError::manifest(&field, "set", allowed));
    }
    manifest.check_base_prompt()
}

pub fn lay_out(request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
    let weights = match preference {
        Preference::Weights(weights) => weights,
        // Words have no weight in the core: the base model itself reads them.
        Preference::Principle(words) => return prompted::lay_out_words(request, words),
    };
    let Request { manifest, prompt, .. } = request;
    let weighed = request.weighed(weights);
    one_sign::check(&weighed)?;
    let base = request.base(&weighed.iter().map(|(dimension, _)| dimension.principle.as_str()).collect::<Vec<_>>())?;
    if weighed.is_empty() {
        return Ok(Layout { base, lanes: Vec::new(), dimensions: Vec::new(), terms: Vec::new() });
    }
    let sum: f32 = weighed.iter().map(|(_, weight)| weight).sum();
    let mut shares = vec![0.0; manifest.dimensions.len()];
    request.counting(weights).into_iter().for_each(|(index, weight)| shares[index] = weight / sum);
    let kind = LaneKind {
        source: if manifest.source.is_some() { LaneSource::Own(0) } else { LaneSource::Base },
        adapter: Some(LaneAdapter { index: 0, strength: LaneStrength::Mix(shares) }),
        heads: vec![LaneHead::None],
    };
    let reference = match manifest.reference() {
        ReferencePolicy::Base => Reference::Base,
        _ => Reference::None,
    };
    // Lanes of other shares are other terms.
    let name = |(dimension, weight): &(&Dimension, f32)| match weighed.len() {
        1 => dimension.name.clone(),
        _ => format!("{}:{}", dimension.name, weight / sum),
    };
    Ok(Layout {
        base,
        lanes: vec![(prompt.clone(), kind)],
        dimensions: vec![weighed.iter().map(name).collect::<Vec<_>>().join("+")],
        terms: vec![Term { weight: sum, readout: 0, reference }],
    })
}

#[cfg(test)]
mod tests {
    use pad_text::Message;

    use super::*;
    use crate::kind::{OwnModel, TrainedParts};
    use crate::model::RewardModel;
    use crate::principle::PrincipleTemplate;
    use crate::prompt::Prompt;

    const BILINEAR: &str = r#"
        kind = "bilinear"
        dimensions = [{ name = "harmless" }, { name = "helpful" }, { name = "humor" }]
    "#;

    fn manifest(keys: &str) -> Manifest {
        Manifest::from_toml(&format!("{keys}\n{BILINEAR}")).unwrap()
    }

    fn lay_out(manifest: &Manifest, preference: &Preference) -> Result<Layout, RewardError> {
        let template = PrincipleTemplate::new(manifest.template(), manifest.turn).unwrap();
        let prompt: Prompt = vec![Message::new("user", "hi")].into();
        super::lay_out(Request { manifest, template: &template, prompt: &prompt, beta: 1.0 }, preference)
    }

    /// The shares in the core of the one lane, and the name, weight and reference of its term.
    fn laid_out(keys: &str, weights: [f32; 3]) -> (Vec<f32>, String, f32, Reference) {
        let mut layout = lay_out(&manifest(keys), &Preference::Weights(weights.to_vec())).unwrap();
        assert_eq!((layout.lanes.len(), layout.terms.len(), layout.terms[0].readout), (1, 1, 0));
        let (read, kind) = layout.lanes.remove(0);
        assert!(read == layout.base, "it branches off the base lane, where its weights are the base's");
        assert_eq!(kind.source == LaneSource::Own(0), keys.contains("source"));
        let Some(LaneAdapter { index: 0, strength: LaneStrength::Mix(shares) }) = kind.adapter else {
            panic!("{:?}", kind.adapter)
        };
        (shares, layout.dimensions.remove(0), layout.terms[0].weight, layout.terms[0].reference)
    }

    #[test]
    fn weights_are_shares_and_their_sum() {
        let named = |name: &str| name.to_owned();
        let parm = laid_out("", [0.25, 0.75, 0.0]);
        assert_eq!(parm, (vec![0.25, 0.75, 0.0], named("harmless:0.25+helpful:0.75"), 1.0, Reference::None));
        let stronger = laid_out("", [0.5, 1.5, 0.0]);
        assert_eq!((&stronger.0, &stronger.1, stronger.2), (&parm.0, &parm.1, 2.0), "the same lane, twice the reward");
        let away = laid_out("source = \"poet\"", [-0.5, -1.5, 0.0]);
        assert_eq!((&away.0, &away.1, away.2), (&parm.0, &parm.1, -2.0));
        let alone = laid_out("reference = \"base\"", [0.0, 0.0, 0.5]);
        assert_eq!(alone, (vec![0.0, 0.0, 1.0], named("humor"), 0.5, Reference::Base));
        let nothing = lay_out(&manifest(""), &Preference::Weights(vec![0.0; 3])).unwrap();
        assert!(nothing.lanes.is_empty() && nothing.terms.is_empty() && nothing.dimensions.is_empty());
    }

    #[test]
    fn weights_of_both_signs_are_refused_and_words_are_read_by_the_base_model() {
        let mixed = Preference::Weights(vec![1.0, 0.0, -0.5]);
        let model = RewardModel::new(manifest("")).unwrap();
        for message in [
            lay_out(&manifest(""), &mixed).err().map(|error| error.to_string()),
            model.manifest().kind.check_preference(model.manifest(), &mixed).err().map(|error| error.to_string()),
        ] {
            let message = message.unwrap();
            assert!(message.contains("`harmless` and `humor` have weights of opposite sign"), "{message}");
        }
        let words = lay_out(&manifest(""), &Preference::Principle("be kind".to_owned())).unwrap();
        assert!(words.lanes[0].1.adapter.is_none() && words.terms[0].reference == Reference::Base);
    }

    #[test]
    fn it_brings_an_adapter_and_perhaps_a_model() {
        let own = |keys: &str| {
            let manifest = manifest(keys);
            assert_eq!(manifest.kind.trained_parts(&manifest), TrainedParts::BilinearAdapter);
            manifest.kind.own_models(&manifest)
        };
        assert!(own("").is_empty());
        assert_eq!(own("source = \"poet\""), [OwnModel::Source("poet".to_owned())]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (from, to, said) in [
            ("\"humor\"", "\"humor\", opposite = \"x\"", "the opposite of dimension `humor` is set"),
            ("\"humor\"", "\"humor\", vector = \"x\"", "the `vector` of dimension `humor` is set"),
            ("kind", "reference = \"backbone\"\nkind", "`none` or `base` with kind `bilinear`"),
            ("kind", "base_prompt = \"principled\"\nkind", "principle of dimension `harmless` is empty"),
            ("kind", "preference = { harmless = 1, humor = -1 }\nkind", "opposite sign"),
        ] {
            let manifest = Manifest::from_toml(&BILINEAR.replacen(from, to, 1)).unwrap();
            let message = RewardModel::new(manifest).unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
    }
}
