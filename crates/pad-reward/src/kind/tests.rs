use pad_decode::Reference;
use pad_text::Message;

use super::*;
use crate::lane::{LaneAdapter, LaneHead, LaneKind, LaneSource};
use crate::manifest::BasePrompt;
use crate::model::RewardModel;
use crate::principle::PrincipleTemplate;
use crate::prompt::Prompt;
use crate::reference_policy::ReferencePolicy;

/// A manifest of three dimensions whose template is short.
fn manifest(kind: Kind, base_prompt: BasePrompt) -> Manifest {
    let text = r#"
        kind = "prompted"
        template = "<{principle}> {content}"
        dimensions = [
            { name = "harmless", principle = "harmless" },
            { name = "helpful", principle = "helpfulness" },
            { name = "humor", principle = "humor" },
        ]
    "#;
    Manifest { kind, base_prompt, ..Manifest::from_toml(text).unwrap() }
}

fn lay_out(kind: Kind, base_prompt: BasePrompt, preference: &Preference) -> Result<Layout, RewardError> {
    let manifest = manifest(kind, base_prompt);
    let prompt = vec![Message::new("system", "s"), Message::new("user", "hi")].into();
    lay_out_with(&manifest, &prompt, preference)
}

fn lay_out_with(manifest: &Manifest, prompt: &Prompt, preference: &Preference) -> Result<Layout, RewardError> {
    let template = PrincipleTemplate::new(manifest.template(), manifest.turn)?;
    Layout::new(Request { manifest, template: &template, prompt, beta: 1.0 }, preference)
}

fn weights(weights: [f32; 3]) -> Preference {
    Preference::Weights(weights.to_vec())
}

/// What is said in a lane: by the system, then by the user.
fn said(lane: &Prompt) -> [&str; 2] {
    match lane {
        Prompt::Messages(messages) => [0, 1].map(|at| messages[at].content.as_str()),
        other => panic!("no conversation: {other:?}"),
    }
}

/// What the user says in each reward lane.
fn lanes(layout: &Layout) -> Vec<&str> {
    layout.lanes.iter().map(|(prompt, _)| said(prompt)[1]).collect()
}

/// (readout, weight) of each term.
fn terms(layout: &Layout) -> Vec<(usize, f32)> {
    assert!(layout.terms.iter().all(|term| term.reference == Reference::Base));
    layout.terms.iter().map(|term| (term.readout, term.weight)).collect()
}

#[test]
fn prompted_has_a_lane_for_each_weight() {
    let layout = lay_out(Kind::Prompted, BasePrompt::Plain, &weights([0.5, 0.0, -1.0])).unwrap();
    assert_eq!(lanes(&layout), ["<harmless> hi", "<humor> hi"]);
    assert_eq!(layout.dimensions, ["harmless", "humor"]);
    assert_eq!(terms(&layout), [(0, 0.5), (1, -1.0)]);
    assert_eq!(said(&layout.base)[1], "hi");
    assert_eq!(said(&layout.lanes[0].0)[0], "s");
}

/// A prompted manifest of dimensions with opposites, and one without.
fn two_sided(reference: ReferencePolicy) -> Manifest {
    let text = r#"
        kind = "prompted"
        template = "<{principle}> {content}"
        dimensions = [
            { name = "concise", principle = "short", opposite = "long" },
            { name = "detailed", principle = "long", opposite = "short" },
            { name = "humor", principle = "humor" },
        ]
    "#;
    Manifest { reference, ..Manifest::from_toml(text).unwrap() }
}

/// What the lanes of these dimensions read, and each term's weight, readout and reference.
fn sides(reference: ReferencePolicy, given: [f32; 3]) -> (Vec<String>, Vec<(f32, usize, Reference)>) {
    let layout =
        lay_out_with(&two_sided(reference), &vec![Message::new("user", "hi")].into(), &weights(given)).unwrap();
    let Layout { lanes, terms, .. } = layout;
    let read = lanes.into_iter().map(|(prompt, _)| match prompt {
        Prompt::Messages(messages) => messages[0].content.clone(),
        other => panic!("no conversation: {other:?}"),
    });
    (read.collect(), terms.into_iter().map(|term| (term.weight, term.readout, term.reference)).collect())
}

