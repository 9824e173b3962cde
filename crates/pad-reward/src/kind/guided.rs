//! The lanes of kinds whose dimensions have guides: each guide reads what the base lane reads, and is read as a language model.

use pad_decode::{Reference, Term};

use super::prompted;
use crate::dimension::Dimension;
use crate::error::RewardError;
use crate::guide::{Guide, GuideAdapter};
use crate::lane::{LaneAdapter, LaneHead, LaneKind, LaneSource};
use crate::layout::{Layout, Request};
use crate::manifest::Manifest;
use crate::preference::Preference;
use crate::prompt::Prompt;

/// What each guided kind asks of a manifest; `reason` says why a dimension's `opposite` has no place in it.
pub fn check(manifest: &Manifest, reason: &str) -> Result<(), RewardError> {
    if manifest.source.is_some() {
        let allowed =
            format!("no source with kind `{}`: each dimension's guide names its weights", manifest.kind.name());
        return Err(RewardError::manifest("source", "set", &allowed));
    }
    for dimension in &manifest.dimensions {
        let field = |part: &str| format!("the {part} of dimension `{}`", dimension.name);
        if dimension.opposite.is_some() {
            let allowed = format!("no opposite with kind `{}`: {reason}", manifest.kind.name());
            return Err(RewardError::manifest(&field("opposite"), "set", &allowed));
        }
        let Some(guide) = &dimension.guide else {
            return Err(RewardError::manifest(&field("guide"), "missing", "a table with `model`, `adapter`, or both"));
        };
        guide.check(&field("guide"))?;
    }
    manifest.check_base_prompt()
}

/// One lane for each guide that counts. A dimension's reward is the log-probability of its guide, minus what `reference` says.
pub fn lay_out(
    request: Request<'_>,
    preference: &Preference,
    reference: impl Fn(&Dimension) -> Against<'_>,
) -> Result<Layout, RewardError> {
    let weights = match preference {
        Preference::Weights(weights) => weights,
        // Words have no guide.
        Preference::Principle(words) => return prompted::lay_out_words(request, words),
    };
    let Request { manifest, prompt, .. } = request;
    let wanted = request.weighed(weights);
    let base = request.base(&wanted.iter().map(|(dimension, _)| dimension.principle.as_str()).collect::<Vec<_>>())?;
    let (models, adapters) = (models(manifest), adapters(manifest));
    let mut lanes: Vec<(Prompt, LaneKind)> = Vec::new();
    let mut terms = Vec::with_capacity(wanted.len());
    let mut readout = |guide: &Guide| {
        let kind = lane(guide, &models, &adapters);
        lanes.iter().position(|(_, known)| *known == kind).unwrap_or_else(|| {
            lanes.push((prompt.clone(), kind));
            lanes.len() - 1
        })
    };
    for (dimension, weight) in &wanted {
        let Some(guide) = &dimension.guide else { continue };
        let own = readout(guide);
        let reference = match reference(dimension) {
            Against::Nothing => Reference::None,
            Against::Base => Reference::Base,
            Against::Guide(other) => Reference::Readout(readout(other)),
        };
        terms.push(Term { weight: *weight, readout: own, reference });
    }
    let dimensions = wanted.iter().map(|(dimension, _)| dimension.name.clone()).collect();
    Ok(Layout { base, lanes, dimensions, terms })
}

/// What a guide is measured against.
pub enum Against<'a> {
    /// Nothing.
    Nothing,
    /// The base lane.
    Base,
    /// Another guide.
    Guide(&'a Guide),
}

/// The lane that runs through a guide, read as a language model; `models` and `adapters` are those of the manifest.
fn lane(guide: &Guide, models: &[String], adapters: &[GuideAdapter]) -> LaneKind {
    let of = place(guide, models);
    let adapter = guide
        .adapter
        .as_ref()
        .and_then(|folder| adapters.iter().position(|adapter| adapter.of == of && adapter.folder == *folder))
        .map(LaneAdapter::whole);
    LaneKind { source: of.map_or(LaneSource::Base, LaneSource::Own), adapter, heads: vec![LaneHead::None] }
}

