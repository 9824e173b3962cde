//! Memory that kernels read and write: poisoned, between guards.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU8, Ordering};

use half::{bf16, f16};
use pad_kernels::device::Address;

use crate::library::kernels;

/// Bytes in front of the values and behind them.
const GUARD: usize = 1024;

/// What values are made of that nobody has written: NaN in every format of floating-point numbers.
const POISON: u8 = 0xff;

/// Plain numbers, for which any bytes are a value.
pub trait Number: Copy {}
impl Number for f32 {}
impl Number for f64 {}
impl Number for u64 {}
impl Number for u32 {}
impl Number for i32 {}
impl Number for u8 {}
impl Number for f16 {}
impl Number for bf16 {}

static MARKS: AtomicU8 = AtomicU8::new(0);

/// `len` values where kernels reach them.
pub struct Buffer<T> {
    memory: *mut c_void,
    len: usize,
    /// The lowest byte of each word of the guards. They are NaN as well, but every buffer's are other ones, so that what was read
    /// behind one buffer and written behind another is noticed.
    mark: u8,
    of: PhantomData<T>,
}

impl<T: Number> Buffer<T> {
    /// Values that nobody has written yet.
    pub fn poisoned(len: usize) -> Self {
        let bytes = len * size_of::<T>() + 2 * GUARD;
        // SAFETY: the library's function takes any size.
        let memory = unsafe { (kernels().allocate)(bytes) };
        assert!(!memory.is_null(), "{bytes} bytes of memory");
        // SAFETY: so many bytes were allocated.
        unsafe { std::ptr::write_bytes(memory.cast::<u8>(), POISON, bytes) };
        let mark = 0x81 + MARKS.fetch_add(1, Ordering::Relaxed) % 0x7e;
        let buffer = Self { memory, len, mark, of: PhantomData };
        for at in buffer.guards() {
            // SAFETY: the guards lie within the allocation.
            unsafe { *memory.cast::<u8>().add(at) = buffer.guard(at) };
        }
        buffer
    }

    /// The places of the guards' bytes.
    fn guards(&self) -> impl Iterator<Item = usize> + use<T> {
        let end = GUARD + self.len * size_of::<T>();
        (0..GUARD).chain(end..end + GUARD)
    }

    /// The guards' byte at a place.
    fn guard(&self, at: usize) -> u8 {
        if at.is_multiple_of(4) { self.mark } else { POISON }
    }

    /// These values.
    pub fn of(values: &[T]) -> Self {
        let buffer = Self::poisoned(values.len());
        // SAFETY: the buffer has room for as many behind its first guard, and is aligned to 64 bytes there.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), buffer.start(), values.len()) };
        buffer
    }

    fn start(&self) -> *mut T {
        self.memory.wrapping_byte_add(GUARD).cast()
    }

    /// Where the values are.
    pub fn address(&self) -> Address {
        Address(self.start() as u64)
    }

    /// The values, after a look at the guards.
    pub fn values(&self) -> Vec<T> {
        let byte = |at: usize| {
            // SAFETY: all bytes of the allocation were written when it was poisoned.
            unsafe { *self.memory.cast::<u8>().add(at) }
        };
        let whole = self.guards().all(|at| byte(at) == self.guard(at));
        assert!(whole, "a kernel wrote outside of its {} values", self.len);
        // SAFETY: any bytes are a value of a `Number`, and no kernel runs.
        unsafe { std::slice::from_raw_parts(self.start(), self.len) }.to_vec()
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        // SAFETY: the memory is the library's, and is released once.
        unsafe { (kernels().release)(self.memory) };
    }
}

/// The largest difference, relative to the largest value; NaN where one of them is NaN, which no bound admits.
pub fn distance(got: &[f32], want: &[f32]) -> f32 {
    let size = want.iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
    worst(got, want) / size
}

/// The largest difference; NaN where one of them is NaN.
pub fn worst(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    let differences = got.iter().zip(want).map(|(got, want)| (got - want).abs());
    differences.fold(0.0_f32, |worst, difference| if worst > difference || worst.is_nan() { worst } else { difference })
}
