//! One launch of a kernel, as plain data.

use std::num::NonZeroUsize;

use candle_core::{Result, bail};

use crate::AttentionRule;

/// Where something lies in a device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub u64);

impl Address {
    /// Of what is not there.
    pub const NONE: Self = Self(0);

    /// So many bytes further on.
    #[must_use]
    pub fn plus(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

/// A kernel, the sizes of its grid and its blocks, and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The kernel's name.
    pub kernel: String,
    /// Blocks of the grid.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub threads: u32,
    /// The structure that the kernel takes, as its bytes.
    pub arguments: Vec<u8>,
}

/// The bytes of a kernel's structure of arguments: addresses, then 32-bit numbers.
#[derive(Clone, Debug)]
pub struct Arguments {
    bytes: Vec<u8>,
}

impl Arguments {
    /// All addresses.
    pub fn new(addresses: &[Address]) -> Self {
        Self { bytes: addresses.iter().flat_map(|address| address.0.to_ne_bytes()).collect() }
    }

    /// Sizes, named for the message about one that is too large.
    pub fn sizes(mut self, sizes: &[(&str, usize)]) -> Result<Self> {
        for (name, size) in sizes {
            let Ok(number) = i32::try_from(*size) else { bail!("{name} is {size}; up to {} is allowed", i32::MAX) };
            self.bytes.extend(number.to_ne_bytes());
        }
        Ok(self)
    }

    /// Numbers in single precision.
    pub fn numbers(mut self, numbers: &[f32]) -> Self {
        self.bytes.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
        self
    }

    /// The window and the soft cap of a rule: 0 where there is none.
    pub fn rule(self, rule: &AttentionRule) -> Result<Self> {
        let window = rule.window.map_or(0, NonZeroUsize::get);
        Ok(self.sizes(&[("window", window)])?.numbers(&[rule.soft_cap.unwrap_or(0.0)]))
    }

    /// The launch of a kernel with these arguments. A structure's size is a multiple of 8.
    pub fn launch(mut self, kernel: impl Into<String>, grid: [usize; 3], threads: u32) -> Result<Launch> {
        let kernel = kernel.into();
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        // What a grid's dimensions may be.
        let most = [i32::MAX as usize, 65_535, 65_535];
        if let Some((size, most)) = grid.iter().zip(most).find(|(size, most)| !(1..=*most).contains(*size)) {
            bail!("{kernel}: a grid of {grid:?} blocks; {size} is outside of 1 to {most}")
        }
        Ok(Launch { kernel, grid: grid.map(|size| size as u32), threads, arguments: self.bytes })
    }
}