#[test]
fn a_weight_below_zero_follows_the_opposite_where_there_is_one() {
    let (lanes, terms) = sides(ReferencePolicy::Base, [-2.0, 0.0, -1.0]);
    assert_eq!(lanes, ["<long> hi", "<humor> hi"]);
    assert_eq!(terms, [(-2.0, 0, Reference::Opposing), (-1.0, 1, Reference::Base)]);
    let (lanes, terms) = sides(ReferencePolicy::Base, [1.0, 0.0, 0.5]);
    assert_eq!(lanes, ["<short> hi", "<humor> hi"]);
    assert_eq!(terms, [(1.0, 0, Reference::Base), (0.5, 1, Reference::Base)]);
}

#[test]
fn the_same_words_are_one_lane() {
    let (lanes, terms) = sides(ReferencePolicy::Base, [-2.0, 1.0, 0.0]);
    assert_eq!(lanes, ["<long> hi"]);
    assert_eq!(terms, [(-2.0, 0, Reference::Opposing), (1.0, 0, Reference::Base)]);
    let (lanes, terms) = sides(ReferencePolicy::Opposite, [1.0, 1.0, 0.0]);
    assert_eq!(lanes, ["<short> hi", "<long> hi"]);
    assert_eq!(terms, [(1.0, 0, Reference::Readout(1)), (1.0, 1, Reference::Readout(0))]);
}

#[test]
fn a_contrast_reads_the_principle_and_its_opposite_at_any_weight() {
    for weight in [1.0, -1.0] {
        let (lanes, terms) = sides(ReferencePolicy::Opposite, [weight, 0.0, weight]);
        assert_eq!(lanes, ["<short> hi", "<long> hi", "<humor> hi"]);
        // A dimension without an opposite has nothing to be set against but the base.
        assert_eq!(terms, [(weight, 0, Reference::Readout(1)), (weight, 2, Reference::Base)]);
    }
}

/// A manifest of two dimensions with heads, each the other's opposite, and a prompted one behind them.
fn with_a_prompted_one() -> Manifest {
    let mut manifest = two_sided(ReferencePolicy::Base);
    manifest.dimensions[2].prompted = true;
    manifest.dimensions[2].opposite = Some("serious".to_owned());
    Manifest { kind: Kind::Heads, ..manifest }
}

#[test]
fn a_dimension_without_a_head_has_a_lane_beside_the_heads() {
    let prompt = vec![Message::new("system", "s"), Message::new("user", "hi")].into();
    let layout = lay_out_with(&with_a_prompted_one(), &prompt, &weights([-1.0, 0.0, -0.5])).unwrap();
    assert_eq!(lanes(&layout), ["hi", "<serious> hi"]);
    let adapter = Some(LaneAdapter::whole(0));
    let through_a_head = LaneKind { source: LaneSource::Base, adapter, heads: vec![LaneHead::Value(1)] };
    let in_words = LaneKind { source: LaneSource::Base, adapter: None, heads: vec![LaneHead::None] };
    assert_eq!(layout.lanes.iter().map(|(_, kind)| kind.clone()).collect::<Vec<_>>(), [through_a_head, in_words]);
    assert_eq!(layout.dimensions, ["concise", "humor"]);
    let read: Vec<_> = layout.terms.iter().map(|term| (term.weight, term.readout, term.reference)).collect();
    assert_eq!(read, [(-1.0, 0, Reference::Opposing), (-0.5, 1, Reference::Opposing)]);
    let alone = lay_out_with(&with_a_prompted_one(), &prompt, &weights([0.0, 0.0, 1.0])).unwrap();
    assert_eq!((lanes(&alone), terms(&alone)), (vec!["<humor> hi"], vec![(0, 1.0)]));
    let principled = Manifest { base_prompt: BasePrompt::Principled, ..with_a_prompted_one() };
    let layout = lay_out_with(&principled, &prompt, &weights([1.0, 0.0, 1.0])).unwrap();
    assert_eq!(said(&layout.base)[1], "<short humor> hi");
}

