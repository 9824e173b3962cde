//! Slices of tensors, and loops over disjoint pieces on all threads.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};
use pad_kernels::Pool;

/// The numbers of an operation's argument.
pub fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("an operation of training needs contiguous arguments"),
    }
}

/// A tensor's numbers while they are being read.
pub struct Values<'a> {
    guard: Box<dyn Deref<Target = Storage> + 'a>,
    layout: &'a Layout,
}

impl<'a> Values<'a> {
    pub fn of(tensor: &'a Tensor) -> Self {
        let (guard, layout) = tensor.storage_and_layout();
        Self { guard: Box::new(guard), layout }
    }

    pub fn slice(&self) -> Result<&[f32]> {
        match &**self.guard {
            Storage::Cpu(storage) => slice(storage, self.layout),
            _ => bail!("training runs on the CPU"),
        }
    }
}

/// Calls `work` with every item, on all threads.
pub fn parallel<T: Send>(pool: &Pool, items: Vec<T>, work: impl Fn(T) + Sync) {
    let items: Vec<Mutex<Option<T>>> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    pool.run(items.len(), &|i| {
        let item = items[i].lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(item) = item {
            work(item);
        }
    });
}

/// How many numbers of `width` wide rows one task takes, so that every thread has a few.
pub fn piece(pool: &Pool, rows: usize, width: usize) -> usize {
    rows.div_ceil(4 * pool.threads()).max(1) * width
}
