//! The description of a reward model: the `[reward]` table of the settings, or the `persrm.toml` in its folder.

use std::collections::{BTreeMap, HashSet};

use pad_decode::{CANDIDATES, GUIDE_TOKENS, Guards, LOOP_GUARD, PLAUSIBILITY};
use serde::{Deserialize, Serialize};

use crate::dimension::{self, Dimension};
use crate::error::RewardError;
use crate::normalisation::Normalisation;
use crate::principle::{PrincipleTemplate, PrincipleTurn};
use crate::reference_policy::ReferencePolicy;

/// How a reward model turns a preference into lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The base weights, one lane per dimension, each with its principle in the prompt.
    Prompted,
    /// A language model of its own with a value head, one lane, all principles in one prompt.
    Checkpoint,
    /// A backbone, usually the base model's weights, with a LoRA adapter and one low-rank head per dimension: one lane, read once per
    /// dimension.
    Heads,
    /// A language model of its own for each dimension, one lane each: its log-probability is the reward (`GenARM`).
    Model,
    /// The base weights with a control vector for each dimension, one lane each, whose strength is the weight.
    Vector,
    /// An expert for each dimension, measured against an anti-expert or the base lane (`DExperts`, `CoPe`).
    Contrast,
    /// The base weights, or a language model of its own, with an adapter whose core depends on the weights of the dimensions: one lane, whose
    /// log-probability is the reward (`PARM`).
    Bilinear,
}

/// The base model that a reward model was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedOn {
    /// Its name, for messages.
    pub name: String,
    /// SHA-256 of its weights' file in hexadecimal: the GGUF file, `model.safetensors`, or the first shard by name.
    pub sha256: String,
}

/// What the base lane reads when a preference is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BasePrompt {
    /// The messages as they came (the paper: the base does not depend on the preference).
    #[default]
    Plain,
    /// The messages under all principles, joined as the kind joins them (the released code).
    Principled,
}

/// Whose best tokens are the candidates of a step; see [`pad_decode::CandidateSource`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateSource {
    /// The base model's.
    #[default]
    Base,
    /// The base model's and every reward lane's.
    Union,
}

impl From<CandidateSource> for pad_decode::CandidateSource {
    fn from(source: CandidateSource) -> Self {
        match source {
            CandidateSource::Base => Self::Base,
            CandidateSource::Union => Self::Union,
        }
    }
}

/// Everything that the server must know of a reward model besides its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// How a preference becomes lanes.
    pub kind: Kind,
    /// Where a checkpoint's weights are, or a backbone's that is not the base model: a path, or a source that the server can fetch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The user turn of a reward lane, with `{principle}` and `{content}`. Empty: the kind's own, see [`Manifest::template`].
    #[serde(default)]
    pub template: String,
    /// The turn that contains the principle.
    #[serde(default)]
    pub turn: PrincipleTurn,
    /// What the base lane reads.
    #[serde(default)]
    pub base_prompt: BasePrompt,
    /// Over which tokens log-probabilities are normalised.
    #[serde(default)]
    pub normalisation: Normalisation,
    /// What rewards are measured against.
    #[serde(default)]
    pub reference: ReferencePolicy,
    /// The base model that heads were trained on; a server with another one refuses them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<TrainedOn>,
    /// Guidance strength of a request that gives none; at least 0.
    #[serde(default = "default_beta")]
    pub beta: f32,
    /// Candidates per step of a request that gives no number, one of [`CANDIDATES`]. 0: the kind's own, see [`Manifest::top_k`].
    #[serde(default)]
    pub top_k: usize,
    /// Whose candidates they are, where a request does not say.
    #[serde(default)]
    pub candidates: CandidateSource,
    /// [`Guards::plausibility`] of a request that does not say; one of [`PLAUSIBILITY`].
    #[serde(default)]
    pub plausibility: f32,
    /// [`Guards::loop_guard`] of a request that does not say; one of [`LOOP_GUARD`].
    #[serde(default)]
    pub loop_guard: usize,
    /// [`Guards::max_kl`] of a request that does not say; at least 0, and infinity is no bound.
    #[serde(default = "no_bound")]
    pub max_kl: f64,
    /// [`Guards::guide_tokens`] of a request that does not say; one of [`GUIDE_TOKENS`].
    #[serde(default)]
    pub guide_tokens: usize,
    /// Least and greatest weight that a request may give.
    #[serde(default = "default_weight_range")]
    pub weight_range: [f64; 2],
    /// Weights by name of a request without a preference; empty = the base model's own answer.
    #[serde(default)]
    pub preference: BTreeMap<String, f64>,
    /// The dimensions, in the order of a preference without names.
    pub dimensions: Vec<Dimension>,
    /// How it was trained and what was measured, for people.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub training: toml::Table,
}