#[test]
fn a_dimension_without_a_head_is_checked() {
    let refused = |change: fn(&mut Manifest)| {
        let mut manifest = with_a_prompted_one();
        change(&mut manifest);
        manifest.kind.check(&manifest).unwrap_err().to_string()
    };
    assert!(with_a_prompted_one().kind.check(&with_a_prompted_one()).is_ok());
    assert!(refused(|m| m.dimensions.swap(1, 2)).contains("`detailed` behind one that is prompted"));
    assert!(refused(|m| m.dimensions.drain(..2).for_each(drop)).contains("all prompted"));
    assert!(refused(|m| m.dimensions[2].principle.clear()).contains("principle of dimension `humor` is empty"));
    assert!(refused(|m| m.reference = ReferencePolicy::Backbone).contains("`base` beside prompted dimensions"));
    assert!(refused(|m| m.dimensions[1].scale = Some(0.0)).contains("scale of dimension `detailed` is 0"));
    let mut scaled = with_a_prompted_one();
    scaled.dimensions[1].scale = Some(0.5);
    assert!(RewardModel::new(scaled.clone()).is_ok());
    scaled.dimensions[2].scale = Some(0.5);
    let message = RewardModel::new(scaled).unwrap_err().to_string();
    assert!(message.contains("the `scale` of dimension `humor` is set"), "{message}");
}

#[test]
fn a_principled_base_reads_what_is_followed() {
    for reference in [ReferencePolicy::Base, ReferencePolicy::Opposite] {
        let manifest = Manifest { base_prompt: BasePrompt::Principled, ..two_sided(reference) };
        let prompt = vec![Message::new("system", "s"), Message::new("user", "hi")].into();
        let layout = lay_out_with(&manifest, &prompt, &weights([-1.0, 0.0, 1.0])).unwrap();
        assert_eq!(said(&layout.base)[1], "<long humor> hi");
    }
    let of_prompts = two_sided(ReferencePolicy::Base);
    let manifest = Manifest { kind: Kind::Heads, base_prompt: BasePrompt::Principled, ..of_prompts };
    let prompt = vec![Message::new("system", "s"), Message::new("user", "hi")].into();
    let layout = lay_out_with(&manifest, &prompt, &weights([-1.0, 0.0, 1.0])).unwrap();
    assert!(said(&layout.base)[1].starts_with("<long"), "heads too: {}", said(&layout.base)[1]);
    assert!(!said(&layout.base)[1].contains("short"));
}

#[test]
fn checkpoint_has_one_lane_with_the_mean_weight() {
    let layout = lay_out(Kind::Checkpoint, BasePrompt::Plain, &weights([0.5, 0.0, 1.0])).unwrap();
    assert_eq!(lanes(&layout), ["<harmless and humor> hi"]);
    assert_eq!(layout.dimensions, ["harmless+humor"]);
    assert_eq!(terms(&layout), [(0, 0.75)]);
}

#[test]
fn checkpoint_weighs_against_all_or_none() {
    let layout = lay_out(Kind::Checkpoint, BasePrompt::Plain, &weights([-0.5, -1.0, 0.0])).unwrap();
    assert_eq!(terms(&layout), [(0, -0.75)]);
    let error = lay_out(Kind::Checkpoint, BasePrompt::Plain, &weights([0.5, -1.0, 0.25])).err().unwrap();
    assert_eq!(error.param(), Some("preference"));
    let message = error.to_string();
    assert!(message.contains("`harmless`, `humor` and `helpful` have weights of opposite sign"), "{message}");
}

