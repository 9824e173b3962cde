//! The runner over real models: base and reward rows of the same weights in one batch, rewards read at the candidates only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pad_decode::{Bridge, Candidates, Readout};
use pad_model::{
    CachedModel, Follower, LaneChunk, LaneModel, Logits, Model, ModelError, RowWanted, StateRead, ValueHead, Wanted,
};

use crate::far_side::SPARE;
use crate::{
    DecodeReadouts, DecodeRows, LaneReadout, Runner, ScoreReadouts, StepError, StepPlan, StepReadouts, WeightsId,
};

/// A set of weights with its cache and its value heads.
#[derive(Debug)]
pub struct LoadedWeights {
    model: Box<dyn LaneModel>,
    /// Where its tokens are not the base model's.
    bridge: Option<Arc<dyn Bridge>>,
}

impl LoadedWeights {
    /// Blocks of a cache that are not for lanes where the model has tokens of its own, but for branches of one step.
    pub const SPARE: usize = SPARE;

    /// A model on the CPU with room for `kv_blocks` blocks.
    ///
    /// # Errors
    /// If there is not that much memory.
    pub fn new(model: Model, heads: Vec<ValueHead>, kv_blocks: usize) -> Result<Self, ModelError> {
        Ok(Self::of(CachedModel::new(model, heads, kv_blocks)?))
    }

    /// The same of a model with tokens of its own.
    ///
    /// # Errors
    /// If there is not that much memory.
    pub fn across(
        bridge: Arc<dyn Bridge>,
        model: Model,
        heads: Vec<ValueHead>,
        kv_blocks: usize,
    ) -> Result<Self, ModelError> {
        Ok(Self::of(CachedModel::new(model, heads, kv_blocks + Self::SPARE)?).over(bridge))
    }

    /// A model wherever it is.
    pub fn of(model: impl LaneModel + 'static) -> Self {
        Self { model: Box::new(model), bridge: None }
    }

    /// The same with tokens of its own; the last [`Self::SPARE`] blocks of its cache are not for lanes.
    #[must_use]
    pub fn over(self, bridge: Arc<dyn Bridge>) -> Self {
        Self { bridge: Some(bridge), ..self }
    }

    /// Blocks for lanes.
    fn kv_blocks(&self) -> usize {
        self.model.kv_blocks().saturating_sub(if self.bridge.is_some() { SPARE } else { 0 })
    }
}

/// Runs steps over one or more sets of weights; the first is the base model's.
#[derive(Debug)]
pub struct LockstepRunner {
    weights: Vec<LoadedWeights>,
}

impl LockstepRunner {
    /// A runner over these weights, the base model's first. All must share the base's vocabulary, but those over a bridge.
    ///
    /// # Errors
    /// If there are none, or the vocabularies differ in size.
    pub fn new(weights: Vec<LoadedWeights>) -> Result<Self, StepError> {
        let near = weights.iter().filter(|w| w.bridge.is_none());
        let sizes: Vec<usize> = near.map(|w| w.model.config().vocabulary).collect();
        match sizes.first() {
            None => Err(StepError::Runner("a runner needs the base model's weights".to_owned())),
            Some(first) if sizes.iter().any(|size| size != first) => Err(StepError::Runner(format!(
                "base and reward models share a vocabulary, but the sizes are {sizes:?}"
            ))),
            Some(_) => Ok(Self { weights }),
        }
    }
}

/// Hidden states of one step: where each lane's last rows are found.
pub(crate) struct StepStates {
    /// By rows of the plan: number of the first of its states among those of its weights.
    first: Vec<usize>,
    /// How much of the time went to reward lanes.
    reward_time: Duration,
}

impl StepStates {
    /// The first state that was read of a row of the plan.
    pub(crate) fn first(&self, row: usize) -> usize {
        self.first[row]
    }
}

/// By sequences: the rewards that were read together with its base, if they were.
pub(crate) type Followed = Vec<Option<Vec<Readout>>>;

/// What is read of one row of the plan.
#[derive(Clone)]
pub(crate) struct RowRead {
    row: usize,
    what: LaneReadout,
    wanted: RowWanted,
}

impl RowRead {
    /// Logits of a row, by index in the plan.
    pub(crate) fn new(row: usize, what: LaneReadout, wanted: RowWanted) -> Self {
        Self { row, what, wanted }
    }
}

/// What is read of a state.
pub(crate) fn state_read(state: usize, what: LaneReadout, wanted: RowWanted) -> StateRead {
    let head = match what {
        LaneReadout::Plain => None,
        LaneReadout::Head(id) => Some(id.0),
    };
    StateRead { state, head, wanted }
}

