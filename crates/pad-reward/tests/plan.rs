//! From messages and a preference to prompts in tokens, with a tokenizer of single bytes.

use std::path::Path;

use pad_decode::Reference;
use pad_reward::{
    Comparison, LaneHead, LanePlan, LaneSource, Manifest, PAPER_TEMPLATE, Preference, PreferenceInput, RewardModel,
    TEMPLATE,
};
use pad_text::{Chat, Message};

const DIMENSIONS: &str = r#"
    dimensions = [{ name = "brief", principle = "brevity" }, { name = "humor", principle = "humor" }]
"#;

fn chat() -> Chat {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/chat");
    Chat::from_dir(&folder).expect("the fixture is whole")
}

fn model(keys: &str) -> RewardModel {
    let manifest = Manifest::from_toml(&format!("{keys}\n{DIMENSIONS}")).expect("a manifest");
    RewardModel::new(manifest).expect("a reward model")
}

fn plan(model: &RewardModel, chat: &Chat, preference: &PreferenceInput) -> LanePlan {
    let preference = model.resolve(preference).expect("a preference");
    model.plan(chat, &vec![Message::new("user", "Why?")].into(), &preference, 1.0).expect("a plan")
}

/// The text of a prompt; every token of the fixture is a byte or a special token.
fn text(chat: &Chat, prompt: &[u32]) -> String {
    let bytes: Vec<u8> = prompt.iter().flat_map(|token| chat.tokenizer().token_bytes(*token).to_vec()).collect();
    String::from_utf8(bytes).expect("UTF-8")
}

fn prompt(content: &str) -> String {
    format!("<|im_start|>user: {content}<|im_end|><|im_start|>assistant: ")
}

fn principled(template: &str, principle: &str) -> String {
    prompt(&template.replace("{principle}", principle).replace("{content}", "Why?"))
}

