//! The fit of heads to rewards: predictions at the candidates, the loss and its gradient.
//!
//! A head moves the final hidden state by `y = U V^T x + b`; its reward of a candidate is the product of `y` and the candidate's row
//! of the unembedding, up to a constant per state. The loss of a state is the weighted square of the differences from the targets, both
//! centred. `x` is the hidden state with mean 0 and deviation 1 in every feature; [`fold`] puts that into the head.

use candle_core::{Device, Tensor, Var};
use half::f16;
use pad_kernels::{MatrixMut, MatrixView};

use super::state::{At, Targets, centre, softmax};
use super::trace::TracedStep;
use super::unembedding::Unembedding;
use crate::TrainError;
use crate::heads::Head;
use crate::states::States;

/// What the fit reads: hidden states and what each token was chosen from, by answer.
pub struct Material<'a> {
    pub unembedding: &'a Unembedding,
    pub states: &'a [States],
    pub steps: Vec<&'a [TracedStep]>,
    pub dimensions: usize,
    /// Of the hidden states.
    pub spread: Spread,
}

/// Mean and deviation of every feature of the hidden states, `[hidden]` each.
#[derive(Clone, Debug)]
pub struct Spread {
    pub mean: Vec<f32>,
    pub deviation: Vec<f32>,
}

impl Spread {
    /// Of these states.
    pub fn of(states: &[States], all: &[At], hidden: usize) -> Self {
        let (mut sum, mut square) = (vec![0.0_f64; hidden], vec![0.0_f64; hidden]);
        let mut row = Vec::with_capacity(hidden);
        for at in all {
            row.clear();
            states[at.answer].append_row_to(at.step, hidden, &mut row);
            for ((sum, square), x) in sum.iter_mut().zip(&mut square).zip(&row) {
                *sum += f64::from(*x);
                *square += f64::from(*x) * f64::from(*x);
            }
        }
        let count = all.len().max(1) as f64;
        let mean: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
        // A feature that never changes says nothing: it is not blown up.
        let deviation = square.iter().zip(&mean).map(|(square, mean)| (square / count - mean * mean).max(0.0).sqrt());
        let deviation = deviation.map(|deviation| if deviation > 1e-6 { deviation as f32 } else { 1.0 }).collect();
        Self { mean: mean.iter().map(|mean| *mean as f32).collect(), deviation }
    }
}

/// The numbers of a head.
#[derive(Clone, Debug)]
pub struct Values {
    /// `[hidden, rank]`.
    pub u: Vec<f32>,
    /// `[hidden, rank]`.
    pub v: Vec<f32>,
    /// `[hidden]`.
    pub b: Vec<f32>,
}

impl Values {
    /// Of a head's variables.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn of(head: &Head) -> Result<Self, TrainError> {
        let read = |var: &Var| var.flatten_all()?.to_vec1::<f32>();
        Ok(Self { u: read(&head.u)?, v: read(&head.v)?, b: read(&head.b)? })
    }
}

/// The loss of some states and its gradient.
#[derive(Debug)]
pub struct Pass {
    /// Sum over the states and dimensions.
    pub loss: f64,
    /// Of every head `U`, `V` and `b`, as in [`Values`].
    pub gradients: Vec<Vec<f32>>,
}

/// Some states and what the heads make of them.
struct Block {
    /// `[states, hidden]`.
    x: Vec<f32>,
    /// Of each head `V^T x`, `[states, rank]`.
    narrow: Vec<Vec<f32>>,
    /// `[states, dimensions, hidden]`.
    y: Vec<f32>,
}

