//! Low-rank additions to some rows of a batch: `y += B M (A f(x))`, the effect of a LoRA adapter on a matrix. The core M is the identity, or
//! a weighted sum of several.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, bail};

use crate::dispatch::{for_each_isa, mul_add};
use crate::row_argument::rows_of;
use crate::shared::SharedSlice;
use crate::{Input, Isa, Pool};

/// Numbers summed side by side.
const LANES: usize = 16;

/// `B M A`, a matrix `[outputs, inputs]` of low rank, in single precision. Clones share A and B.
#[derive(Clone, Debug)]
pub struct LowRank {
    inputs: usize,
    outputs: usize,
    /// A, `[rank, inputs]`.
    down: Arc<[f32]>,
    /// B transposed, `[rank, outputs]`, so that each product is added along a row.
    up: Arc<[f32]>,
    core: Core,
}

/// What stands between A and B.
#[derive(Clone, Debug)]
enum Core {
    /// Nothing: the identity.
    Identity,
    /// The sum of `W_i`, `[parts, rank, rank]`, each times its weight.
    Mixed { of: Arc<[f32]>, sum: Vec<f32> },
}

impl Core {
    /// M, `[rank, rank]`; empty for the identity.
    fn matrix(&self) -> &[f32] {
        match self {
            Self::Identity => &[],
            Self::Mixed { sum, .. } => sum,
        }
    }
}

impl LowRank {
    /// The largest rank.
    pub const MAX_RANK: usize = 256;

    /// From `down` A `[rank, inputs]` and `up` B `[outputs, rank]`, both row-major; B is multiplied by `scale`.
    ///
    /// # Errors
    /// If the sizes do not agree, or the rank is 0 or above 256.
    pub fn new(rank: usize, inputs: usize, outputs: usize, down: Vec<f32>, up: &[f32], scale: f32) -> Result<Self> {
        Self::check_rank(rank)?;
        if down.len() != rank * inputs || up.len() != outputs * rank {
            bail!("low rank: {} and {} values for [{rank}, {inputs}] and [{outputs}, {rank}]", down.len(), up.len())
        }
        let up = (0..rank).flat_map(|k| (0..outputs).map(move |j| scale * up[j * rank + k])).collect();
        Ok(Self { inputs, outputs, down: down.into(), up, core: Core::Identity })
    }

    /// The same with the core `sum_i w_i W_i`, from the `W_i` `[parts, rank, rank]`. The weights are 0 until [`Self::mixed`] gives others.
    ///
    /// # Errors
    /// If there is no part, or the values are not whole parts.
    pub fn with_cores(self, cores: Vec<f32>) -> Result<Self> {
        let size = self.rank() * self.rank();
        if cores.is_empty() || !cores.len().is_multiple_of(size) {
            bail!("low rank: {} values for cores of {size}", cores.len())
        }
        Ok(Self { core: Core::Mixed { of: cores.into(), sum: vec![0.0; size] }, ..self })
    }