#[test]
fn prompted_lanes_run_through_the_base_weights() {
    let (chat, model) = (chat(), model(r#"kind = "prompted""#));
    let plan = plan(&model, &chat, &PreferenceInput::Ordered(vec![0.5, -1.0]));
    assert_eq!(text(&chat, &plan.base), prompt("Why?"));
    assert_eq!(plan.lanes.len(), 2);
    for (lane, principle) in plan.lanes.iter().zip(["brevity", "humor"]) {
        assert_eq!(text(&chat, &lane.prompt), principled(TEMPLATE, principle));
        assert_eq!((lane.kind.source, &lane.kind.heads[..]), (LaneSource::Base, &[LaneHead::None][..]));
    }
    assert_eq!(plan.dimensions, ["brief", "humor"]);
    let term = |weight, readout| pad_decode::Term { weight, readout, reference: Reference::Base };
    assert_eq!(plan.terms, [term(0.5, 0), term(-1.0, 1)]);
}

#[test]
fn a_checkpoint_lane_has_its_own_weights_and_head() {
    let (chat, model) = (chat(), model("kind = \"checkpoint\"\nsource = \"weights\"\nbase_prompt = \"principled\""));
    let plan = plan(&model, &chat, &PreferenceInput::Ordered(vec![1.0, 1.0]));
    assert_eq!(plan.lanes.len(), 1);
    let kind = &plan.lanes[0].kind;
    assert_eq!((kind.source, &kind.heads[..]), (LaneSource::Own(0), &[LaneHead::Value(0)][..]));
    assert_eq!(text(&chat, &plan.lanes[0].prompt), principled(PAPER_TEMPLATE, "brevity and humor"));
    assert_eq!(plan.base, plan.lanes[0].prompt);
}

#[test]
fn no_preference_is_the_base_alone() {
    let (chat, model) = (chat(), model(r#"kind = "prompted""#));
    for preference in [PreferenceInput::Absent, PreferenceInput::Ordered(vec![0.0, 0.0])] {
        let plan = plan(&model, &chat, &preference);
        assert_eq!(text(&chat, &plan.base), prompt("Why?"));
        assert!(plan.lanes.is_empty() && plan.terms.is_empty() && plan.dimensions.is_empty());
    }
}

#[test]
fn beta_zero_is_the_base_alone_whatever_is_preferred() {
    let chat = chat();
    for keys in [
        r#"kind = "prompted""#,
        "kind = \"checkpoint\"\nsource = \"weights\"\nbase_prompt = \"principled\"",
        r#"kind = "heads""#,
        r#"kind = "bilinear""#,
    ] {
        let model = model(keys);
        for preference in [Preference::Weights(vec![1.0, -2.0]), Preference::Principle("be kind".to_owned())] {
            let asked = vec![Message::new("user", "Why?")].into();
            let plan = model.plan(&chat, &asked, &preference, 0.0).expect("a plan");
            assert_eq!(plan, LanePlan::base_alone(asked.encode(&chat).expect("tokens")), "{keys} {preference:?}");
        }
    }
}

#[test]
fn several_preferences_share_the_lanes_of_their_dimensions() {
    let (chat, model) = (chat(), model(r#"kind = "prompted""#));
    let prompt = vec![Message::new("user", "Why?")].into();
    let kind = Preference::Principle("be kind".to_owned());
    let all = [Preference::Weights(vec![0.5, 0.0]), kind, Preference::Weights(vec![-1.0, 2.0])];
    let Comparison { plan, weights } = model.compare(&chat, &prompt, &all).expect("a plan");
    assert_eq!(plan.dimensions, ["brief", "humor", "be kind"]);
    assert_eq!(plan.lanes.len(), 3);
    let weights: Vec<Vec<(usize, f32)>> =
        weights.iter().map(|of| of.iter().map(|w| (w.term, w.weight)).collect()).collect();
    assert_eq!(weights, [vec![(0, 0.5)], vec![(2, 1.0)], vec![(0, -1.0), (1, 2.0)]]);
    let none = model.compare(&chat, &prompt, &[]).expect("a plan");
    assert_eq!(
        (none.plan.dimensions.len(), none.weights.len()),
        (2, 0),
        "every dimension is told where none is asked for"
    );
}

#[test]
fn a_principle_that_is_a_dimensions_name_is_a_term_of_its_own() {
    let (chat, model) = (chat(), model(r#"kind = "prompted""#));
    let prompt = vec![Message::new("user", "Why?")].into();
    let words = |words: &str| Preference::Principle(words.to_owned());
    let all = [Preference::Weights(vec![1.0, 0.0]), words("brief"), words("\"brief\""), words("brief")];
    let Comparison { plan, weights } = model.compare(&chat, &prompt, &all).expect("a plan");
    assert_eq!(plan.dimensions, ["brief", "\"brief\"", "\"\"brief\"\""]);
    let terms: Vec<usize> = weights.iter().map(|of| of[0].term).collect();
    assert_eq!((terms.as_slice(), plan.lanes.len()), ([0, 1, 2, 1].as_slice(), 3));
}

#[test]
fn a_dimension_weighed_for_and_against_has_a_term_for_each_side() {
    let manifest = Manifest::from_toml(
        r#"
        kind = "prompted"
        dimensions = [
            { name = "brief", principle = "Be brief.", opposite = "Be wordy." },
            { name = "humor", principle = "Be funny.", opposite = "Be serious." },
            { name = "calm", principle = "Be calm." },
        ]
        "#,
    );
    let model = RewardModel::new(manifest.expect("a manifest")).expect("a reward model");
    let (chat, prompt) = (chat(), vec![Message::new("user", "Why?")].into());
    let compare = |all: &[[f32; 3]]| {
        let all: Vec<Preference> = all.iter().map(|weights| Preference::Weights(weights.to_vec())).collect();
        let Comparison { plan, weights } = model.compare(&chat, &prompt, &all).expect("a plan");
        let read = plan.lanes.iter().map(|lane| text(&chat, &lane.prompt));
        let principle = |read: String| read.split(['(', ')']).nth(1).expect("a principle").to_owned();
        let terms: Vec<(String, Reference)> =
            plan.dimensions.iter().cloned().zip(plan.terms.iter().map(|term| term.reference)).collect();
        let weights: Vec<Vec<(usize, f32)>> =
            weights.iter().map(|of| of.iter().map(|w| (w.term, w.weight)).collect()).collect();
        (read.map(principle).collect::<Vec<_>>(), terms, weights)
    };
    let term = |name: &str, reference| (name.to_owned(), reference);
    let (lanes, terms, weights) = compare(&[[1.0, -0.5, -1.0], [-2.0, -1.0, 1.0]]);
    assert_eq!(lanes, ["Be brief.", "Be calm.", "Be wordy.", "Be serious."]);
    let opposing = Reference::Opposing;
    assert_eq!(
        terms,
        [
            term("brief", Reference::Base),
            term("calm", Reference::Base),
            term("brief (opposite)", opposing),
            term("humor", opposing)
        ]
    );
    assert_eq!(weights, [vec![(0, 1.0), (3, -0.5), (1, -1.0)], vec![(2, -2.0), (3, -1.0), (1, 1.0)]]);
    // Each preference is read as it steers.
    let steers = model.plan(&chat, &prompt, &Preference::Weights(vec![-2.0, -1.0, 1.0]), 1.0).expect("a plan");
    let references: Vec<Reference> = steers.terms.iter().map(|term| term.reference).collect();
    assert_eq!(
        (steers.dimensions.join(" "), references),
        ("brief humor calm".into(), vec![opposing, opposing, Reference::Base])
    );
}

#[test]
fn a_checkpoint_reads_each_preference_in_a_lane_of_its_own() {
    let (chat, model) = (chat(), model("kind = \"checkpoint\"\nsource = \"weights\""));
    let all = [[1.0, 1.0], [0.0, 1.0], [0.5, 0.25]].map(|weights| Preference::Weights(weights.to_vec()));
    let Comparison { plan, weights } =
        model.compare(&chat, &vec![Message::new("user", "Why?")].into(), &all).expect("a plan");
    assert_eq!(plan.dimensions, ["brief+humor", "humor"]);
    let weights: Vec<Vec<(usize, f32)>> =
        weights.iter().map(|of| of.iter().map(|w| (w.term, w.weight)).collect()).collect();
    assert_eq!(weights, [vec![(0, 1.0)], vec![(1, 1.0)], vec![(0, 0.375)]]);
}

#[test]
fn a_bilinear_model_has_a_lane_for_each_mixture() {
    let (chat, model) = (chat(), model(r#"kind = "bilinear""#));
    let all = [[1.0, 1.0], [0.25, 0.75], [-0.5, -0.5], [0.0, 2.0]].map(|weights| Preference::Weights(weights.to_vec()));
    let Comparison { plan, weights } =
        model.compare(&chat, &vec![Message::new("user", "Why?")].into(), &all).expect("a plan");
    assert_eq!(plan.dimensions, ["brief:0.5+humor:0.5", "brief:0.25+humor:0.75", "humor"]);
    assert_eq!(plan.lanes.len(), 3);
    let weights: Vec<Vec<(usize, f32)>> =
        weights.iter().map(|of| of.iter().map(|w| (w.term, w.weight)).collect()).collect();
    assert_eq!(weights, [vec![(0, 2.0)], vec![(1, 1.0)], vec![(0, -1.0)], vec![(2, 2.0)]]);
}

#[test]
fn the_manifests_default_preference_is_checked_at_the_start() {
    let refused = |keys: &str| {
        let manifest = Manifest::from_toml(&format!("{keys}\n{DIMENSIONS}")).expect("a manifest");
        RewardModel::new(manifest).expect_err("refused").to_string()
    };
    assert!(refused("kind = \"prompted\"\npreference = { wit = 1 }").contains("`wit`"));
    assert!(refused("kind = \"prompted\"\npreference = { brief = 3 }").contains("`brief` is 3"));
    let opposite = refused("kind = \"checkpoint\"\npreference = { brief = 1, humor = -1 }");
    assert!(opposite.contains("opposite sign"), "{opposite}");
}

#[test]
fn the_default_preference_steers() {
    let (chat, model) = (chat(), model("kind = \"prompted\"\npreference = { humor = 1 }"));
    assert_eq!(model.resolve(&PreferenceInput::Absent).expect("weights"), Preference::Weights(vec![0.0, 1.0]));
    assert_eq!(plan(&model, &chat, &PreferenceInput::Absent).dimensions, ["humor"]);
}