impl Runner for LockstepRunner {
    fn context(&self) -> usize {
        self.weights.iter().map(|w| w.model.config().context).min().unwrap_or(0)
    }

    fn vocabulary(&self) -> usize {
        self.tokens()
    }

    fn kv_blocks(&self) -> Vec<usize> {
        self.weights.iter().map(LoadedWeights::kv_blocks).collect()
    }

    fn bridge(&self, weights: WeightsId) -> Option<Arc<dyn Bridge>> {
        self.bridge_of(weights).cloned()
    }

    fn windows(&self) -> Vec<Option<usize>> {
        self.weights.iter().map(|w| w.model.config().window()).collect()
    }

    fn step(&mut self, plan: &StepPlan) -> Result<StepReadouts, StepError> {
        let states = self.forward(plan)?;
        let (candidates, followed) = self.candidates(plan, &states)?;
        let reading = Instant::now();
        let mut rewards = self.rewards(plan, &states, &candidates, followed)?.into_iter();
        let reads = plan.decodes.iter().any(|decode| !decode.rewards.is_empty());
        let reward_time = states.reward_time + if reads { reading.elapsed() } else { Duration::ZERO };
        let read = |(candidates, decode): (Candidates, &DecodeRows)| {
            let rewards = rewards.by_ref().take(decode.rewards.len()).collect();
            DecodeReadouts { candidates, rewards }
        };
        let decodes = candidates.into_iter().zip(&plan.decodes).map(read).collect();
        let (scores, embeds) = (self.scores(plan, &states)?, self.embeds(plan, &states)?);
        Ok(StepReadouts { decodes, scores, embeds, reward_time })
    }
}

impl LockstepRunner {
    /// One ragged batch per set of weights. Rows of base and reward lanes are computed together: the time is split by rows and layers.
    fn forward(&mut self, plan: &StepPlan) -> Result<StepStates, StepError> {
        let mut read = vec![0; plan.rows.len()];
        for decode in &plan.decodes {
            read[decode.base] = 1;
            let decisive = |row: usize| 1 + plan.rows[row].open.as_ref().map_or(0, |open| open.tokens);
            decode.rewards.iter().for_each(|(row, _)| read[*row] = decisive(*row));
        }
        plan.scores.iter().for_each(|score| read[score.row] = score.targets.len());
        plan.embeds.iter().for_each(|row| read[*row] = plan.rows[*row].tokens.len());
        let (mut first, mut reward_time) = (vec![0; plan.rows.len()], Duration::ZERO);
        for (id, weights) in self.weights.iter_mut().enumerate() {
            let (mut chunks, mut count, mut index) = (Vec::new(), 0, vec![None; plan.rows.len()]);
            let (mut work, mut reward_work) = (0, 0);
            for (i, rows) in plan.rows.iter().enumerate().filter(|(_, rows)| rows.weights.0 == id) {
                index[i] = Some(chunks.len());
                let (adapter, strength) = rows.adapted();
                chunks.push(LaneChunk {
                    tokens: &rows.tokens,
                    start: rows.start,
                    blocks: &rows.blocks,
                    read: read[i],
                    adapter,
                    strength,
                    // The base lane stands before the lanes that branch off from it.
                    trunk: rows.trunk.and_then(|trunk| index[trunk]),
                });
                let cost = chunks.last().map_or(0, |chunk| weights.model.row_layers(chunk));
                work += cost;
                reward_work += if rows.reward { cost } else { 0 };
                first[i] = count;
                count += read[i];
            }
            let begun = Instant::now();
            weights.model.run(&chunks)?;
            reward_time += begun.elapsed().mul_f64(reward_work as f64 / work.max(1) as f64);
        }
        Ok(StepStates { first, reward_time })
    }

