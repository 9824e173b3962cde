//! Logits of hidden states: candidates under a mask, logits at tokens, log-sum-exps.

use pad_kernels::device::{Address, BestLaunch, ReadoutLaunch};
use pad_kernels::{Best, Ranked};
use pad_model::{Follower, Logits, ModelError, StateRead};

use crate::heads::{Gather, Head, Heads};
use crate::matrix::DeviceMatrix;
use crate::queue::{Queue, Room};
use crate::read_plan::{Item, Plan, What};
use crate::upload::{Part, Sent, Upload, words_on};

/// Rows whose logits over the vocabulary are in memory at once.
const TOGETHER: usize = 64;

/// Memory for reading.
#[derive(Debug, Default)]
pub struct Reading {
    numbers: Room,
    /// `[reads, hidden]`: what the unembedding reads.
    states: Room,
    /// What a full head makes of some of them.
    headed: Room,
    product: Room,
    /// `[TOGETHER, vocabulary]`.
    logits: Room,
    keys: Room,
    mass: Room,
    /// What the host reads.
    found: Room,
}

/// What is read with.
#[derive(Clone, Copy, Debug)]
pub struct Unembedding<'a> {
    pub matrix: &'a DeviceMatrix,
    pub cap: Option<f32>,
    pub heads: &'a Heads,
}

impl Reading {
    /// What is wanted of `count` states from an address on: of the reads, then of the followers. Waits once for all that was asked of the
    /// device, unless more of the best are wanted than it keeps.
    pub fn logits(
        &mut self,
        queue: &mut Queue,
        unembedding: Unembedding<'_>,
        (states, count): (Address, usize),
        (reads, followers): (&[StateRead], &[Follower]),
    ) -> Result<Vec<Logits>, ModelError> {
        let items: Vec<Item<'_>> =
            reads.iter().map(Item::of_read).chain(followers.iter().map(Item::of_follower)).collect();
        let plan = Plan::new(&items, count, unembedding.matrix.outputs)?;
        let words = plan.words();
        let all: usize = words.iter().sum();
        if all == 0 {
            let nothing = |_| Logits { ranked: Vec::new(), log_sum_exp: None, among: None };
            return Ok(items.iter().map(nothing).collect());
        }
        let mut upload = Upload::default();
        let tokens = upload.push(plan.items.iter().filter(|(_, item)| matches!(item.what, What::At(_))).flat_map(
            |(_, item)| {
                let own = item.tokens();
                own.iter().copied().chain(std::iter::repeat_n(u32::MAX, plan.tokens - own.len()))
            },
        ));
        // Of each state the set of tokens that it is read at: those of its leader, or its own.
        let (mut own, mut sets) = (0, Vec::with_capacity(plan.items.len()));
        for (_, item) in &plan.items {
            sets.push(if let What::Follow(of) = item.what { plan.places[of] as u32 } else { own });
            own += u32::from(matches!(item.what, What::At(_)));
        }
        let sets = upload.push(sets);
        let masks = Masks::push(&mut upload, &plan, unembedding.matrix.outputs);
        let sent = self.gather(queue, unembedding.heads, states, &plan, upload)?;
        let found = self.found.of(queue, all)?;
        let places =
            [0, words[0], words[0] + words[1], words[0] + words[1] + words[2]].map(|word| words_on(found, word));
        self.best(queue, unembedding, &plan, (sent, &masks), places)?;
        self.single(queue, unembedding, &plan, (sent.at(tokens), places[0], sent.at(sets)), places[3])?;
        let mut logits = plan.of_found(&queue.read(found, all)?);
        for (place, (_, item)) in plan.items[..plan.best].iter().enumerate() {
            if item.depth() > BestLaunch::MOST {
                logits[place].ranked = self.deep(queue, unembedding, place, item)?;
            }
        }
        Ok(plan.places.iter().map(|place| logits[*place].clone()).collect())
    }

    /// Logits one by one, at the tokens of `sets`: each is one of `tokens` or, of a state that follows another, of `best`.
    fn single(
        &self,
        queue: &mut Queue,
        Unembedding { matrix, cap, .. }: Unembedding<'_>,
        plan: &Plan<'_>,
        (tokens, best, sets): (Address, Address, Address),
        mut logits: Address,
    ) -> Result<(), ModelError> {
        let (stored, weights) = matrix.rows();
        let mut place = plan.best;
        for run in plan.items[plan.best..].chunk_by(|(_, a), (_, b)| a.follows() == b.follows()) {
            let (rows, count) = (run.len(), plan.columns(&run[0].1));
            if count > 0 {
                let launch = ReadoutLaunch {
                    stored,
                    hidden: words_on(self.states.address(), place * matrix.inputs),
                    weights,
                    tokens: if run[0].1.follows() { best } else { tokens },
                    sets: words_on(sets, place),
                    logits,
                    rows,
                    inputs: matrix.inputs,
                    vocabulary: matrix.outputs,
                    count,
                    cap,
                };
                queue.run(&launch.launch()?)?;
            }
            place += rows;
            logits = words_on(logits, rows * count);
        }
        Ok(())
    }