#[test]
fn plain_words_are_one_lane_of_weight_one() {
    let words = Preference::Principle("speak like a pirate".to_owned());
    for kind in [Kind::Prompted, Kind::Checkpoint] {
        let layout = lay_out(kind, BasePrompt::Plain, &words).unwrap();
        assert_eq!(lanes(&layout), ["<speak like a pirate> hi"]);
        assert_eq!(layout.dimensions, ["principle"]);
        assert_eq!(terms(&layout), [(0, 1.0)]);
    }
}

#[test]
fn without_weights_only_the_plain_base_is_left() {
    for kind in [Kind::Prompted, Kind::Checkpoint] {
        for base_prompt in [BasePrompt::Plain, BasePrompt::Principled] {
            let layout = lay_out(kind, base_prompt, &weights([0.0, -0.0, 0.0])).unwrap();
            assert!(layout.lanes.is_empty() && layout.terms.is_empty() && layout.dimensions.is_empty());
            assert_eq!(said(&layout.base)[1], "hi");
        }
    }
}

#[test]
fn a_principled_base_reads_all_principles() {
    let both = weights([0.5, 1.0, 0.0]);
    let checkpoint = lay_out(Kind::Checkpoint, BasePrompt::Principled, &both).unwrap();
    assert_eq!(said(&checkpoint.base)[1], "<harmless and helpfulness> hi");
    assert_eq!(said(&checkpoint.base)[1], said(&checkpoint.lanes[0].0)[1]);
    // A prompted dimension's principle is a sentence, which needs no "and".
    let prompted = lay_out(Kind::Prompted, BasePrompt::Principled, &both).unwrap();
    assert_eq!(said(&prompted.base)[1], "<harmless helpfulness> hi");
    assert_eq!(lanes(&prompted), ["<harmless> hi", "<helpfulness> hi"]);
}

#[test]
fn only_a_preference_needs_a_user_message() {
    let manifest = manifest(Kind::Prompted, BasePrompt::Plain);
    let prompt = vec![Message::new("system", "s")].into();
    let lay_out = |preference| lay_out_with(&manifest, &prompt, &preference);
    assert!(lay_out(weights([0.0; 3])).is_ok());
    assert!(matches!(lay_out(weights([1.0, 0.0, 0.0])), Err(RewardError::NoUserMessage)));
}

/// How the lanes of trained heads run.
fn kinds(layout: &Layout) -> Vec<LaneKind> {
    layout.lanes.iter().map(|(_, kind)| kind.clone()).collect()
}

#[test]
fn heads_share_one_lane_that_reads_what_the_base_reads() {
    let layout = lay_out(Kind::Heads, BasePrompt::Plain, &weights([0.5, 0.0, -1.0])).unwrap();
    assert_eq!(lanes(&layout), ["hi"]);
    let heads = vec![LaneHead::Value(0), LaneHead::Value(2)];
    assert_eq!(kinds(&layout), [LaneKind { source: LaneSource::Base, adapter: Some(LaneAdapter::whole(0)), heads }]);
    assert_eq!(layout.dimensions, ["harmless", "humor"]);
    assert_eq!(terms(&layout), [(0, 0.5), (1, -1.0)]);
    let none = lay_out(Kind::Heads, BasePrompt::Plain, &weights([0.0; 3])).unwrap();
    assert!(none.lanes.is_empty() && none.terms.is_empty());
}

