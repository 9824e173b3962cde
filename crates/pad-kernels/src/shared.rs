//! A slice that several threads write in disjoint places.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// `len` numbers that `fill` writes, without clearing them before.
///
/// # Safety
/// `fill` writes every one of them.
pub unsafe fn filled(len: usize, fill: impl FnOnce(&SharedSlice<'_, MaybeUninit<f32>>)) -> Vec<f32> {
    let mut out: Vec<f32> = Vec::with_capacity(len);
    fill(&SharedSlice::new(&mut out.spare_capacity_mut()[..len]));
    // SAFETY: all of them are written, by the caller's promise.
    unsafe { out.set_len(len) };
    out
}

/// A mutable slice shared by the tasks of one [`crate::Pool::run`], each of which writes its own part.
pub struct SharedSlice<'a, T> {
    start: *mut T,
    len: usize,
    owner: PhantomData<&'a mut [T]>,
}

// SAFETY: the only access is through `part`, whose caller promises that parts taken at the same time do not overlap.
unsafe impl<T: Send> Sync for SharedSlice<'_, T> {}
// SAFETY: as above; the slice is borrowed for as long as this value lives.
unsafe impl<T: Send> Send for SharedSlice<'_, T> {}

impl<'a, T> SharedSlice<'a, T> {
    /// Share `slice` for as long as the result lives.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), owner: PhantomData }
    }

    /// The part `[start, start + len)`.
    ///
    /// # Safety
    /// No two parts that exist at the same time may overlap.
    #[expect(clippy::mut_from_ref, reason = "disjoint parts are the point; the caller promises it")]
    pub unsafe fn part(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start, "part outside the shared slice");
        // SAFETY: inside the slice by the assertion, exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }

    /// Where the `len` numbers from `start` on begin. What is written through it is the caller's to keep disjoint.
    pub fn pointer(&self, start: usize, len: usize) -> *mut T {
        assert!(start <= self.len && len <= self.len - start, "part outside the shared slice");
        self.start.wrapping_add(start)
    }
}

impl SharedSlice<'_, MaybeUninit<u8>> {
    /// The part `[start, start + len)`, set to zero.
    ///
    /// # Safety
    /// As for [`Self::part`].
    #[expect(clippy::mut_from_ref, reason = "as for `part`")]
    pub unsafe fn zeroed(&self, start: usize, len: usize) -> &mut [u8] {
        // SAFETY: the caller's.
        let part = unsafe { self.part(start, len) };
        part.fill(MaybeUninit::new(0));
        // SAFETY: all of them are written.
        unsafe { std::slice::from_raw_parts_mut(part.as_mut_ptr().cast(), len) }
    }
}
