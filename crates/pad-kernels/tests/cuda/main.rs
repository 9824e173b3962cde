//! The kernels in CUDA C++ against their twins, on the host: a C++ compiler turns the very source that a device gets into a shared
//! library in which the threads of a block take turns. `PAD_KERNELS_LIBRARY` names another library with the same functions, such as
//! `.ci/cuda` compiles for a device.
#![expect(unsafe_code, reason = "the compiled kernels are loaded and called")]

mod attention;
mod best;
mod checkpoint;
mod decision;
mod library;
mod low_rank;
mod matmul;
mod memory;
mod norm;
mod random;
mod refusal;
mod rope;
mod runs;
mod segments;
mod step;
