//! Rotary embedding and causal attention over groups of rows, with gradients.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use pad_kernels::{AttentionRule, KvLayout, MatrixMut, MatrixView, Pool, exponentials, largest, rotate};

use super::values::{Values, parallel, slice};
use crate::layout::{Group, Packed, Rotation};

/// The operation, on queries `[rows, heads * head_dim]`, keys and values `[rows, kv_heads * head_dim]`.
#[derive(Clone, Debug)]
pub struct Attention {
    groups: Arc<[Group]>,
    rotation: Option<Rotation>,
    layout: KvLayout,
    rule: AttentionRule,
    pool: Arc<Pool>,
}

/// One group's part of the arguments.
struct Part<'a> {
    group: Group,
    /// Rotated.
    queries: Vec<f32>,
    /// Rotated.
    keys: Vec<f32>,
    values: &'a [f32],
}

/// A head's columns.
#[derive(Clone, Copy)]
struct Columns {
    start: usize,
    count: usize,
    step: usize,
}

impl Columns {
    /// Some rows of them.
    fn view(self, values: &[f32], first: usize, rows: usize) -> MatrixView<'_> {
        // An answer of one token has no rows of its own.
        let from = if rows == 0 { values.len() } else { first * self.step + self.start };
        MatrixView::strided(&values[from..], rows, self.count, self.step)
    }

    /// Some rows of them, to write to.
    fn of(self, values: &mut [f32], first: usize) -> MatrixMut<'_> {
        MatrixMut::strided(&mut values[first * self.step + self.start..], self.step)
    }
}

impl Attention {
    /// Over the groups of `packed`, by a layer's rule; a soft cap of scores has no gradient here.
    pub fn new(packed: &Packed, layout: KvLayout, rule: AttentionRule, pool: Arc<Pool>) -> Self {
        let rotation = rule.rope.and_then(|rope| packed.rotations.get(rope)).cloned();
        Self { groups: Arc::clone(&packed.groups), rotation, layout, rule, pool }
    }

    fn widths(&self) -> (usize, usize) {
        (self.layout.heads * self.layout.head_dim, self.layout.kv_heads * self.layout.head_dim)
    }

    /// Rotate all heads of a group's rows, forward or back.
    fn rotate(&self, group: Group, rows: &mut [f32], width: usize, back: bool) {
        let Some(Rotation { cos: cosines, sin: sines }) = &self.rotation else { return };
        let packed: usize = self.groups.iter().map(Group::rows).sum();
        let half = cosines.len() / packed.max(1);
        let mut sin = vec![0.0; half];
        for (i, row) in rows.chunks_exact_mut(width).enumerate() {
            let at = (group.start + i) * half;
            sin.copy_from_slice(&sines[at..at + half]);
            if back {
                sin.iter_mut().for_each(|s| *s = -*s);
            }
            row.chunks_exact_mut(self.layout.head_dim).for_each(|head| rotate(head, &cosines[at..at + half], &sin));
        }
    }