/// Its model's place among those of the manifest.
fn place(guide: &Guide, models: &[String]) -> Option<usize> {
    let model = guide.model.as_ref()?;
    models.iter().position(|known| known == model)
}

/// Every language model that the guides of a manifest name, each once.
pub fn models(manifest: &Manifest) -> Vec<String> {
    let mut models: Vec<String> = Vec::new();
    for model in guides(manifest).filter_map(|guide| guide.model.as_ref()) {
        if !models.contains(model) {
            models.push(model.clone());
        }
    }
    models
}

/// Every adapter that they name, each once.
pub fn adapters(manifest: &Manifest) -> Vec<GuideAdapter> {
    let models = models(manifest);
    let mut adapters: Vec<GuideAdapter> = Vec::new();
    for guide in guides(manifest) {
        let Some(folder) = &guide.adapter else { continue };
        let adapter = GuideAdapter { of: place(guide, &models), folder: folder.clone() };
        if !adapters.contains(&adapter) {
            adapters.push(adapter);
        }
    }
    adapters
}

fn guides(manifest: &Manifest) -> impl Iterator<Item = &Guide> {
    manifest.dimensions.iter().flat_map(|dimension| [&dimension.guide, &dimension.against]).flatten()
}

#[cfg(test)]
mod tests {
    use pad_decode::Normalisation;
    use pad_text::Message;

    use super::*;
    use crate::kind::{OwnModel, TrainedParts};
    use crate::model::RewardModel;
    use crate::principle::PrincipleTemplate;
    use crate::reference_policy::ReferencePolicy;

    const CONTRAST: &str = r#"
        kind = "contrast"
        dimensions = [
            { name = "a", guide = { model = "poet" }, against = { model = "plain" } },
            { name = "b", guide = { adapter = "anna" } },
            { name = "c", guide = { model = "plain", adapter = "anna" }, against = { model = "plain" } },
        ]
    "#;

    const MODEL: &str = r#"
        kind = "model"
        dimensions = [
            { name = "a", principle = "a", guide = { model = "poet" } },
            { name = "b", principle = "b", guide = { model = "poet" } },
            { name = "c", principle = "c", guide = { adapter = "anna" } },
        ]
    "#;

    fn manifest(text: &str) -> Manifest {
        Manifest::from_toml(text).unwrap()
    }

    fn lay_out(manifest: &Manifest, preference: &Preference) -> Layout {
        let template = PrincipleTemplate::new(manifest.template(), manifest.turn).unwrap();
        let prompt: Prompt = vec![Message::new("user", "hi")].into();
        let layout =
            Layout::new(Request { manifest, template: &template, prompt: &prompt, beta: 1.0 }, preference).unwrap();
        let words = matches!(preference, Preference::Principle(_));
        assert!(words || layout.lanes.iter().all(|(read, _)| *read == prompt), "guides read what the base lane reads");
        layout
    }

    fn weights(weights: [f32; 3]) -> Preference {
        Preference::Weights(weights.to_vec())
    }

    fn lane(source: LaneSource, adapter: Option<usize>) -> LaneKind {
        LaneKind { source, adapter: adapter.map(LaneAdapter::whole), heads: vec![LaneHead::None] }
    }

    /// How each lane runs, and each term's weight, readout and reference.
    fn laid_out(layout: Layout) -> (Vec<LaneKind>, Vec<(f32, usize, Reference)>) {
        let terms = layout.terms.into_iter().map(|term| (term.weight, term.readout, term.reference));
        (layout.lanes.into_iter().map(|(_, kind)| kind).collect(), terms.collect())
    }

    #[test]
    fn what_several_guides_name_is_brought_once() {
        let manifest = manifest(CONTRAST);
        let sources = ["poet", "plain"].map(|name| OwnModel::Source(name.to_owned()));
        assert_eq!(manifest.kind.own_models(&manifest), sources);
        let adapter = |of| GuideAdapter { of, folder: "anna".to_owned() };
        let both = TrainedParts::Adapters(vec![adapter(None), adapter(Some(1))]);
        assert_eq!(manifest.kind.trained_parts(&manifest), both, "one folder, read for two models");
    }

