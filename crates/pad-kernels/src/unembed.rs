//! The unembedding: the k best logits of a row, or the logits at given tokens, without the whole vocabulary in memory.

use std::sync::{Mutex, PoisonError};

use candle_core::{Result, Tensor, bail};
use pad_decode::TokenSet;

use crate::activation::Activations;
use crate::best::{Bar, Best, Ranked};
use crate::exp::soft_cap;
use crate::format::TILE;
use crate::packed::PackedWeights;
use crate::tile::{for_each_group, one_row};
use crate::{Input, Isa, Linear, Pool};

/// The logits that are wanted of one row of hidden states.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// The k best.
    Best(usize),
    /// The k best of these tokens, or all of them where they are fewer.
    BestAmong(usize, TokenSet),
    /// The logits at these tokens, in this order.
    At(Vec<u32>),
}

impl Wanted {
    /// The tokens among which the best are taken, where these are not all.
    fn allowed(&self) -> Option<&TokenSet> {
        if let Self::BestAmong(_, allowed) = self { Some(allowed) } else { None }
    }

    /// Whether so many logits are needed that those of the whole vocabulary are computed.
    fn is_of_many(&self) -> bool {
        matches!(self, Self::Best(_)) || self.allowed().is_some_and(|allowed| allowed.len() > FEW)
    }

    /// These logits alone.
    pub fn alone(self) -> RowWanted {
        RowWanted { logits: self, log_sum_exp: false }
    }

    /// These logits and the log-sum-exp over the vocabulary.
    pub fn normalised(self) -> RowWanted {
        RowWanted { logits: self, log_sum_exp: true }
    }
}

/// What is read of one row of hidden states.
#[derive(Clone, Debug)]
pub struct RowWanted {
    /// The logits.
    pub logits: Wanted,
    /// Whether log sum exp of all the row's logits is read too.
    pub log_sum_exp: bool,
}

impl RowWanted {
    /// Whether every logit of the row has to be computed.
    fn is_whole(&self) -> bool {
        self.log_sum_exp || self.logits.is_of_many()
    }
}

/// What was read of one row.
#[derive(Clone, Debug)]
pub struct Logits {
    /// The tokens wanted, or the best ones, with their logits.
    pub ranked: Vec<Ranked>,
    /// log sum exp of all the row's logits, where asked for.
    pub log_sum_exp: Option<f32>,
    /// The same of the tokens among which the best were taken, where these were not all.
    pub among: Option<f32>,
}

/// So few tokens are read one by one, each with its tile, rather than with the whole vocabulary.
const FEW: usize = 128;

/// Tiles whose sums are added up together: fixed, so that results do not depend on the number of threads.
const STRETCH: usize = 48;

/// The part of a vocabulary sum that one stretch of tiles gives: `exp(max) * sum`.
#[derive(Clone, Copy, Debug)]
struct Mass {
    max: f32,
    sum: f64,
}

impl Mass {
    const NONE: Self = Self { max: f32::NEG_INFINITY, sum: 0.0 };

    fn add(self, logit: f32) -> Self {
        self.join(Self { max: logit, sum: 1.0 })
    }

    fn join(self, other: Self) -> Self {
        let max = self.max.max(other.max);
        if max == f32::NEG_INFINITY {
            return self;
        }
        let weight = |mass: Self| f64::from(mass.max - max).exp() * mass.sum;
        Self { max, sum: weight(self) + weight(other) }
    }

    fn log_sum_exp(self) -> f32 {
        (f64::from(self.max) + self.sum.ln()) as f32
    }
}

