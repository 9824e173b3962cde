//! Kind `vector`: the base model with a control vector in its residual stream, one for each dimension. The weight is the strength of the
//! vector: a lane reads what the base lane reads, with `weight * scale` times the vector, and is measured against the base lane.

use pad_decode::{Reference, Term};

use super::prompted;
use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::lane::{LaneAdapter, LaneHead, LaneKind, LaneSource, LaneStrength};
use crate::layout::{Layout, Request};
use crate::manifest::Manifest;
use crate::preference::Preference;
use crate::reference_policy::ReferencePolicy;

pub fn check(manifest: &Manifest) -> Result<(), RewardError> {
    manifest.check_reference(&[ReferencePolicy::Base])?;
    if manifest.source.is_some() {
        let allowed = "no source with kind `vector`, whose lanes run through the base model's weights";
        return Err(RewardError::manifest("source", "set", allowed));
    }
    for dimension in &manifest.dimensions {
        let field = |part: &str| format!("the {part} of dimension `{}`", dimension.name);
        if dimension.opposite.is_some() {
            let allowed = "no opposite with kind `vector`: a weight below 0 turns the vector round";
            return Err(RewardError::manifest(&field("opposite"), "set", allowed));
        }
        if dimension.vector.as_ref().is_none_or(|file| file.trim().is_empty()) {
            let allowed = "the path of a .gguf or .safetensors file with tensors `direction.N`";
            return Err(RewardError::manifest(&field("vector"), "missing", allowed));
        }
        dimension.check_scale()?;
    }
    manifest.check_base_prompt()
}

/// Every file that the dimensions name, each once.
pub fn files(manifest: &Manifest) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    for file in manifest.dimensions.iter().filter_map(|dimension| dimension.vector.as_ref()) {
        if !files.contains(file) {
            files.push(file.clone());
        }
    }
    files
}

pub fn lay_out(request: Request<'_>, preference: &Preference) -> Result<Layout, RewardError> {
    let weights = match preference {
        Preference::Weights(weights) => weights,
        // Words have no vector: the base model itself reads them.
        Preference::Principle(words) => return prompted::lay_out_words(request, words),
    };
    let manifest = request.manifest;
    let wanted = request.weighed(weights);
    let base = request.base(&wanted.iter().map(|(dimension, _)| dimension.principle.as_str()).collect::<Vec<_>>())?;
    let files = files(manifest);
    let lane = |(dimension, weight): &(&Dimension, f32)| {
        let index = files.iter().position(|file| dimension.vector.as_ref() == Some(file));
        let adapter =
            index.map(|index| LaneAdapter { index, strength: LaneStrength::Times(weight * dimension.scale()) });
        (base.clone(), LaneKind { source: LaneSource::Base, adapter, heads: vec![LaneHead::None] })
    };
    let term = |(readout, (_, weight)): (usize, &(&Dimension, f32))| {
        // The lane has the whole strength; with one that is turned round, a positive reward means more of the dimension as well.
        let reference = if *weight < 0.0 { Reference::Opposing } else { Reference::Base };
        Term { weight: weight.signum(), readout, reference }
    };
    Ok(Layout {
        lanes: wanted.iter().map(lane).collect(),
        dimensions: wanted.iter().map(|(dimension, _)| dimension.name.clone()).collect(),
        terms: wanted.iter().enumerate().map(term).collect(),
        base,
    })
}

#[cfg(test)]
mod tests {
    use pad_text::Message;

    use super::*;
    use crate::kind::TrainedParts;
    use crate::model::RewardModel;
    use crate::principle::PrincipleTemplate;
    use crate::prompt::Prompt;

    const VECTORS: &str = r#"
        kind = "vector"
        dimensions = [
            { name = "a", vector = "a.gguf", scale = 4 },
            { name = "b", vector = "b.safetensors" },
        ]
    "#;

    fn lay_out(weights: [f32; 2]) -> Layout {
        let manifest = Manifest::from_toml(VECTORS).unwrap();
        let template = PrincipleTemplate::new(manifest.template(), manifest.turn).unwrap();
        let prompt: Prompt = vec![Message::new("user", "hi")].into();
        let request = Request { manifest: &manifest, template: &template, prompt: &prompt, beta: 1.0 };
        super::lay_out(request, &Preference::Weights(weights.to_vec())).unwrap()
    }

    #[test]
    fn the_weight_is_the_strength_of_the_vector() {
        let layout = lay_out([-0.5, 2.0]);
        let adapters: Vec<_> = layout.lanes.iter().map(|(_, kind)| kind.adapter.clone()).collect();
        let times = |index, times| Some(LaneAdapter { index, strength: LaneStrength::Times(times) });
        assert_eq!(adapters, [times(0, -2.0), times(1, 2.0)]);
        assert!(layout.lanes.iter().all(|(read, _)| *read == layout.base), "they branch off the base lane");
        let terms: Vec<_> = layout.terms.iter().map(|term| (term.weight, term.readout, term.reference)).collect();
        assert_eq!(terms, [(-1.0, 0, Reference::Opposing), (1.0, 1, Reference::Base)]);
        assert!(lay_out([0.0, 0.0]).lanes.is_empty());
    }

    #[test]
    fn it_brings_its_files() {
        let manifest = Manifest::from_toml(VECTORS).unwrap();
        let files = ["a.gguf", "b.safetensors"].map(str::to_owned).to_vec();
        assert_eq!(manifest.kind.trained_parts(&manifest), TrainedParts::Vectors(files));
        assert!(manifest.kind.own_models(&manifest).is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (from, to, said) in [
            ("scale = 4", "scale = 0", "the scale of dimension `a` is 0"),
            ("vector = \"a.gguf\"", "recommended = [-1, 1]", "the vector of dimension `a` is missing"),
            ("scale = 4", "opposite = \"x\"", "turns the vector round"),
            ("scale = 4", "guide = { model = \"x\" }", "the `guide` of dimension `a` is set"),
            ("kind = \"vector\"", "kind = \"model\"", "the `vector` of dimension `a` is set"),
        ] {
            let manifest = Manifest::from_toml(&VECTORS.replacen(from, to, 1)).unwrap();
            let message = RewardModel::new(manifest).unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
    }
}