    /// The same with these weights, one for each part of its core.
    ///
    /// # Panics
    /// If the core has another number of parts. One that is the identity has no weights.
    #[must_use]
    pub fn mixed(&self, weights: &[f32]) -> Self {
        let Core::Mixed { of, .. } = &self.core else { return self.clone() };
        let mut sum = vec![0.0; self.rank() * self.rank()];
        assert_eq!(of.len(), weights.len() * sum.len(), "a weight for each part");
        for (part, weight) in of.chunks_exact(sum.len()).zip(weights) {
            sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += weight * value);
        }
        Self { core: Core::Mixed { of: Arc::clone(of), sum }, ..self.clone() }
    }

    /// Refuse a rank that is out of range.
    pub(crate) fn check_rank(rank: usize) -> Result<()> {
        if !(1..=Self::MAX_RANK).contains(&rank) {
            bail!("low rank: the rank is {rank}, allowed is 1 to {}", Self::MAX_RANK)
        }
        Ok(())
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Its rank.
    pub fn rank(&self) -> usize {
        self.down.len() / self.inputs
    }

    /// A, `[rank, inputs]`.
    pub fn down(&self) -> &[f32] {
        &self.down
    }

    /// B transposed and scaled, `[rank, outputs]`.
    pub fn up(&self) -> &[f32] {
        &self.up
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let cores = match &self.core {
            Core::Identity => 0,
            Core::Mixed { of, sum } => of.len() + sum.len(),
        };
        (self.down.len() + self.up.len() + cores) * size_of::<f32>()
    }

    /// `y += B M A x` for one row.
    ///
    /// # Panics
    /// If the lengths are not those of inputs and outputs.
    pub fn add_row(&self, isa: Isa, x: &[f32], y: &mut [f32]) {
        assert_eq!((x.len(), y.len()), (self.inputs, self.outputs), "a row of another size");
        add_row(isa, &self.down, self.core.matrix(), &self.up, x, y);
    }

    /// The twin: A and `(B M)^T` as tensors, `[rank, inputs]` and `[rank, outputs]`.
    fn twin(&self, device: &Device) -> Result<(Tensor, Tensor)> {
        let rank = self.rank();
        let tensor = |values: &[f32], width| Tensor::from_slice(values, (rank, width), device);
        let (down, up) = (tensor(&self.down, self.inputs)?, tensor(&self.up, self.outputs)?);
        match self.core.matrix() {
            [] => Ok((down, up)),
            core => Ok((down, tensor(core, rank)?.t()?.matmul(&up)?)),
        }
    }
}

for_each_isa! {
    /// `y += up^T (core (down x))`; no core is the identity.
    fn add_row(down: &[f32], core: &[f32], up: &[f32], x: &[f32], y: &mut [f32]) = add_row_body
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must take the caller's instruction set")]
fn add_row_body<const FUSED: bool>(down: &[f32], core: &[f32], up: &[f32], x: &[f32], y: &mut [f32]) {
    let (mut products, mut through) = ([0.0_f32; LowRank::MAX_RANK], [0.0_f32; LowRank::MAX_RANK]);
    let rank = down.len() / x.len();
    for (product, down) in products.iter_mut().zip(down.chunks_exact(x.len())) {
        let (xs, tail) = x.as_chunks::<LANES>();
        let (downs, down_tail) = down.as_chunks::<LANES>();
        let mut sums = [0.0_f32; LANES];
        for (x, down) in xs.iter().zip(downs) {
            for j in 0..LANES {
                sums[j] = mul_add::<FUSED>(x[j], down[j], sums[j]);
            }
        }
        for (j, (x, down)) in tail.iter().zip(down_tail).enumerate() {
            sums[j] = mul_add::<FUSED>(*x, *down, sums[j]);
        }
        *product = sums.iter().sum();
    }
    for (through, core) in through.iter_mut().zip(core.chunks_exact(rank)) {
        for (core, product) in core.iter().zip(&products) {
            *through = mul_add::<FUSED>(*core, *product, *through);
        }
    }
    let products = if core.is_empty() { &products } else { &through };
    for (product, up) in products.iter().zip(up.chunks_exact(y.len())) {
        for (y, up) in y.iter_mut().zip(up) {
            *y = mul_add::<FUSED>(*product, *up, *y);
        }
    }
}

/// Low-rank additions to matrices that read the same input and are stacked: each begins at an output of the stack.
#[derive(Clone, Debug, Default)]
pub struct LowRankStack {
    parts: Vec<(usize, LowRank)>,
}

impl LowRankStack {
    /// Nothing is added yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Add `part` to the outputs from `start` on.
    pub fn push(&mut self, start: usize, part: LowRank) {
        self.parts.push((start, part));
    }

    /// The same with these weights for the cores that are mixed.
    ///
    /// # Panics
    /// As [`LowRank::mixed`].
    #[must_use]
    pub fn mixed(&self, weights: &[f32]) -> Self {
        Self { parts: self.parts.iter().map(|(start, part)| (*start, part.mixed(weights))).collect() }
    }

    /// Each addition, and the output of the stack at which it begins.
    pub fn parts(&self) -> &[(usize, LowRank)] {
        &self.parts
    }

    /// Whether it adds nothing.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|(_, part)| part.bytes()).sum()
    }

    /// Add to one row of the stack's outputs what its input `x` gives.
    pub(crate) fn add_row(&self, isa: Isa, x: &[f32], y: &mut [f32]) {
        for (start, part) in &self.parts {
            part.add_row(isa, x, &mut y[*start..*start + part.outputs]);
        }
    }

    /// `y` `[rows, outputs]` with `B M A f(x)` added to the rows of `span`; `x` is `[rows, inputs]`.
    ///
    /// # Errors
    /// If a shape does not agree.
    pub fn add(&self, y: Tensor, x: &Tensor, input: Input<'_>, span: &Range<usize>, pool: &Pool) -> Result<Tensor> {
        if self.is_empty() || span.is_empty() {
            return Ok(y);
        }
        if !y.device().is_cpu() {
            return self.twin(&y, &input.twin(x)?, span);
        }
        y.inplace_op2(x, &AddLowRank { stack: self, input, span, pool })?;
        Ok(y)
    }

    /// The twin of [`Self::add`] with `x` as the matrices read it: plain candle on any device.
    ///
    /// # Errors
    /// If a shape does not agree.
    pub fn twin(&self, y: &Tensor, x: &Tensor, span: &Range<usize>) -> Result<Tensor> {
        if span.is_empty() {
            return Ok(y.clone());
        }
        let x = x.narrow(0, span.start, span.len())?;
        let mut added = y.zeros_like()?;
        for (start, part) in &self.parts {
            let (down, up) = part.twin(y.device())?;
            let product = x.matmul(&down.t()?)?.matmul(&up)?;
            let before = added.narrow(0, span.start, span.len())?.narrow(1, *start, part.outputs)?;
            let ranges = [span.start..span.end, *start..*start + part.outputs];
            added = added.slice_assign(&ranges, &(before + product)?)?;
        }
        y + added
    }
}