impl Linear {
    /// Read the logits `hidden W^T` that are wanted: `hidden` `[rows, inputs]` and one `wanted` a row. The k best rank higher
    /// logits first and, of equal ones, the lower token. With a `cap` every logit becomes `cap * tanh(logit / cap)`.
    ///
    /// # Errors
    /// If the shapes do not agree or a wanted token does not exist.
    pub fn logits(&self, hidden: &Tensor, cap: Option<f32>, wanted: &[RowWanted]) -> Result<Vec<Logits>> {
        let outputs = self.outputs();
        if hidden.dims2()?.0 != wanted.len() {
            bail!("unembedding: {} rows but {} are wanted", hidden.dims2()?.0, wanted.len())
        }
        for row in wanted {
            if let Wanted::At(tokens) = &row.logits
                && let Some(token) = tokens.iter().find(|t| **t as usize >= outputs)
            {
                bail!("unembedding: token {token} of a vocabulary of {outputs}")
            }
        }
        match self {
            Self::Dense { .. } => self.logits_twin(hidden, cap, wanted),
            Self::Packed { weights, pool, .. } => {
                let hidden: Vec<Vec<f32>> = hidden.to_vec2()?;
                let isa = pool.isa();
                let (full, few): (Vec<usize>, Vec<usize>) = (0..wanted.len()).partition(|&i| wanted[i].is_whole());
                let mut read: Vec<Option<Logits>> = vec![None; wanted.len()];
                for (row, logits) in full.iter().zip(read_whole(isa, pool, weights, cap, &hidden, &full, wanted)) {
                    read[*row] = Some(logits);
                }
                let activations = prepare(isa, pool, weights, &hidden, &few);
                for (row, ranked) in few.iter().zip(read_at(isa, pool, weights, cap, &activations, &few, wanted)) {
                    read[*row] = Some(Logits { ranked, log_sum_exp: None, among: None });
                }
                Ok(read.into_iter().flatten().collect())
            }
        }
    }

    /// The twin of [`Self::logits`]: all logits by one matmul, then sorted on the host.
    fn logits_twin(&self, hidden: &Tensor, cap: Option<f32>, wanted: &[RowWanted]) -> Result<Vec<Logits>> {
        let mut rows: Vec<Vec<f32>> =
            self.forward(hidden, Input::Plain, None)?.to_dtype(candle_core::DType::F32)?.to_vec2()?;
        if let Some(cap) = cap {
            rows.iter_mut().flatten().for_each(|logit| *logit = soft_cap(*logit, cap));
        }
        let read = |(logits, RowWanted { logits: what, log_sum_exp: lse }): (&Vec<f32>, &RowWanted)| {
            let ranked = match what {
                Wanted::Best(k) => {
                    let mut best = Best::new(*k);
                    logits.iter().enumerate().for_each(|(token, &logit)| best.show(token as u32, logit));
                    best.into_ranked()
                }
                Wanted::BestAmong(k, allowed) => {
                    let mut best = Best::new(*k);
                    let known = allowed.iter().filter_map(|token| Some((token, *logits.get(token as usize)?)));
                    known.for_each(|(token, logit)| best.show(token, logit));
                    best.into_ranked()
                }
                Wanted::At(tokens) => {
                    tokens.iter().map(|&token| Ranked { token, logit: logits[token as usize] }).collect()
                }
            };
            let all = logits.iter().zip(0..).filter(|_| *lse);
            let mass = |of: &dyn Fn(u32) -> bool| {
                all.clone().filter(|(_, token)| of(*token)).fold(Mass::NONE, |mass, (&logit, _)| mass.add(logit))
            };
            let among = what.allowed().filter(|_| *lse).map(|allowed| mass(&|token| allowed.contains(token)));
            Logits {
                ranked,
                log_sum_exp: lse.then(|| mass(&|_| true).log_sum_exp()),
                among: among.map(Mass::log_sum_exp),
            }
        };
        Ok(rows.iter().zip(wanted).map(read).collect())
    }
}

fn prepare(isa: Isa, pool: &Pool, w: &PackedWeights, hidden: &[Vec<f32>], rows: &[usize]) -> Activations {
    Activations::prepare(isa, pool, w.is_single(), rows.len(), w.inputs(), &|row, out| {
        out.copy_from_slice(&hidden[rows[row]]);
    })
}