    /// Every reward readout at its sequence's candidates, in the plan's order; those that are `followed`, by sequence, were read already.
    fn rewards(
        &mut self,
        plan: &StepPlan,
        states: &StepStates,
        candidates: &[Candidates],
        followed: Followed,
    ) -> Result<Vec<Readout>, StepError> {
        let is_near = |row: usize| plan.rows[row].open.is_none();
        let of_sequence = |(decode, candidates): (&'_ DecodeRows, &'_ Candidates)| {
            let logits = Wanted::At(candidates.tokens.clone());
            let wanted = RowWanted { logits, log_sum_exp: decode.log_sum_exp };
            let read = move |(row, what): &(usize, LaneReadout)| RowRead::new(*row, *what, wanted.clone());
            decode.rewards.iter().filter(|(row, _)| is_near(*row)).map(read).collect::<Vec<_>>()
        };
        let left = plan.decodes.iter().zip(candidates).zip(&followed).filter(|(_, followed)| followed.is_none());
        let all: Vec<RowRead> = left.flat_map(|(sequence, _)| of_sequence(sequence)).collect();
        let mut near = self.read_rows(plan, states, &all)?.into_iter();
        let mut far = self.crossed(plan, states, candidates)?;
        let mut rewards = Vec::new();
        for (decode, followed) in plan.decodes.iter().zip(followed) {
            if let Some(followed) = followed {
                rewards.extend(followed.into_iter().map(Some));
                continue;
            }
            rewards.extend(decode.rewards.iter().enumerate().map(|(place, (row, _))| {
                if is_near(*row) { near.next().as_ref().map(readout) } else { far.remove(&(*row, place)) }
            }));
        }
        let missing = || StepError::Runner("a reward was not read".to_owned());
        rewards.into_iter().collect::<Option<_>>().ok_or_else(missing)
    }

    /// What was read of the answers' tokens.
    fn scores(&mut self, plan: &StepPlan, states: &StepStates) -> Result<Vec<ScoreReadouts>, StepError> {
        let mut all = Vec::with_capacity(plan.scores.len());
        for score in &plan.scores {
            let (weights, first) = (plan.rows[score.row].weights, states.first(score.row));
            let mut read = ScoreReadouts::default();
            for (i, what) in score.readouts.iter().enumerate() {
                let targets = score.targets.iter().map(|target| Wanted::At(vec![*target]).normalised());
                let at = self.read_states(weights, *what, first, targets)?;
                let logprob =
                    |at: &Logits| logprobs(at, at.log_sum_exp).first().map_or(f32::NAN, |(_, logprob)| *logprob);
                read.logprobs.push(at.iter().map(logprob).collect());
                if i == 0 && score.top > 0 {
                    let best = score.targets.iter().map(|_| Wanted::Best(score.top).alone());
                    let best = self.read_states(weights, *what, first, best)?;
                    read.best = best.iter().zip(&at).map(|(best, at)| logprobs(best, at.log_sum_exp)).collect();
                }
            }
            all.push(read);
        }
        Ok(all)
    }

    /// Reads logits of states of some weights, one after another from `first` on.
    fn read_states(
        &mut self,
        weights: WeightsId,
        what: LaneReadout,
        first: usize,
        wanted: impl Iterator<Item = RowWanted>,
    ) -> Result<Vec<Logits>, StepError> {
        let reads: Vec<StateRead> = (first..).zip(wanted).map(|(at, wanted)| state_read(at, what, wanted)).collect();
        Ok(self.weights[weights.0].model.logits(&reads)?)
    }

    /// Reads logits of rows of the plan, the first state of each. What is read of the same weights is read together, through whatever
    /// heads.
    pub(crate) fn read_rows(
        &mut self,
        plan: &StepPlan,
        states: &StepStates,
        reads: &[RowRead],
    ) -> Result<Vec<Logits>, StepError> {
        let mut logits: Vec<Option<Logits>> = vec![None; reads.len()];
        for (id, weights) in self.weights.iter_mut().enumerate() {
            let own: Vec<usize> = (0..reads.len()).filter(|i| plan.rows[reads[*i].row].weights.0 == id).collect();
            if own.is_empty() {
                continue;
            }
            let state = |i: &usize| {
                let RowRead { row, what, wanted } = &reads[*i];
                state_read(states.first(*row), *what, wanted.clone())
            };
            let read = weights.model.logits(&own.iter().map(state).collect::<Vec<_>>())?;
            own.into_iter().zip(read).for_each(|(i, read)| logits[i] = Some(read));
        }
        Ok(logits.into_iter().flatten().collect())
    }