fn default_beta() -> f32 {
    1.0
}

fn no_bound() -> f64 {
    f64::INFINITY
}

fn default_weight_range() -> [f64; 2] {
    [-2.0, 2.0]
}

impl Manifest {
    /// Reads the text of a `persrm.toml`. The values are checked by [`crate::RewardModel::new`].
    ///
    /// # Errors
    ///
    /// [`RewardError::Syntax`], with the line and the key.
    pub fn from_toml(text: &str) -> Result<Self, RewardError> {
        Ok(toml::from_str(text)?)
    }

    /// The user turn of a reward lane: the manifest's, or the default of its kind.
    pub fn template(&self) -> &str {
        if self.template.is_empty() { self.kind.template() } else { &self.template }
    }

    /// Default number of candidates per step: the manifest's, or that of its kind.
    pub fn top_k(&self) -> usize {
        if self.top_k == 0 { self.kind.top_k() } else { self.top_k }
    }

    /// The dimensions with a trained head of their own, in the order of the heads: those before the prompted ones.
    pub fn headed(&self) -> &[Dimension] {
        let headed = self.dimensions.iter().take_while(|dimension| !dimension.prompted).count();
        &self.dimensions[..headed]
    }

    /// What rewards are measured against: the manifest's, or that of its kind.
    pub fn reference(&self) -> ReferencePolicy {
        if self.reference == ReferencePolicy::Auto { self.kind.reference() } else { self.reference }
    }

    /// Over which tokens log-probabilities are normalised: as the manifest says, or its kind.
    pub fn normalisation(&self) -> pad_decode::Normalisation {
        match self.normalisation {
            Normalisation::Auto => self.kind.normalisation(),
            Normalisation::Candidates => pad_decode::Normalisation::Candidates,
            Normalisation::Vocabulary => pad_decode::Normalisation::Vocabulary,
        }
    }

    /// Checks every value but the default preference, which needs the rest to be right.
    pub(crate) fn check(&self) -> Result<PrincipleTemplate, RewardError> {
        if self.dimensions.is_empty() {
            return Err(RewardError::manifest("dimensions", "empty", "at least one"));
        }
        let mut seen = HashSet::new();
        for dimension in &self.dimensions {
            dimension.check_name()?;
            dimension.check_values()?;
            self.check_weights(dimension)?;
            if !seen.insert(&dimension.name) {
                let value = format!("`{}` twice", dimension.name);
                return Err(RewardError::manifest("dimensions.name", &value, "each name once"));
            }
        }
        dimension::check_range("weight_range", self.weight_range)?;
        if !(self.beta.is_finite() && self.beta >= 0.0) {
            return Err(RewardError::manifest("beta", &self.beta.to_string(), "a finite number, at least 0"));
        }
        if !CANDIDATES.contains(&self.top_k()) {
            let allowed = format!("{} to {}, or 0 for the kind's own", CANDIDATES.start(), CANDIDATES.end());
            return Err(RewardError::manifest("top_k", &self.top_k.to_string(), &allowed));
        }
        self.check_guards()?;
        self.kind.check(self)?;
        PrincipleTemplate::new(self.template(), self.turn)
    }

    /// What holds the guidance of a request back that says nothing of it.
    pub fn guards(&self) -> Guards {
        let Self { plausibility, loop_guard, max_kl, guide_tokens, .. } = *self;
        Guards { plausibility, loop_guard, max_kl, guide_tokens }
    }