    /// Brings what the unembedding reads to `self.states`, in the plan's order, and sends `upload`.
    fn gather(
        &mut self,
        queue: &mut Queue,
        heads: &Heads,
        from: Address,
        plan: &Plan<'_>,
        mut upload: Upload,
    ) -> Result<Sent, ModelError> {
        let (mut parts, mut full, hidden) = (Vec::with_capacity(plan.items.len()), Vec::new(), heads.hidden());
        for (place, (_, item)) in plan.items.iter().enumerate() {
            match item.head.map(|head| heads.get(head)).transpose()? {
                None => parts.push(0),
                Some(Head::LowRank(part)) => parts.push(*part),
                Some(Head::Full(matrix)) => {
                    parts.push(0);
                    full.push((place, item.head, matrix));
                }
            }
        }
        let rows = upload.push(plan.items.iter().map(|(_, item)| item.state as u32));
        let (parts, targets) = (upload.push(parts), upload.counted(plan.items.len()));
        let sent = upload.send(queue, &mut self.numbers)?;
        let count = plan.items.len();
        let to = self.states.of(queue, count * hidden)?;
        let [rows, parts, targets] = [rows, parts, targets].map(|part| sent.at(part));
        heads.gather(queue, &mut self.product, &Gather { from, to, rows, parts, targets, count })?;
        for run in full.chunk_by(|a, b| a.0 + 1 == b.0 && a.1 == b.1) {
            let (place, _, matrix) = run[0];
            let (own, headed) = (words_on(to, place * hidden), self.headed.of(queue, run.len() * hidden)?);
            matrix.multiply(queue, (own, headed, Address::NONE), run.len(), None)?;
            queue.copy(headed, own, 4 * run.len() * hidden)?;
        }
        Ok(sent)
    }

    /// The best and the sums of all whole states.
    fn best(
        &mut self,
        queue: &mut Queue,
        unembedding: Unembedding<'_>,
        plan: &Plan<'_>,
        (sent, masks): (Sent, &Masks),
        [tokens, best, sums, _]: [Address; 4],
    ) -> Result<(), ModelError> {
        let Unembedding { matrix, cap, .. } = unembedding;
        let (vocabulary, k) = (matrix.outputs, plan.k);
        for first in (0..plan.whole).step_by(TOGETHER) {
            let rows = TOGETHER.min(plan.whole - first);
            let logits = self.logits.of(queue, rows * vocabulary)?;
            let states = words_on(self.states.address(), first * matrix.inputs);
            matrix.multiply(queue, (states, logits, Address::NONE), rows, cap)?;
            let kept = rows * BestLaunch::kept(vocabulary, k);
            let mass = rows * BestLaunch::blocks(vocabulary) * 4;
            let launch = BestLaunch {
                logits,
                masks: sent.at(masks.words),
                mask_of: if masks.any { words_on(sent.at(masks.of), first) } else { Address::NONE },
                // Words of 64 bits.
                keys: if kept > 0 { self.keys.of(queue, 2 * kept)? } else { Address::NONE },
                mass: if plan.sums { self.mass.of(queue, mass)? } else { Address::NONE },
                tokens: words_on(tokens, first * k),
                best: words_on(best, first * k),
                log_sums: if plan.sums { words_on(sums, 2 * first) } else { Address::NONE },
                rows,
                vocabulary,
                words: vocabulary.div_ceil(32),
                k,
            };
            queue.run_all(&launch.launches()?)?;
        }
        Ok(())
    }

    /// More of the best than the device keeps, by the host.
    fn deep(
        &mut self,
        queue: &mut Queue,
        Unembedding { matrix, cap, .. }: Unembedding<'_>,
        place: usize,
        item: &Item<'_>,
    ) -> Result<Vec<Ranked>, ModelError> {
        let logits = self.logits.of(queue, matrix.outputs)?;
        let state = words_on(self.states.address(), place * matrix.inputs);
        matrix.multiply(queue, (state, logits, Address::NONE), 1, cap)?;
        let logits = queue.read_numbers(logits, matrix.outputs)?;
        let (k, allowed) = if let What::Best(k, allowed) = item.what { (k, allowed) } else { (0, None) };
        let mut best = Best::new(k);
        let shown = (0..).zip(logits).filter(|(token, _)| allowed.is_none_or(|allowed| allowed.contains(*token)));
        shown.for_each(|(token, logit)| best.show(token, logit));
        Ok(best.into_ranked())
    }
}

/// The masks of the states of which the best are kept.
struct Masks {
    any: bool,
    words: Part,
    /// By whole states: the mask, or -1.
    of: Part,
}

impl Masks {
    fn push(upload: &mut Upload, plan: &Plan<'_>, vocabulary: usize) -> Self {
        let (mut words, mut of, mut count) = (Vec::new(), vec![u32::MAX; plan.whole], 0);
        for ((_, item), of) in plan.items.iter().zip(&mut of) {
            if let What::Best(_, Some(allowed)) = item.what {
                *of = count;
                count += 1;
                words.extend_from_slice(&allowed.words()[..allowed.words().len().min(vocabulary.div_ceil(32))]);
                words.resize(count as usize * vocabulary.div_ceil(32), 0);
            }
        }
        Self { any: count > 0, words: upload.push(words), of: upload.push(of) }
    }
}
