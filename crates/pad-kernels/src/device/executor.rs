//! What runs launches.

use std::fmt::Debug;

use candle_core::Result;

use super::launch::{Address, Launch};

/// A queue of work on one device and its memory. What is asked for is done in order; only [`Self::read`] waits for it. That addresses lead
/// to as much memory as a launch or a copy touches is up to the caller, as it is with [`Launch`].
pub trait Executor: Send + Debug {
    /// Memory, aligned to 64 bytes at least. Nothing is in it.
    ///
    /// # Errors
    /// If there is not that much.
    fn allocate(&mut self, bytes: usize) -> Result<Address>;

    /// Gives memory back, once what was asked for before is done.
    ///
    /// # Errors
    /// If the device failed.
    fn release(&mut self, memory: Address) -> Result<()>;

    /// Bytes of the host to the device; they are taken when this returns.
    ///
    /// # Errors
    /// If the device failed.
    fn write(&mut self, to: Address, bytes: &[u8]) -> Result<()>;

    /// So many bytes from one place of the device to another that does not overlap it.
    ///
    /// # Errors
    /// If the device failed.
    fn copy(&mut self, from: Address, to: Address, bytes: usize) -> Result<()>;

    /// Runs a kernel.
    ///
    /// # Errors
    /// If there is no such kernel, or the device failed.
    fn launch(&mut self, launch: &Launch) -> Result<()>;

    /// Waits for all that was asked for, and takes bytes to the host.
    ///
    /// # Errors
    /// If the device failed, in anything that was asked for before.
    fn read(&mut self, from: Address, bytes: &mut [u8]) -> Result<()>;

    /// Bytes of memory that are free, if that is known.
    fn free(&mut self) -> Option<usize>;
}