    /// [`Self::read_rows`] of the bases of all sequences, and perhaps more; and, where weights read both at once, all rewards of sequences
    /// whose candidates are just what their base finds best.
    pub(crate) fn read_bases(
        &mut self,
        plan: &StepPlan,
        states: &StepStates,
        reads: &[RowRead],
    ) -> Result<(Vec<Logits>, Followed), StepError> {
        let direct: Vec<usize> = (0..plan.decodes.len()).filter(|i| is_direct(plan, &plan.decodes[*i])).collect();
        let mut followed = vec![None; plan.decodes.len()];
        let mut logits: Vec<Option<Logits>> = vec![None; reads.len()];
        for (id, weights) in self.weights.iter_mut().enumerate().filter(|(_, weights)| weights.model.follows()) {
            let own: Vec<usize> = (0..reads.len()).filter(|i| plan.rows[reads[*i].row].weights.0 == id).collect();
            let state = |row: usize, what, wanted: &RowWanted| state_read(states.first(row), what, wanted.clone());
            let own_reads: Vec<_> =
                own.iter().map(|i| state(reads[*i].row, reads[*i].what, &reads[*i].wanted)).collect();
            let (mut followers, mut sequences) = (Vec::new(), Vec::new());
            for i in direct.iter().filter(|i| own.contains(i)) {
                let of = own.partition_point(|read| read < i);
                let decode = &plan.decodes[*i];
                followers.extend(decode.rewards.iter().map(|(row, what)| {
                    let StateRead { state, head, .. } = state(*row, *what, &reads[*i].wanted);
                    Follower { state, head, of, log_sum_exp: decode.log_sum_exp }
                }));
                sequences.push(*i);
            }
            if sequences.is_empty() {
                continue;
            }
            let (read, found) = weights.model.logits_at_best(&own_reads, &followers)?;
            let mut found = found.iter().map(readout);
            for i in sequences {
                followed[i] = Some(found.by_ref().take(plan.decodes[i].rewards.len()).collect());
            }
            own.into_iter().zip(read).for_each(|(i, read)| logits[i] = Some(read));
        }
        let left: Vec<usize> = (0..reads.len()).filter(|i| logits[*i].is_none()).collect();
        let again: Vec<RowRead> = left.iter().map(|i| reads[*i].clone()).collect();
        let read = self.read_rows(plan, states, &again)?;
        left.into_iter().zip(read).for_each(|(i, read)| logits[i] = Some(read));
        Ok((logits.into_iter().flatten().collect(), followed))
    }

    /// The hidden states of the texts that are embedded.
    fn embeds(&mut self, plan: &StepPlan, states: &StepStates) -> Result<Vec<Vec<Vec<f32>>>, StepError> {
        let read = |row: &usize| {
            let (rows, first) = (&plan.rows[*row], states.first(*row));
            if rows.tokens.is_empty() {
                return Ok(Vec::new());
            }
            Ok(self.weights[rows.weights.0].model.states(first..first + rows.tokens.len())?)
        };
        plan.embeds.iter().map(read).collect()
    }

    /// Tokens that all weights have, but those over a bridge.
    pub(crate) fn tokens(&self) -> usize {
        let near = self.weights.iter().filter(|w| w.bridge.is_none());
        near.map(|w| w.model.config().vocabulary).min().unwrap_or(0)
    }

    /// Sets of weights.
    pub(crate) fn sets(&self) -> usize {
        self.weights.len()
    }

    /// The bridge to the tokens of some weights.
    pub(crate) fn bridge_of(&self, weights: WeightsId) -> Option<&Arc<dyn Bridge>> {
        self.weights.get(weights.0)?.bridge.as_ref()
    }

    /// Weights, and the first of their spare blocks.
    pub(crate) fn far_weights(&mut self, weights: WeightsId) -> (&mut dyn LaneModel, u32) {
        let loaded = &mut self.weights[weights.0];
        let spare = loaded.kv_blocks() as u32;
        (loaded.model.as_mut(), spare)
    }
}

/// Whether all rewards of a sequence are read by its base's weights, at just the tokens that its base finds best.
fn is_direct(plan: &StepPlan, decode: &DecodeRows) -> bool {
    let weights = plan.rows[decode.base].weights;
    let own = |(row, _): &(usize, LaneReadout)| plan.rows[*row].open.is_none() && plan.rows[*row].weights == weights;
    let plain = decode.adjustments.is_empty() && decode.proposers.is_empty();
    plain && !decode.rewards.is_empty() && decode.rewards.iter().all(own)
}

/// What was read, as log-probabilities over the vocabulary.
fn logprobs(logits: &Logits, log_sum_exp: Option<f32>) -> Vec<(u32, f32)> {
    let mass = log_sum_exp.unwrap_or(f32::NAN);
    logits.ranked.iter().map(|ranked| (ranked.token, ranked.logit - mass)).collect()
}

/// What was read, for the rule.
pub(crate) fn readout(logits: &Logits) -> Readout {
    Readout { logits: logits.ranked.iter().map(|r| r.logit).collect(), log_sum_exp: logits.log_sum_exp }
}
