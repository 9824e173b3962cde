//! The lanes of a request: prompts to read and weighted terms.

use pad_decode::{Reference, Term};

/// Through which weights a reward lane runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneSource {
    /// The base model's.
    Base,
    /// A model that the reward model brings, by order of [`crate::Kind::own_models`].
    Own(usize),
}

/// How a reward lane is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneHead {
    /// As the language model has it.
    None,
    /// Through a value head, by order of the reward model's heads.
    Value(usize),
}

/// An adapter or a control vector of a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneAdapter {
    /// By order of those that the reward model brings.
    pub index: usize,
    /// What it is multiplied by.
    pub strength: LaneStrength,
}

/// What a lane multiplies its adapter by.
#[derive(Clone, Debug, PartialEq)]
pub enum LaneStrength {
    /// A number: so many times a control vector, or once an adapter as it is.
    Times(f32),
    /// The weight of each of the manifest's dimensions in the core of a bilinear adapter.
    Mix(Vec<f32>),
}

impl LaneAdapter {
    /// An adapter as it is.
    pub fn whole(index: usize) -> Self {
        Self { index, strength: LaneStrength::Times(1.0) }
    }
}

/// How a reward lane runs: what all but its prompt says.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneKind {
    /// Its weights.
    pub source: LaneSource,
    /// What is added to them. Trained heads may come without an adapter: then nothing is.
    pub adapter: Option<LaneAdapter>,
    /// How it is read, once or more.
    pub heads: Vec<LaneHead>,
}

/// One reward lane.
#[derive(Clone, Debug, PartialEq)]
pub struct RewardLane {
    /// Its prompt in tokens.
    pub prompt: Vec<u32>,
    /// How it runs and is read.
    pub kind: LaneKind,
}

/// The lanes and terms of one request.
#[derive(Clone, Debug, PartialEq)]
pub struct LanePlan {
    /// The base lane's prompt in tokens.
    pub base: Vec<u32>,
    /// The reward lanes; empty when the preference asks for nothing.
    pub lanes: Vec<RewardLane>,
    /// The name of each term, in the order of `terms`.
    pub dimensions: Vec<String>,
    /// The terms; [`Term::readout`] counts all lanes' heads in order.
    pub terms: Vec<Term>,
}

/// One term of a plan, as a preference weighs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TermWeight {
    /// Its index in [`LanePlan::terms`].
    pub term: usize,
    /// The weight.
    pub weight: f32,
}

impl LanePlan {
    /// The base lane alone, which reads this prompt.
    pub fn base_alone(base: Vec<u32>) -> Self {
        Self { base, lanes: Vec::new(), dimensions: Vec::new(), terms: Vec::new() }
    }

    /// Take in the lanes and terms of another plan of the same base prompt, and tell how that one weighs the terms of this. Terms are
    /// known by their names: where all of the other's are here already, no lane is added.
    pub fn merge(&mut self, other: Self) -> Vec<TermWeight> {
        debug_assert_eq!(self.base, other.base, "plans of one base prompt are merged");
        let known: Option<Vec<usize>> = other.dimensions.iter().map(|name| self.term_named(name)).collect();
        let places = known.unwrap_or_else(|| (self.terms.len()..).take(other.terms.len()).collect());
        let weights = places.iter().zip(&other.terms);
        let weights = weights.map(|(&place, term)| TermWeight { term: place, weight: term.weight }).collect();
        if places.first().is_some_and(|first| *first == self.terms.len()) {
            let readouts: usize = self.lanes.iter().map(|lane| lane.kind.heads.len()).sum();
            self.lanes.extend(other.lanes);
            self.dimensions.extend(other.dimensions);
            self.terms.extend(other.terms.into_iter().map(|term| behind(readouts, term)));
        }
        weights
    }

    /// The index of the term of this name.
    pub(crate) fn term_named(&self, name: &str) -> Option<usize> {
        self.dimensions.iter().position(|known| known == name)
    }
}

/// The same term where its readouts stand behind so many others.
fn behind(readouts: usize, term: Term) -> Term {
    let reference = match term.reference {
        Reference::Readout(other) => Reference::Readout(other + readouts),
        Reference::Base | Reference::Opposing | Reference::None => term.reference,
    };
    Term { readout: term.readout + readouts, reference, ..term }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan with one lane, read by a head for each of these terms and by one more, which all are measured against.
    fn plan(terms: &[(&str, f32)]) -> LanePlan {
        let heads = vec![LaneHead::None; terms.len() + 1];
        let reference = Reference::Readout(terms.len());
        let term = |(readout, (_, weight)): (usize, &(&str, f32))| Term { weight: *weight, readout, reference };
        LanePlan {
            base: vec![1],
            lanes: vec![RewardLane {
                prompt: vec![2],
                kind: LaneKind { source: LaneSource::Base, adapter: None, heads },
            }],
            dimensions: terms.iter().map(|(name, _)| (*name).to_owned()).collect(),
            terms: terms.iter().enumerate().map(term).collect(),
        }
    }

    #[test]
    fn merged_terms_read_their_own_lanes() {
        let mut all = LanePlan::base_alone(vec![1]);
        assert_eq!(
            all.merge(plan(&[("a", 0.5), ("b", 2.0)])),
            [TermWeight { term: 0, weight: 0.5 }, TermWeight { term: 1, weight: 2.0 }]
        );
        // Three readouts stand before those of the second plan.
        assert_eq!(all.merge(plan(&[("c", -1.0)])), [TermWeight { term: 2, weight: -1.0 }]);
        assert_eq!((all.lanes.len(), all.dimensions.join(" ")), (2, "a b c".to_owned()));
        let readouts: Vec<(usize, Reference)> = all.terms.iter().map(|term| (term.readout, term.reference)).collect();
        assert_eq!(readouts, [(0, Reference::Readout(2)), (1, Reference::Readout(2)), (3, Reference::Readout(4))]);
    }

    #[test]
    fn what_is_there_is_not_added_again() {
        let mut all = plan(&[("a", 0.5), ("b", 2.0)]);
        assert_eq!(all.merge(plan(&[("b", -1.0)])), [TermWeight { term: 1, weight: -1.0 }]);
        assert_eq!(all, plan(&[("a", 0.5), ("b", 2.0)]));
        assert_eq!(all.merge(LanePlan::base_alone(vec![1])), []);
    }
}