#[test]
fn a_weight_below_zero_uses_the_head_of_the_opposite_dimension() {
    let heads = |reference, given: [f32; 3]| {
        let manifest = Manifest { kind: Kind::Heads, ..two_sided(reference) };
        lay_out_with(&manifest, &vec![Message::new("user", "hi")].into(), &weights(given)).unwrap()
    };
    let read = |layout: &Layout| kinds(layout).into_iter().flat_map(|kind| kind.heads).collect::<Vec<_>>();
    let told = |layout: &Layout| layout.terms.iter().map(|t| (t.weight, t.readout, t.reference)).collect::<Vec<_>>();
    let less = heads(ReferencePolicy::Base, [-2.0, 0.0, -1.0]);
    assert_eq!(read(&less), [LaneHead::Value(1), LaneHead::Value(2)]);
    assert_eq!(told(&less), [(-2.0, 0, Reference::Opposing), (-1.0, 1, Reference::Base)]);
    let shared = heads(ReferencePolicy::Base, [-2.0, 1.0, 0.0]);
    assert_eq!(read(&shared), [LaneHead::Value(1)], "one head for both");
    assert_eq!(told(&shared), [(-2.0, 0, Reference::Opposing), (1.0, 0, Reference::Base)]);
    let more = heads(ReferencePolicy::Base, [1.0, 0.0, 0.5]);
    assert_eq!(told(&more), [(1.0, 0, Reference::Base), (0.5, 1, Reference::Base)]);
    assert_eq!(read(&heads(ReferencePolicy::Backbone, [-2.0, 0.0, 0.0])), [LaneHead::Value(0)]);
}

#[test]
fn words_are_read_by_the_base_model_where_dimensions_have_heads() {
    let layout = lay_out(Kind::Heads, BasePrompt::Plain, &Preference::Principle("be kind".into())).unwrap();
    assert_eq!(lanes(&layout), ["<be kind> hi"]);
    assert_eq!(kinds(&layout), [LaneKind { source: LaneSource::Base, adapter: None, heads: vec![LaneHead::None] }]);
}

#[test]
fn a_backbone_that_is_not_the_base_is_a_reference_lane_of_its_own() {
    let prompt = vec![Message::new("user", "hi")].into();
    let lay_out = |manifest: Manifest| lay_out_with(&manifest, &prompt, &weights([0.0, 1.0, 2.0])).unwrap();
    let heads = |base_prompt| Manifest { reference: ReferencePolicy::Backbone, ..manifest(Kind::Heads, base_prompt) };
    let same = lay_out(heads(BasePrompt::Plain));
    assert_eq!((same.lanes.len(), same.terms[1].reference), (1, Reference::Base));
    let own = lay_out(Manifest { source: Some("weights".into()), ..heads(BasePrompt::Plain) });
    let other_prompt = lay_out(heads(BasePrompt::Principled));
    for (layout, source) in [(own, LaneSource::Own(0)), (other_prompt, LaneSource::Base)] {
        let reference = LaneKind { source, adapter: None, heads: vec![LaneHead::None] };
        assert_eq!(kinds(&layout)[1], reference);
        assert!(layout.terms.iter().all(|term| term.reference == Reference::Readout(2)));
        assert_eq!(layout.lanes[1].0, prompt);
    }
}

#[test]
fn what_each_kind_brings() {
    let brings = |kind: Kind, source: Option<&str>| {
        let manifest = Manifest { source: source.map(str::to_owned), ..manifest(kind, BasePrompt::Plain) };
        (kind.own_models(&manifest), kind.trained_parts(&manifest))
    };
    let far = || vec![OwnModel::Source("far".to_owned())];
    assert_eq!(brings(Kind::Prompted, None), (vec![], TrainedParts::None));
    assert_eq!(brings(Kind::Checkpoint, None), (vec![OwnModel::Folder], TrainedParts::ValueHead));
    assert_eq!(brings(Kind::Checkpoint, Some("far")), (far(), TrainedParts::ValueHead));
    assert_eq!(brings(Kind::Heads, None), (vec![], TrainedParts::HeadsAndAdapter));
    assert_eq!(brings(Kind::Heads, Some("far")), (far(), TrainedParts::HeadsAndAdapter));
}