    #[test]
    fn an_expert_is_measured_against_its_anti_expert_or_the_base() {
        let (lanes, terms) = laid_out(lay_out(&manifest(CONTRAST), &weights([1.0, -0.5, 2.0])));
        let expected = [
            lane(LaneSource::Own(0), None),
            lane(LaneSource::Own(1), None),
            lane(LaneSource::Base, Some(0)),
            lane(LaneSource::Own(1), Some(1)),
        ];
        assert_eq!(lanes, expected, "the plain model is one lane for both dimensions");
        let expected = [(1.0, 0, Reference::Readout(1)), (-0.5, 2, Reference::Base), (2.0, 3, Reference::Readout(1))];
        assert_eq!(terms, expected);
    }

    #[test]
    fn a_model_is_a_reward_without_reference_over_its_vocabulary() {
        let mut given = manifest(MODEL);
        assert_eq!(given.normalisation(), Normalisation::Vocabulary);
        let (lanes, terms) = laid_out(lay_out(&given, &weights([1.0, 0.5, -1.0])));
        assert_eq!(lanes, [lane(LaneSource::Own(0), None), lane(LaneSource::Base, Some(0))]);
        assert_eq!(terms, [(1.0, 0, Reference::None), (0.5, 0, Reference::None), (-1.0, 1, Reference::None)]);
        given.reference = ReferencePolicy::Base;
        let (_, terms) = laid_out(lay_out(&given, &weights([0.0, 0.5, 0.0])));
        assert_eq!(terms, [(0.5, 0, Reference::Base)]);
        given.normalisation = crate::Normalisation::Candidates;
        assert_eq!(given.normalisation(), Normalisation::Candidates);
    }

    #[test]
    fn without_weights_no_guide_runs_and_words_are_read_by_the_base_model() {
        for text in [MODEL, CONTRAST] {
            let none = lay_out(&manifest(text), &weights([0.0; 3]));
            assert!(none.lanes.is_empty() && none.terms.is_empty() && none.dimensions.is_empty());
            let words = lay_out(&manifest(text), &Preference::Principle("be kind".to_owned()));
            let (lanes, terms) = laid_out(words);
            assert_eq!((lanes, terms), (vec![lane(LaneSource::Base, None)], vec![(1.0, 0, Reference::Base)]));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refused = |text: &str, from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            RewardModel::new(manifest(&text.replacen(from, to, 1))).unwrap_err().to_string()
        };
        let guide = r#"guide = { model = "poet" }"#;
        for (text, from, to, said) in [
            (MODEL, guide, r#"opposite = "x""#, "the opposite of dimension `a` is set"),
            (MODEL, guide, "recommended = [-1, 1]", "the guide of dimension `a` is missing"),
            (MODEL, guide, "guide = {}", "the guide of dimension `a` is without weights"),
            (
                MODEL,
                guide,
                r#"guide = { model = "x" }, against = { model = "y" }"#,
                "`against` of dimension `a` is set",
            ),
            (MODEL, "kind = \"model\"", "kind = \"model\"\nsource = \"x\"", "source is set"),
            (
                MODEL,
                "kind = \"model\"",
                "kind = \"model\"\nreference = \"backbone\"",
                "`none` or `base` with kind `model`",
            ),
            (
                MODEL,
                "kind = \"model\"",
                "kind = \"prompted\"",
                "the `guide` of dimension `a` is set; allowed: nothing with",
            ),
            (CONTRAST, "kind = \"contrast\"", "kind = \"heads\"", "the `guide` of dimension `a` is set"),
            (
                CONTRAST,
                r#"against = { model = "plain" }"#,
                r#"against = { model = "poet" }"#,
                "of dimension `a` is its guide",
            ),
            (
                CONTRAST,
                "kind = \"contrast\"",
                "kind = \"contrast\"\nreference = \"none\"",
                "`base` with kind `contrast`",
            ),
            (
                CONTRAST,
                "kind = \"contrast\"",
                "kind = \"contrast\"\nbase_prompt = \"principled\"",
                "principle of dimension `a` is empty",
            ),
        ] {
            let message = refused(text, from, to);
            assert!(message.contains(said), "{message}");
        }
        for text in [MODEL, CONTRAST] {
            assert!(RewardModel::new(manifest(text)).is_ok());
        }
    }
}