/// Rows that need every logit once: the weights are streamed, each stretch keeps its own best and mass.
fn read_whole(
    isa: Isa,
    pool: &Pool,
    w: &PackedWeights,
    cap: Option<f32>,
    hidden: &[Vec<f32>],
    rows: &[usize],
    wanted: &[RowWanted],
) -> Vec<Logits> {
    if rows.is_empty() {
        return Vec::new();
    }
    let activations = prepare(isa, pool, w, hidden, rows);
    let stretches = w.tiles().div_ceil(STRETCH);
    let empty = || rows.iter().map(|row| StretchReadout::new(&wanted[*row].logits)).collect::<Vec<_>>();
    // The k-th best of any stretch bounds the k-th best of all: what is below it need not be looked at.
    let bars: Vec<Bar> = rows.iter().map(|_| Bar::default()).collect();
    let parts: Vec<Mutex<Vec<StretchReadout>>> = (0..stretches).map(|_| Mutex::new(Vec::new())).collect();
    pool.run(stretches, &|stretch| {
        let mut part = empty();
        let tiles = stretch * STRETCH..((stretch + 1) * STRETCH).min(w.tiles());
        for_each_group(isa, w, tiles, &activations, rows.len(), &mut |tile, first, [sums]| {
            for (row, sums) in (first..).zip(sums) {
                let RowWanted { logits: what, log_sum_exp: lse } = &wanted[rows[row]];
                let logits = &capped(*sums, cap)[..TILE.min(w.outputs() - tile * TILE)];
                part[row].show(tile, logits, what.allowed(), *lse, &bars[row]);
            }
        });
        *parts[stretch].lock().unwrap_or_else(PoisonError::into_inner) = part;
    });
    let mut all = empty();
    for part in parts {
        for (all, part) in all.iter_mut().zip(part.into_inner().unwrap_or_default()) {
            all.merge(&part);
        }
    }
    let at = read_at(isa, pool, w, cap, &activations, rows, wanted);
    let read = |((all, at), &row): ((StretchReadout, Vec<Ranked>), &usize)| {
        let RowWanted { logits: what, log_sum_exp: lse } = &wanted[row];
        Logits {
            ranked: if matches!(what, Wanted::At(_)) { at } else { all.best.into_ranked() },
            log_sum_exp: lse.then(|| all.mass.log_sum_exp()),
            among: what.allowed().filter(|_| *lse).map(|_| all.among.log_sum_exp()),
        }
    };
    all.into_iter().zip(at).zip(rows).map(read).collect()
}

fn capped(mut sums: [f32; TILE], cap: Option<f32>) -> [f32; TILE] {
    if let Some(cap) = cap {
        sums.iter_mut().for_each(|sum| *sum = soft_cap(*sum, cap));
    }
    sums
}

/// The result of a range of tiles for one row.
struct StretchReadout {
    best: Best,
    mass: Mass,
    /// The mass of the tokens among which the best are taken, where these are not all.
    among: Mass,
}

impl StretchReadout {
    fn new(wanted: &Wanted) -> Self {
        let k = if let Wanted::Best(k) | Wanted::BestAmong(k, _) = wanted { *k } else { 0 };
        Self { best: Best::new(k), mass: Mass::NONE, among: Mass::NONE }
    }

    /// Show the logits of a tile's tokens.
    fn show(&mut self, tile: usize, logits: &[f32], allowed: Option<&TokenSet>, mass: bool, bar: &Bar) {
        let first = (tile * TILE) as u32;
        if mass {
            self.mass = logits.iter().fold(self.mass, |mass, &logit| mass.add(logit));
        }
        let Some(allowed) = allowed else { return self.best.show_all(first, logits, bar) };
        let bits = allowed.sixteen(tile);
        self.best.show_among(first, logits, bits, bar);
        if mass {
            let allowed = logits.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            self.among = allowed.fold(self.among, |mass, (_, &logit)| mass.add(logit));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.best.merge(&other.best);
        self.mass = self.mass.join(other.mass);
        self.among = self.among.join(other.among);
    }
}

/// The logits at the tokens that rows want, and the best of a few, one tile for each token, computed exactly as the whole would be;
/// none for rows that want the best of many.
fn read_at(
    isa: Isa,
    pool: &Pool,
    w: &PackedWeights,
    cap: Option<f32>,
    activations: &Activations,
    rows: &[usize],
    wanted: &[RowWanted],
) -> Vec<Vec<Ranked>> {
    let read: Vec<Mutex<Vec<Ranked>>> = rows.iter().map(|_| Mutex::new(Vec::new())).collect();
    pool.run(rows.len(), &|row| {
        let logit = |token: u32| {
            let sums = one_row(isa, w, token as usize / TILE, activations, row);
            cap.map_or(sums[token as usize % TILE], |cap| soft_cap(sums[token as usize % TILE], cap))
        };
        let ranked = match &wanted[rows[row]].logits {
            Wanted::At(tokens) => tokens.iter().map(|&token| Ranked { token, logit: logit(token) }).collect(),
            Wanted::BestAmong(k, allowed) if allowed.len() <= FEW => {
                let mut best = Best::new(*k);
                let known = allowed.iter().filter(|token| (*token as usize) < w.outputs());
                known.for_each(|token| best.show(token, logit(token)));
                best.into_ranked()
            }
            Wanted::BestAmong(..) | Wanted::Best(_) => return,
        };
        *read[row].lock().unwrap_or_else(PoisonError::into_inner) = ranked;
    });
    read.into_iter().map(|ranked| ranked.into_inner().unwrap_or_default()).collect()
}