impl Material<'_> {
    fn hidden(&self) -> usize {
        self.unembedding.hidden()
    }

    fn block(&self, part: &[At], heads: &[Values]) -> Block {
        let (hidden, rows, wide) = (self.hidden(), part.len(), self.dimensions * self.hidden());
        let mut x = Vec::with_capacity(rows * hidden);
        part.iter().for_each(|at| self.states[at.answer].append_row_to(at.step, hidden, &mut x));
        for row in x.chunks_exact_mut(hidden) {
            let spread = self.spread.mean.iter().zip(&self.spread.deviation);
            row.iter_mut().zip(spread).for_each(|(x, (mean, deviation))| *x = (*x - mean) / deviation);
        }
        let mut y = vec![0.0; rows * wide];
        let mut narrow = Vec::with_capacity(heads.len());
        for (d, Values { u, v, b }) in heads.iter().enumerate() {
            let rank = v.len() / hidden;
            let mut z = vec![0.0; rows * rank];
            let (states, v) = (MatrixView::new(&x, rows, hidden), MatrixView::new(v, hidden, rank));
            MatrixMut::new(&mut z, rank).product(states, v, 1.0, false);
            for row in 0..rows {
                y[row * wide + d * hidden..][..hidden].copy_from_slice(b);
            }
            let (z_view, u) = (MatrixView::new(&z, rows, rank), MatrixView::new(u, hidden, rank));
            MatrixMut::strided(&mut y[d * hidden..], wide).product(z_view, u.transposed(), 1.0, true);
            narrow.push(z);
        }
        Block { x, narrow, y }
    }

    /// The rows of the unembedding of a step's candidates, `[k, hidden]`, into `rows`.
    fn candidates(&self, step: &TracedStep, rows: &mut Vec<f32>) -> Result<(), TrainError> {
        rows.clear();
        step.candidates.iter().try_for_each(|token| {
            rows.extend_from_slice(self.unembedding.row(*token)?);
            Ok(())
        })
    }

    /// The heads' rewards at every candidate of each of these states, `[k, dimensions]`, centred.
    ///
    /// # Errors
    /// If a candidate is not in the vocabulary.
    pub fn predictions(&self, part: &[At], heads: &[Values]) -> Result<Vec<Vec<f32>>, TrainError> {
        let (hidden, wide) = (self.hidden(), self.dimensions * self.hidden());
        let block = self.block(part, heads);
        let mut rows = Vec::new();
        part.iter()
            .zip(block.y.chunks_exact(wide))
            .map(|(at, y)| {
                let step = &self.steps[at.answer][at.step];
                self.candidates(step, &mut rows)?;
                let k = step.candidates.len();
                let mut predicted = rewards(&rows, y, k, self.dimensions, hidden);
                centre(&mut predicted, &softmax(&step.base), self.dimensions);
                Ok(predicted)
            })
            .collect()
    }

    /// The loss of these states, with its gradient; `share` is what each state counts.
    ///
    /// # Errors
    /// If a candidate is not in the vocabulary.
    pub fn pass(&self, part: &[At], heads: &[Values], share: f32) -> Result<Pass, TrainError> {
        let (dimensions, hidden, count) = (self.dimensions, self.hidden(), part.len());
        let wide = dimensions * hidden;
        let Block { x, narrow, mut y } = self.block(part, heads);
        let mut loss = 0.0;
        let mut rows = Vec::new();
        for (at, y) in part.iter().zip(y.chunks_exact_mut(wide)) {
            let step = &self.steps[at.answer][at.step];
            self.candidates(step, &mut rows)?;
            let k = step.candidates.len();
            let Targets { probability, weight, rewards: wanted } = Targets::of(step, dimensions);
            let mut slopes = rewards(&rows, y, k, dimensions, hidden);
            centre(&mut slopes, &probability, dimensions);
            for (c, (slopes, wanted)) in
                slopes.chunks_exact_mut(dimensions).zip(wanted.chunks_exact(dimensions)).enumerate()
            {
                for (slope, wanted) in slopes.iter_mut().zip(wanted) {
                    let difference = *slope - wanted;
                    loss += f64::from(share * weight[c] * difference * difference);
                    *slope = 2.0 * share * weight[c] * difference;
                }
            }
            // Back through the centring: what is taken from all by their mean.
            for d in 0..dimensions {
                let sum: f32 = (0..k).map(|c| slopes[c * dimensions + d]).sum();
                (0..k).for_each(|c| slopes[c * dimensions + d] -= probability[c] * sum);
            }
            let (slopes, rows) = (MatrixView::new(&slopes, k, dimensions), MatrixView::new(&rows, k, hidden));
            // From here on `y` is the gradient with respect to it.
            MatrixMut::new(y, hidden).product(slopes.transposed(), rows, 1.0, false);
        }
        let mut gradients = Vec::with_capacity(3 * dimensions);
        let x = MatrixView::new(&x, count, hidden);
        for (d, (Values { u, .. }, z)) in heads.iter().zip(&narrow).enumerate() {
            let rank = u.len() / hidden;
            let dy = MatrixView::strided(&y[d * hidden..], count, hidden, wide);
            let mut du = vec![0.0; hidden * rank];
            MatrixMut::new(&mut du, rank).product(dy.transposed(), MatrixView::new(z, count, rank), 1.0, false);
            let mut dz = vec![0.0; count * rank];
            MatrixMut::new(&mut dz, rank).product(dy, MatrixView::new(u, hidden, rank), 1.0, false);
            let mut dv = vec![0.0; hidden * rank];
            MatrixMut::new(&mut dv, rank).product(x.transposed(), MatrixView::new(&dz, count, rank), 1.0, false);
            let mut db = vec![0.0; hidden];
            for row in y.chunks_exact(wide) {
                db.iter_mut().zip(&row[d * hidden..][..hidden]).for_each(|(sum, g)| *sum += g);
            }
            gradients.extend([du, dv, db]);
        }
        Ok(Pass { loss, gradients })
    }
}