    fn check_guards(&self) -> Result<(), RewardError> {
        let Guards { plausibility, loop_guard, max_kl, guide_tokens } = self.guards();
        if !PLAUSIBILITY.contains(&f64::from(plausibility)) {
            return Err(RewardError::manifest("plausibility", &plausibility.to_string(), "0 to 1"));
        }
        if max_kl.is_nan() || max_kl < 0.0 {
            return Err(RewardError::manifest(
                "max_kl",
                &max_kl.to_string(),
                "a number, at least 0, or inf for no bound",
            ));
        }
        for (field, value, allowed) in
            [("loop_guard", loop_guard, LOOP_GUARD), ("guide_tokens", guide_tokens, GUIDE_TOKENS)]
        {
            if !allowed.contains(&value) {
                let allowed = format!("{} to {}", allowed.start(), allowed.end());
                return Err(RewardError::manifest(field, &value.to_string(), &allowed));
            }
        }
        Ok(())
    }

    /// Refuses what dimensions of this kind do not have.
    fn check_weights(&self, dimension: &Dimension) -> Result<(), RewardError> {
        if dimension.prompted && self.kind != Kind::Heads {
            let field = format!("prompted of dimension `{}`", dimension.name);
            return Err(RewardError::manifest(&field, "true", "only with kind `heads`"));
        }
        let guided = matches!(self.kind, Kind::Model | Kind::Contrast);
        let vectors = self.kind == Kind::Vector;
        let scaled = vectors || (self.kind == Kind::Heads && !dimension.prompted);
        let set = [
            ("guide", dimension.guide.is_some() && !guided, "kinds `model` and `contrast` have"),
            ("against", dimension.against.is_some() && !guided, "kind `contrast` has"),
            ("vector", dimension.vector.is_some() && !vectors, "kind `vector` has"),
            ("scale", dimension.scale.is_some() && !scaled, "kind `vector` and dimensions with a head have"),
        ];
        match set.into_iter().find(|(_, set, _)| *set) {
            None => Ok(()),
            Some((key, _, who)) => {
                let field = format!("the `{key}` of dimension `{}`", dimension.name);
                let allowed = format!("nothing with kind `{}`; {who} it", self.kind.name());
                Err(RewardError::manifest(&field, "set", &allowed))
            }
        }
    }

    /// Refuses a dimension without a principle, where the base lane reads principles.
    pub(crate) fn check_base_prompt(&self) -> Result<(), RewardError> {
        match self.base_prompt {
            BasePrompt::Plain => Ok(()),
            BasePrompt::Principled => self.check_principles(),
        }
    }

    /// Refuses a dimension without a principle, where lanes read principles.
    pub(crate) fn check_principles(&self) -> Result<(), RewardError> {
        self.dimensions.iter().try_for_each(Dimension::check_principle)
    }

    /// Refuses a reference that is none of these.
    pub(crate) fn check_reference(&self, allowed: &[ReferencePolicy]) -> Result<(), RewardError> {
        if allowed.contains(&self.reference()) {
            return Ok(());
        }
        let names: Vec<String> = allowed.iter().map(|reference| format!("`{}`", reference.name())).collect();
        let allowed = format!("{} with kind `{}`", names.join(" or "), self.kind.name());
        Err(RewardError::manifest("reference", &format!("`{}`", self.reference.name()), &allowed))
    }

