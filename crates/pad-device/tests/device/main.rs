//! A model on a device, its kernels run on the host as in the tests of `pad-kernels`, against golden logits and against the CPU.
#![expect(unsafe_code, reason = "the compiled kernels are loaded and called")]

mod engines;
mod families;
mod formats;
mod host;
#[path = "../../../pad-kernels/tests/cuda/library.rs"]
mod library;
mod models;
mod reading;