/// Products of the candidates' rows `[k, hidden]` with what the heads give `[dimensions, hidden]`: `[k, dimensions]`.
fn rewards(rows: &[f32], y: &[f32], k: usize, dimensions: usize, hidden: usize) -> Vec<f32> {
    let mut all = vec![0.0; k * dimensions];
    let (rows, y) = (MatrixView::new(rows, k, hidden), MatrixView::new(y, dimensions, hidden));
    MatrixMut::new(&mut all, dimensions).product(rows, y.transposed(), 1.0, false);
    all
}

/// The head on hidden states as they are, its rewards times `strength`: what [`Spread`] did to the states goes into `V` and `b`. `U` and `V`
/// are rounded to half precision, in which they are stored, before the mean is taken out: it may be large.
///
/// # Errors
/// If the shapes do not agree.
pub fn fold(values: &Values, spread: &Spread, strength: f32) -> Result<Head, TrainError> {
    let half = |value: f32| f16::from_f32(value).to_f32();
    let hidden = values.b.len();
    let rank = values.v.len() / hidden;
    let mut v = values.v.clone();
    let mut shift = vec![0.0_f32; rank];
    for ((row, mean), deviation) in v.chunks_exact_mut(rank).zip(&spread.mean).zip(&spread.deviation) {
        for (v, shift) in row.iter_mut().zip(&mut shift) {
            *v = half(*v / deviation);
            *shift += *v * mean;
        }
    }
    let u: Vec<f32> = values.u.iter().map(|u| half(u * strength)).collect();
    let moved = u.chunks_exact(rank).map(|row| row.iter().zip(&shift).map(|(u, s)| u * s).sum::<f32>());
    let b: Vec<f32> = values.b.iter().zip(moved).map(|(b, moved)| b * strength - moved).collect();
    let var =
        |values: Vec<f32>, shape: (usize, usize)| Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?);
    Ok(Head {
        u: var(u, (hidden, rank))?,
        v: var(v, (hidden, rank))?,
        b: Var::from_tensor(&Tensor::from_vec(b, hidden, &Device::Cpu)?)?,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::draws::Draws;

    fn unembedding() -> Unembedding {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families/llama");
        Unembedding::load(pad_model::open(&path).unwrap().as_mut()).unwrap()
    }

    fn random(count: usize, draws: &mut Draws) -> Vec<f32> {
        (0..count).map(|_| draws.normal()).collect()
    }

    /// Random states, candidates and rewards; the numbers of candidates differ.
    fn steps(draws: &mut Draws) -> Vec<TracedStep> {
        let step = |k: usize, draws: &mut Draws| TracedStep {
            candidates: (0..k).map(|_| draws.below(96) as u32).collect(),
            base: random(k, draws),
            rewards: vec![random(k, draws), random(k, draws)],
        };
        (0..3).map(|i| step(3 + 2 * i, draws)).collect()
    }

    fn heads(hidden: usize, draws: &mut Draws) -> Vec<Values> {
        let head = |draws: &mut Draws| Values {
            u: random(3 * hidden, draws),
            v: random(3 * hidden, draws),
            b: random(hidden, draws),
        };
        (0..2).map(|_| head(draws)).collect()
    }

    #[test]
    fn the_gradient_is_that_of_difference_quotients() {
        let (unembedding, mut draws) = (unembedding(), Draws::new(1, 1));
        let hidden = unembedding.hidden();
        let steps = steps(&mut draws);
        let states = [States::new(&random(3 * hidden, &mut draws))];
        let all: Vec<At> = (0..3).map(|step| At { answer: 0, step }).collect();
        let spread = Spread::of(&states, &all, hidden);
        let material =
            Material { unembedding: &unembedding, states: &states, steps: vec![&steps], dimensions: 2, spread };
        let heads = heads(hidden, &mut draws);
        let Pass { gradients, .. } = material.pass(&all, &heads, 0.5).unwrap();
        for (part, gradient) in gradients.iter().enumerate() {
            for at in (0..gradient.len()).step_by(7) {
                let loss = |by: f32| {
                    let mut moved = heads.clone();
                    let Values { u, v, b } = &mut moved[part / 3];
                    [u, v, b][part % 3][at] += by;
                    material.pass(&all, &moved, 0.5).unwrap().loss
                };
                let step = 1e-2;
                let quotient = ((loss(step) - loss(-step)) / f64::from(2.0 * step)) as f32;
                let difference = (gradient[at] - quotient).abs();
                assert!(difference < 2e-3 + 2e-2 * quotient.abs(), "{part}, {at}: {} {quotient}", gradient[at]);
            }
        }
    }

    #[test]
    fn a_folded_head_says_the_same_of_states_as_they_are() {
        let (unembedding, mut draws) = (unembedding(), Draws::new(2, 1));
        let hidden = unembedding.hidden();
        // States far from 0, of other sizes in every feature.
        let mut values = random(3 * hidden, &mut draws);
        values.iter_mut().enumerate().for_each(|(i, x)| *x = 5.0 + (1 + i % hidden) as f32 * 0.1 * *x);
        let (states, steps) = ([States::new(&values)], steps(&mut draws));
        let all: Vec<At> = (0..3).map(|step| At { answer: 0, step }).collect();
        let spread = Spread::of(&states, &all, hidden);
        let material =
            Material { unembedding: &unembedding, states: &states, steps: vec![&steps], dimensions: 2, spread };
        let heads = heads(hidden, &mut draws);
        let predicted = material.predictions(&all, &heads).unwrap();
        let folded: Vec<Values> =
            heads.iter().map(|head| Values::of(&fold(head, &material.spread, 1.5).unwrap()).unwrap()).collect();
        let plain = Spread { mean: vec![0.0; hidden], deviation: vec![1.0; hidden] };
        let unspread = Material { spread: plain, ..material };
        for (told, folded) in
            predicted.iter().flatten().zip(unspread.predictions(&all, &folded).unwrap().iter().flatten())
        {
            assert!((1.5 * told - folded).abs() < 0.05 + 0.01 * told.abs(), "{told} {folded}");
        }
    }
}