    fn part<'a>(&self, group: Group, q: &[f32], k: &[f32], v: &'a [f32]) -> Part<'a> {
        let (wide, narrow) = self.widths();
        let rows = group.start..group.start + group.rows();
        let mut queries = q[rows.start * wide..rows.end * wide].to_vec();
        let mut keys = k[rows.start * narrow..rows.end * narrow].to_vec();
        self.rotate(group, &mut queries, wide, false);
        self.rotate(group, &mut keys, narrow, false);
        Part { group, queries, keys, values: &v[rows.start * narrow..rows.end * narrow] }
    }

    /// Columns of query head `head`, and of the keys and values that it reads.
    fn columns(&self, head: usize) -> (Columns, Columns) {
        let (wide, narrow) = self.widths();
        let count = self.layout.head_dim;
        let shared = head / (self.layout.heads / self.layout.kv_heads);
        (Columns { start: head * count, count, step: wide }, Columns { start: shared * count, count, step: narrow })
    }

    /// `scale * a b^T` for the rows of a span against the rows that it sees: `[rows, prefix + rows]`.
    fn against(
        out: &mut [f32],
        (a, wide): (&[f32], Columns),
        (b, narrow): (&[f32], Columns),
        (first, rows, prefix): (usize, usize, usize),
        scale: f32,
    ) {
        let width = prefix + rows;
        let left = wide.view(a, first, rows);
        MatrixMut::strided(out, width).product(left, narrow.view(b, 0, prefix).transposed(), scale, false);
        MatrixMut::strided(&mut out[prefix..], width).product(
            left,
            narrow.view(b, first, rows).transposed(),
            scale,
            false,
        );
    }

    /// Attention weights of one span and head into `weights`.
    fn weigh(&self, part: &Part, head: usize, span: (usize, usize, usize), weights: &mut [f32]) {
        let (wide, narrow) = self.columns(head);
        let scale = self.rule.scale;
        Self::against(weights, (&part.queries, wide), (&part.keys, narrow), span, scale);
        let (_, rows, prefix) = span;
        for (i, row) in weights.chunks_exact_mut(prefix + rows).enumerate() {
            // The columns are the positions: those of the prompt, then the answer's own.
            let (past, hidden) = row.split_at_mut(prefix + i + 1);
            let (passed, seen) = past.split_at_mut(self.rule.first_seen(prefix + i));
            hidden.fill(0.0);
            passed.fill(0.0);
            let max = largest(self.pool.isa(), seen);
            let inverse = 1.0 / exponentials(self.pool.isa(), seen, max);
            seen.iter_mut().for_each(|w| *w *= inverse);
        }
    }

    fn forward(&self, part: &Part, out: &mut [f32]) {
        let mut weights = Vec::new();
        for head in 0..self.layout.heads {
            let (wide, narrow) = self.columns(head);
            for span in part.group.spans().into_iter().filter(|span| span.1 > 0) {
                let (first, rows, prefix) = span;
                weights.resize(rows * (prefix + rows), 0.0);
                self.weigh(part, head, span, &mut weights);
                let width = prefix + rows;
                let seen = MatrixView::strided(&weights, rows, prefix, width);
                let own = MatrixView::strided(&weights[prefix..], rows, rows, width);
                wide.of(out, first).product(seen, narrow.view(part.values, 0, prefix), 1.0, false);
                wide.of(out, first).product(own, narrow.view(part.values, first, rows), 1.0, true);
            }
        }
    }

    fn backward(&self, part: &Part, grad: &[f32], dq: &mut [f32], dk: &mut [f32], dv: &mut [f32]) {
        let scale = self.rule.scale;
        let (mut weights, mut slopes) = (Vec::new(), Vec::new());
        for head in 0..self.layout.heads {
            let (wide, narrow) = self.columns(head);
            for span in part.group.spans().into_iter().filter(|span| span.1 > 0) {
                let (first, rows, prefix) = span;
                let width = prefix + rows;
                weights.resize(rows * width, 0.0);
                slopes.resize(rows * width, 0.0);
                self.weigh(part, head, span, &mut weights);
                Self::against(&mut slopes, (grad, wide), (part.values, narrow), span, 1.0);
                let d_out = wide.view(grad, first, rows);
                if prefix > 0 {
                    let seen = MatrixView::strided(&weights, rows, prefix, width).transposed();
                    narrow.of(dv, 0).product(seen, d_out, 1.0, true);
                }
                let own = MatrixView::strided(&weights[prefix..], rows, rows, width).transposed();
                narrow.of(dv, first).product(own, d_out, 1.0, true);
                for (slopes, weights) in slopes.chunks_exact_mut(width).zip(weights.chunks_exact(width)) {
                    let along: f32 = slopes.iter().zip(weights).map(|(s, w)| s * w).sum();
                    slopes.iter_mut().zip(weights).for_each(|(s, w)| *s = scale * w * (*s - along));
                }
                let own = MatrixView::strided(&slopes[prefix..], rows, rows, width);
                wide.of(dq, first).product(own, narrow.view(&part.keys, first, rows), 1.0, false);
                let queries = wide.view(&part.queries, first, rows);
                narrow.of(dk, first).product(own.transposed(), queries, 1.0, true);
                if prefix > 0 {
                    let seen = MatrixView::strided(&slopes, rows, prefix, width);
                    wide.of(dq, first).product(seen, narrow.view(&part.keys, 0, prefix), 1.0, true);
                    narrow.of(dk, 0).product(seen.transposed(), queries, 1.0, true);
                }
            }
        }
        let (wide, narrow) = self.widths();
        self.rotate(part.group, dq, wide, true);
        self.rotate(part.group, dk, narrow, true);
    }

    /// `values` cut into the groups' rows.
    fn cut<'a>(&self, mut values: &'a mut [f32], width: usize) -> Vec<&'a mut [f32]> {
        let mut parts = Vec::with_capacity(self.groups.len());
        for group in &*self.groups {
            let (part, rest) = values.split_at_mut(group.rows() * width);
            parts.push(part);
            values = rest;
        }
        parts
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        ql: &Layout,
        k: &CpuStorage,
        kl: &Layout,
        v: &CpuStorage,
        vl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (slice(q, ql)?, slice(k, kl)?, slice(v, vl)?);
        let mut out = vec![0.0; q.len()];
        let items = self.groups.iter().zip(self.cut(&mut out, self.widths().0)).collect();
        parallel(&self.pool, items, |(group, out)| self.forward(&self.part(*group, q, k, v), out));
        Ok((CpuStorage::F32(out), ql.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (qs, ks, vs, gs) = (Values::of(q), Values::of(k), Values::of(v), Values::of(&grad));
        let (query, key, value, d_out) = (qs.slice()?, ks.slice()?, vs.slice()?, gs.slice()?);
        let (wide, narrow) = self.widths();
        let (mut dq, mut dk, mut dv) = (vec![0.0; query.len()], vec![0.0; key.len()], vec![0.0; value.len()]);
        let keys_and_values = self.cut(&mut dk, narrow).into_iter().zip(self.cut(&mut dv, narrow));
        let items = self.groups.iter().zip(self.cut(&mut dq, wide)).zip(keys_and_values).collect();
        parallel(&self.pool, items, |((group, dq), (dk, dv))| {
            let grad = &d_out[group.start * wide..(group.start + group.rows()) * wide];
            self.backward(&self.part(*group, query, key, value), grad, dq, dk, dv);
        });
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
        Ok((Some(tensor(dq, q)?), Some(tensor(dk, k)?), Some(tensor(dv, v)?)))
    }
}