struct AddLowRank<'a> {
    stack: &'a LowRankStack,
    input: Input<'a>,
    span: &'a Range<usize>,
    pool: &'a Pool,
}

impl InplaceOp2 for AddLowRank<'_> {
    fn name(&self) -> &'static str {
        "add-low-rank"
    }

    fn cpu_fwd(&self, y: &mut CpuStorage, ly: &Layout, x: &CpuStorage, lx: &Layout) -> Result<()> {
        let (Some((start, end)), &[rows, outputs]) = (ly.contiguous_offsets(), ly.dims()) else {
            bail!("low rank: a contiguous matrix is expected, not {ly:?}")
        };
        let inputs = self.stack.parts[0].1.inputs;
        let (given, x) = rows_of("low rank", x, lx, inputs)?;
        let fits = |(at, part): &(usize, LowRank)| part.inputs == inputs && at + part.outputs <= outputs;
        if given != rows || self.span.end > rows || !self.stack.parts.iter().all(fits) {
            bail!("low rank: rows {:?} of {rows} and {given}, of {outputs} outputs", self.span)
        }
        let y = match y {
            CpuStorage::F32(y) => &mut y[start..end],
            other => bail!(
                "low rank: single precision is expected, not {:?}",
                candle_core::backend::BackendStorage::dtype(other)
            ),
        };
        let (isa, y) = (self.pool.isa(), SharedSlice::new(y));
        self.pool.run(self.span.len(), &|i| {
            let row = self.span.start + i;
            let mut read = vec![0.0; inputs];
            self.input.row(isa, &x[row * inputs..(row + 1) * inputs], &mut read);
            // SAFETY: each row belongs to one task.
            self.stack.add_row(isa, &read, unsafe { y.part(row * outputs, outputs) });
        });
        Ok(())
    }
}
