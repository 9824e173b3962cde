//! The kernels' library as an executor: memory is poisoned and lies between guards.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Error, Result};
use pad_kernels::device::{Address, Executor, Launch};

use crate::library::{Order, kernels};

/// Bytes in front of an allocation and behind it.
const GUARD: usize = 256;

/// What memory is made of that nobody has written, and guards: NaN in every format.
const POISON: u8 = 0xff;

#[derive(Debug)]
pub struct Host {
    order: Order,
    /// Where each allocation begins, and its bytes.
    memory: Vec<(u64, usize)>,
    /// How often something was waited for.
    pub waits: Arc<AtomicUsize>,
}

impl Host {
    /// With the threads of a block in one of the orders.
    pub fn new(order: usize) -> Self {
        let orders = kernels().orders();
        Self { order: orders[order % orders.len()], memory: Vec::new(), waits: Arc::default() }
    }

    /// Checks that bytes lie within one allocation.
    fn check(&self, address: Address, bytes: usize) -> Result<()> {
        let holds =
            |(start, len): &(u64, usize)| address.0 >= *start && address.0 + bytes as u64 <= start + *len as u64;
        if self.memory.iter().any(holds) { Ok(()) } else { Err(Error::Msg(format!("{bytes} bytes at {address:?}"))) }
    }

    fn check_guards(&self) -> Result<()> {
        for (start, len) in &self.memory {
            let guards = [start - GUARD as u64, start + *len as u64];
            for guard in guards {
                // SAFETY: guards were allocated with what lies between them.
                let guard = unsafe { std::slice::from_raw_parts(guard as *const u8, GUARD) };
                if guard.iter().any(|byte| *byte != POISON) {
                    return Err(Error::Msg(format!("a kernel wrote outside of {len} bytes")));
                }
            }
        }
        Ok(())
    }
}

impl Executor for Host {
    fn allocate(&mut self, bytes: usize) -> Result<Address> {
        let whole = bytes + 2 * GUARD;
        // SAFETY: the library's function takes any size.
        let memory = unsafe { (kernels().allocate)(whole) };
        assert!(!memory.is_null(), "{bytes} bytes");
        // SAFETY: so many bytes were allocated.
        unsafe { std::ptr::write_bytes(memory.cast::<u8>(), POISON, whole) };
        let start = memory as u64 + GUARD as u64;
        self.memory.push((start, bytes));
        Ok(Address(start))
    }

    fn release(&mut self, memory: Address) -> Result<()> {
        self.check_guards()?;
        let at = self.memory.iter().position(|(start, _)| *start == memory.0).expect("an allocation");
        self.memory.swap_remove(at);
        // SAFETY: the memory is the library's, and is released once.
        unsafe { (kernels().release)((memory.0 - GUARD as u64) as *mut c_void) };
        Ok(())
    }

    fn write(&mut self, to: Address, bytes: &[u8]) -> Result<()> {
        self.check(to, bytes.len())?;
        // SAFETY: as many bytes lie there, and no kernel runs.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.0 as *mut u8, bytes.len()) };
        Ok(())
    }

    fn copy(&mut self, from: Address, to: Address, bytes: usize) -> Result<()> {
        self.check(from, bytes)?;
        self.check(to, bytes)?;
        // SAFETY: both lie within allocations, and no kernel runs.
        unsafe { std::ptr::copy(from.0 as *const u8, to.0 as *mut u8, bytes) };
        Ok(())
    }

    fn launch(&mut self, launch: &Launch) -> Result<()> {
        self.order.try_run(launch).map_err(|message| Error::Msg(format!("{}: {message}", launch.kernel)))
    }

    fn read(&mut self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.check(from, bytes.len())?;
        self.check_guards()?;
        // SAFETY: as many bytes lie there, and no kernel runs.
        unsafe { std::ptr::copy_nonoverlapping(from.0 as *const u8, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn free(&mut self) -> Option<usize> {
        None
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for (start, _) in &self.memory {
            // SAFETY: the memory is the library's, and is released once.
            unsafe { (kernels().release)((start - GUARD as u64) as *mut c_void) };
        }
    }
}
