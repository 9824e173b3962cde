//! What is read of the states of a step, in the order in which the device reads it.

use pad_decode::TokenSet;
use pad_kernels::Ranked;
use pad_kernels::device::BestLaunch;
use pad_model::{Follower, Logits, ModelError, StateRead, Wanted};

/// How much of a state's logits is computed, in the order in which the states are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// All, and the best of them are kept.
    Best,
    /// All for their sum, and those at the best tokens of another state.
    SumAndFollow,
    /// All for their sum, and those at tokens.
    SumAndTokens,
    /// Those at tokens.
    Tokens,
    /// Those at the best tokens of another state.
    Follow,
}

/// What is read of a state.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    pub state: usize,
    pub head: Option<usize>,
    pub what: What<'a>,
    pub log_sum_exp: bool,
}

#[derive(Clone, Copy)]
pub enum What<'a> {
    /// Its best tokens, of these if not of all.
    Best(usize, Option<&'a TokenSet>),
    At(&'a [u32]),
    /// At the best of the item of this number.
    Follow(usize),
}

/// What is read together.
pub struct Plan<'a> {
    /// In the order of the states: number of the item, and itself.
    pub items: Vec<(usize, Item<'a>)>,
    /// By items: its place in that order.
    pub places: Vec<usize>,
    /// States of which the best are kept.
    pub best: usize,
    /// States whose logits are all computed: those, and some behind them.
    pub whole: usize,
    /// How many of the best are kept.
    pub k: usize,
    /// Tokens of a state that is read at tokens, at most.
    pub tokens: usize,
    pub sums: bool,
}

impl<'a> Item<'a> {
    pub fn of_read(read: &'a StateRead) -> Self {
        let what = match &read.wanted.logits {
            Wanted::Best(k) => What::Best(*k, None),
            Wanted::BestAmong(k, allowed) => What::Best(*k, Some(allowed)),
            Wanted::At(tokens) => What::At(tokens),
        };
        Self { state: read.state, head: read.head, what, log_sum_exp: read.wanted.log_sum_exp }
    }

    pub fn of_follower(follower: &Follower) -> Self {
        let Follower { state, head, of, log_sum_exp } = *follower;
        Self { state, head, what: What::Follow(of), log_sum_exp }
    }

    pub fn extent(&self) -> Extent {
        match (self.what, self.log_sum_exp) {
            (What::Best(..), _) => Extent::Best,
            (What::Follow(_), true) => Extent::SumAndFollow,
            (What::At(_), true) => Extent::SumAndTokens,
            (What::At(_), false) => Extent::Tokens,
            (What::Follow(_), false) => Extent::Follow,
        }
    }

    /// How many of the best are wanted.
    pub fn depth(&self) -> usize {
        if let What::Best(k, _) = self.what { k } else { 0 }
    }

    pub fn tokens(&self) -> &'a [u32] {
        if let What::At(tokens) = self.what { tokens } else { &[] }
    }

    pub fn follows(&self) -> bool {
        matches!(self.what, What::Follow(_))
    }
}

impl<'a> Plan<'a> {
    /// Of items of `states` states and a vocabulary of so many tokens.
    pub fn new(items: &[Item<'a>], states: usize, vocabulary: usize) -> Result<Self, ModelError> {
        let refuse = |message: String| Err(ModelError::Batch(message));
        for item in items {
            if item.state >= states {
                return refuse(format!("state {} of {states}", item.state));
            }
            if let Some(token) = item.tokens().iter().find(|token| **token as usize >= vocabulary) {
                return refuse(format!("token {token} of a vocabulary of {vocabulary}"));
            }
            if let What::Follow(of) = item.what
                && !items.get(of).is_some_and(|leader| (1..=BestLaunch::MOST).contains(&leader.depth()))
            {
                return refuse(format!("read {of} has no best tokens to follow, or more than {}", BestLaunch::MOST));
            }
        }
        let mut ordered: Vec<(usize, Item<'_>)> = items.iter().copied().enumerate().collect();
        // States that go through one full head lie together.
        ordered.sort_by_key(|(i, item)| (item.extent(), item.head, *i));
        let mut places = vec![0; items.len()];
        ordered.iter().enumerate().for_each(|(place, (i, _))| places[*i] = place);
        let count = |most: Extent| ordered.partition_point(|(_, item)| item.extent() <= most);
        Ok(Self {
            places,
            best: count(Extent::Best),
            whole: count(Extent::SumAndTokens),
            k: items.iter().map(Item::depth).max().unwrap_or(0).clamp(1, BestLaunch::MOST),
            tokens: items.iter().map(|item| item.tokens().len()).max().unwrap_or(0),
            sums: items.iter().any(|item| item.log_sum_exp),
            items: ordered,
        })
    }

    /// Logits that are read of a state one by one.
    pub fn columns(&self, item: &Item<'_>) -> usize {
        match item.what {
            What::Best(..) => 0,
            What::At(_) => self.tokens,
            What::Follow(_) => self.k,
        }
    }

    /// Words of what is found: tokens and logits of the best, two sums for each whole state, logits one by one.
    pub fn words(&self) -> [usize; 4] {
        let best = self.whole * self.k;
        let single = self.items.iter().map(|(_, item)| self.columns(item)).sum();
        [best, best, 2 * self.whole, single]
    }

    /// What was found, in the plan's order.
    pub fn of_found(&self, found: &[u32]) -> Vec<Logits> {
        let plan = self;
        let [best, ..] = plan.words();
        let (best_tokens, rest) = found.split_at(best);
        let (best_logits, rest) = rest.split_at(best);
        let (sums, mut single) = rest.split_at(2 * plan.whole);
        let mut logits: Vec<Logits> = Vec::with_capacity(plan.items.len());
        for (place, (_, item)) in plan.items.iter().enumerate() {
            let (own, rest) = single.split_at(plan.columns(item));
            single = rest;
            let logit = |(token, logit): (u32, &u32)| Ranked { token, logit: f32::from_bits(*logit) };
            let ranked = match item.what {
                What::At(tokens) => tokens.iter().copied().zip(own).map(logit).collect(),
                What::Follow(of) => {
                    let leader: &Vec<Ranked> = &logits[plan.places[of]].ranked;
                    leader.iter().map(|ranked| ranked.token).zip(own).map(logit).collect()
                }
                What::Best(k, _) => {
                    let own = place * plan.k..(place + 1) * plan.k;
                    let found = best_tokens[own.clone()].iter().copied().zip(&best_logits[own]);
                    found.filter(|(token, _)| *token != u32::MAX).take(k).map(logit).collect()
                }
            };
            let sum = |of: usize, wanted: bool| wanted.then(|| f32::from_bits(sums[2 * place + of]));
            let among = matches!(item.what, What::Best(_, Some(_)));
            let (log_sum_exp, among) = (sum(0, item.log_sum_exp), sum(1, item.log_sum_exp && among));
            logits.push(Logits { ranked, log_sum_exp, among });
        }
        logits
    }
}
