//! Value heads on a device, and the copying of rows: a head that changes nothing.

use pad_kernels::Linear;
use pad_kernels::device::{Address, LowRankLaunch};
use pad_model::{ModelError, ValueHead};

use crate::matrix::DeviceMatrix;
use crate::queue::{Queue, Room};

/// The heads of a model. Those of low rank, filled up to one rank with zeros, are parts of one operation; its first part adds nothing.
#[derive(Debug)]
pub struct Heads {
    known: Vec<Head>,
    hidden: usize,
    rank: usize,
    /// `[parts, rank, hidden]`.
    down: Address,
    /// The same.
    up: Address,
    /// `[parts, hidden]`.
    bias: Address,
}

/// How a state goes through a head.
#[derive(Debug)]
pub enum Head {
    /// By a part.
    LowRank(u32),
    /// By a matrix.
    Full(DeviceMatrix),
}

/// Rows that are copied, each through a part; all but `from`, `to` and `count` are arrays of `count` numbers on the device.
#[derive(Clone, Copy, Debug)]
pub struct Gather {
    pub from: Address,
    pub to: Address,
    /// The row of `from`.
    pub rows: Address,
    /// The part.
    pub parts: Address,
    /// The row of `to`.
    pub targets: Address,
    pub count: usize,
}

impl Heads {
    pub fn new(queue: &mut Queue, heads: &[ValueHead], hidden: usize) -> Result<Self, ModelError> {
        let of_low_rank = |head: &ValueHead| match head {
            ValueHead::LowRank { product, .. } => product.parts().iter().map(|(_, part)| part.rank()).max(),
            ValueHead::Full(_) => None,
        };
        let rank = heads.iter().filter_map(of_low_rank).max().unwrap_or(1);
        let (mut down, mut up, mut bias) = (vec![0.0; rank * hidden], vec![0.0; rank * hidden], vec![0.0; hidden]);
        let mut known = Vec::with_capacity(heads.len());
        for head in heads {
            match head {
                ValueHead::LowRank { product, bias: own, .. } => {
                    known.push(Head::LowRank((bias.len() / hidden) as u32));
                    for (_, part) in product.parts() {
                        down.extend_from_slice(part.down());
                        up.extend_from_slice(part.up());
                    }
                    bias.extend(own.to_vec1::<f32>()?);
                    let parts = bias.len() / hidden;
                    down.resize(parts * rank * hidden, 0.0);
                    up.resize(parts * rank * hidden, 0.0);
                }
                ValueHead::Full(Linear::Packed { weights, bias, .. }) => {
                    let (values, bias) = (weights.to_f32(), bias.as_deref());
                    known.push(Head::Full(DeviceMatrix::of_values(queue, &values, bias, hidden)?));
                }
                ValueHead::Full(Linear::Dense { .. }) => {
                    return Err(ModelError::Batch("a value head is not packed".to_owned()));
                }
            }
        }
        let (down, up) = (queue.hold_numbers(&down)?, queue.hold_numbers(&up)?);
        Ok(Self { known, hidden, rank, down, up, bias: queue.hold_numbers(&bias)? })
    }

    /// Values of a state.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// A head by its number.
    pub fn get(&self, head: usize) -> Result<&Head, ModelError> {
        self.known.get(head).ok_or_else(|| ModelError::Batch(format!("there is no value head {head}")))
    }

    /// Copies rows, each through its part.
    pub fn gather(&self, queue: &mut Queue, product: &mut Room, gather: &Gather) -> Result<(), ModelError> {
        let Self { hidden, rank, .. } = *self;
        let launch = LowRankLaunch {
            x: gather.from,
            down: self.down,
            up: self.up,
            bias: self.bias,
            base: gather.from,
            product: product.of(queue, gather.count * rank)?,
            y: gather.to,
            rows: gather.rows,
            parts: gather.parts,
            targets: gather.targets,
            tasks: gather.count,
            inputs: hidden,
            outputs: hidden,
            rank,
            x_stride: hidden,
            base_stride: hidden,
            y_stride: hidden,
        };
        Ok(queue.run_all(&launch.launches()?)?)
    }
}