    /// The names of the dimensions, for messages.
    pub(crate) fn names(&self) -> String {
        dimension::names(&self.dimensions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principle::{PAPER_TEMPLATE, TEMPLATE};

    const SHORT: &str = r#"
        kind = "checkpoint"
        source = "weights"
        [[dimensions]]
        name = "humor"
        principle = "humor"
    "#;

    fn manifest() -> Manifest {
        Manifest::from_toml(SHORT).unwrap()
    }

    /// The message with which a changed manifest is refused.
    fn refused(change: impl FnOnce(&mut Manifest)) -> String {
        let mut manifest = manifest();
        change(&mut manifest);
        manifest.check().unwrap_err().to_string()
    }

    #[test]
    fn what_a_checkpoint_leaves_out_has_the_papers_values() {
        let manifest = manifest();
        assert_eq!(manifest.kind, Kind::Checkpoint);
        assert_eq!(manifest.template(), PAPER_TEMPLATE);
        assert_eq!(
            (manifest.base_prompt, manifest.normalisation()),
            (BasePrompt::Plain, pad_decode::Normalisation::Candidates)
        );
        assert_eq!((manifest.beta.to_bits(), manifest.top_k()), (1f32.to_bits(), 10));
        assert_eq!((manifest.candidates, manifest.guards()), (CandidateSource::Base, Guards::default()));
        assert!(manifest.preference.is_empty());
        assert!(manifest.check().is_ok());
    }

    #[test]
    fn what_reads_plain_words_reads_them_behind_the_text_among_forty() {
        for kind in [Kind::Prompted, Kind::Heads] {
            let manifest = Manifest { kind, source: None, ..manifest() };
            assert_eq!((manifest.template(), manifest.top_k(), manifest.turn), (TEMPLATE, 40, PrincipleTurn::User));
            let own = Manifest { template: "{principle}: {content}".into(), top_k: 7, ..manifest };
            assert_eq!((own.template(), own.top_k()), ("{principle}: {content}", 7));
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        for text in [format!("betta = 2\n{SHORT}"), format!("{SHORT}\nprincipel = \"x\"")] {
            let error = Manifest::from_toml(&text).unwrap_err().to_string();
            assert!(error.contains("betta") || error.contains("principel"), "{error}");
        }
    }

    #[test]
    fn it_survives_a_round_trip() {
        let text = toml::to_string(&manifest()).unwrap();
        assert_eq!(Manifest::from_toml(&text).unwrap(), manifest());
    }

    #[test]
    fn each_bad_value_is_named() {
        assert!(refused(|m| m.dimensions.clear()).contains("dimensions is empty"));
        assert!(refused(|m| m.dimensions.push(m.dimensions[0].clone())).contains("`humor` twice"));
        assert!(refused(|m| m.dimensions[0].name = "a+b".into()).contains("`a+b`"));
        assert!(refused(|m| m.dimensions[0].name = String::new()).contains("dimensions.name is ``"));
        assert!(refused(|m| m.dimensions[0].name = "profile".into()).contains("names a stored profile"));
        assert!(refused(|m| m.dimensions[0].principle = " ".into()).contains("principle of dimension `humor`"));
        assert!(refused(|m| m.beta = f32::NAN).contains("beta is NaN"));
        assert!(refused(|m| m.beta = -1.0).contains("beta is -1"));
        assert!(refused(|m| m.top_k = 101).contains("top_k is 101"));
        assert!(refused(|m| m.plausibility = 1.5).contains("plausibility is 1.5"));
        assert!(refused(|m| m.plausibility = f32::NAN).contains("plausibility is NaN"));
        assert!(refused(|m| m.loop_guard = 65).contains("loop_guard is 65"));
        assert!(refused(|m| m.max_kl = -0.5).contains("max_kl is -0.5"));
        assert!(refused(|m| m.max_kl = f64::NAN).contains("max_kl is NaN"));
        assert!(refused(|m| m.guide_tokens = usize::MAX).contains("guide_tokens is"));
        assert!(refused(|m| m.template = "{content}".into()).contains("template is without {principle}"));
        assert!(refused(|m| m.kind = Kind::Prompted).contains("source is set"));
        assert!(refused(|m| m.dimensions[0].opposite = Some(" ".into())).contains("opposite of dimension `humor`"));
        let same = refused(|m| m.dimensions[0].opposite = Some(format!(" {}", m.dimensions[0].principle)));
        assert!(same.contains("opposite of dimension `humor` is its principle"), "{same}");
        assert!(
            refused(|m| m.dimensions[0].recommended = Some([0.5, 1.0]))
                .contains("recommended range of dimension `humor`")
        );
        let reference = refused(|m| m.reference = ReferencePolicy::Opposite);
        assert!(reference.contains("reference is `opposite`; allowed: `base` with kind `checkpoint`"), "{reference}");
        assert!(refused(|m| m.dimensions[0].prompted = true).contains("prompted of dimension `humor` is true"));
        for range in [[1.0, 2.0], [0.0, 0.0], [f64::NAN, 1.0], [-1.0, f64::INFINITY], [-2.0, -1.0]] {
            assert!(refused(|m| m.weight_range = range).contains("weight_range is ["), "{range:?}");
        }
    }
}
