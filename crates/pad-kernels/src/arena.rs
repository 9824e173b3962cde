//! Memory for weights, in huge pages.
//!
//! A decode step reads every weight once, so with pages of 4 KiB it misses the translation cache at every step on every page. One
//! matrix is often smaller than a huge page: an arena puts the matrices of a model side by side in slabs that are aligned to huge
//! pages, and asks the system for them before the first touch.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::shared::SharedSlice;

/// Bytes of a huge page on the machines that have them.
const HUGE_PAGE: usize = 2 << 20;
/// Bytes reserved at a time. What is not handed out is never touched, so it takes no memory.
const SLAB: usize = 64 << 20;

/// 64 bytes that start on a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Line(pub [u8; 64]);

/// Tell the allocator to keep what is freed: a step takes and frees the same buffers again and again, and pages that go back to
/// the system in between must be cleared every time. Only glibc's allocator has to be told.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const KEPT: libc::c_int = 1 << 30;
        // SAFETY: the calls only set thresholds of the allocator.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        }
    }
}

/// Tell candle to compute an operation on the thread that asks for it, and the allocator that all threads share one heap: for
/// programs that give each thread a piece of work of its own. To be called before there is a second thread.
pub fn work_alone() {
    // SAFETY: no other thread reads the environment yet, by the caller's promise that there is none.
    unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    // SAFETY: as above.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", "1") };
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call only sets a limit of the allocator.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Hands out memory from slabs; the memory lives as long as a buffer of its slab does.
#[derive(Debug, Default)]
pub struct Arena {
    slab: Option<Arc<Slab>>,
    used: usize,
}

#[derive(Debug)]
struct Slab {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a slab is memory and nothing else; who may touch which part of it is the buffers' business.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

/// Some lines of a slab, owned by this buffer alone.
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<Line>,
    lines: usize,
    _slab: Arc<Slab>,
}

// SAFETY: the buffer is the only one that refers to its lines, as a `Vec` is to its elements.
unsafe impl Send for Buffer {}
// SAFETY: shared access is shared slices of bytes.
unsafe impl Sync for Buffer {}

impl Slab {
    fn new(bytes: usize) -> Self {
        let size = bytes.next_multiple_of(HUGE_PAGE);
        let layout = Layout::from_size_align(size, HUGE_PAGE).expect("weights fit the address space");
        // SAFETY: the size is not zero: it is a positive multiple of the page.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // SAFETY: the range is one allocation, aligned to the page. A system that refuses leaves small pages.
        #[cfg(target_os = "linux")]
        let _ = unsafe { libc::madvise(start.as_ptr().cast(), size, libc::MADV_HUGEPAGE) };
        Self { start, layout }
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

impl Arena {
    /// `lines` lines, every byte of which `fill` writes.
    pub(crate) fn take(&mut self, lines: usize, fill: impl FnOnce(&SharedSlice<'_, MaybeUninit<u8>>)) -> Buffer {
        let bytes = lines * size_of::<Line>();
        let room = |slab: &&Arc<Slab>| self.used + bytes <= slab.layout.size();
        let slab = if let Some(slab) = self.slab.as_ref().filter(room) {
            Arc::clone(slab)
        } else {
            self.used = 0;
            Arc::clone(self.slab.insert(Arc::new(Slab::new(bytes.max(SLAB)))))
        };
        // SAFETY: `used + bytes` is inside the slab, as checked above; `used` is a multiple of a line.
        let start: NonNull<Line> = unsafe { slab.start.add(self.used) }.cast();
        // SAFETY: these lines were never handed out, and bytes may be anything before they are written.
        let uninit = unsafe { std::slice::from_raw_parts_mut(start.as_ptr().cast(), bytes) };
        fill(&SharedSlice::new(uninit));
        self.used += bytes;
        Buffer { start, lines, _slab: slab }
    }
}

impl Buffer {
    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: written in `take`; a line is 64 bytes without padding.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.lines * size_of::<Line>()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_apart() {
        let mut arena = Arena::default();
        let mut with = |lines: usize, byte: u8| {
            arena.take(lines, |bytes: &SharedSlice<'_, MaybeUninit<u8>>| {
                // SAFETY: there is no other reference to a part.
                unsafe { bytes.zeroed(0, lines * size_of::<Line>()) }.fill(byte);
            })
        };
        let lines = [1, 7, 1 << 20, 3, 0, 5];
        let buffers: Vec<Buffer> = lines.into_iter().zip(1..).map(|(lines, byte)| with(lines, byte)).collect();
        drop(arena);
        for ((buffer, lines), byte) in buffers.iter().zip(lines).zip(1..) {
            assert_eq!((buffer.bytes().as_ptr() as usize % 64, buffer.bytes().len()), (0, lines * 64));
            assert!(buffer.bytes().iter().all(|b| *b == byte), "buffer {byte}");
        }
    }
}
