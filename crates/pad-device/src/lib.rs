//! A set of weights on a device, with its cache: [`pad_model::LaneModel`] by the kernels in CUDA C++.
//!
//! A [`DeviceModel`] is what a checkpoint gives, uploaded as the file stores it or rounded to 16 bits; [`DeviceLanes`] is that with a KV cache
//! and value heads. A step is a list of launches, made on the host and run in order by an [`pad_kernels::device::Executor`]; nothing waits
//! for the device until logits or states are read. All memory but that of weights and cache is used again in each step, and grows where a
//! step needs more.
//!
//! | piece | what it does |
//! |---|---|
//! | [`Device`] | a device, and streams of work on it |
//! | [`DeviceModel`] | weights, norms, rotations, adapters in the device's memory |
//! | [`DeviceLanes`] | runs chunks, keeps hidden states, reads logits |
//!
//! What it does not do is refused when it is loaded: mixtures of experts, and `Dtype::Q4`. Keys and values are in half precision, or in
//! single with `Dtype::F32`.

mod activations;
mod adapter;
mod attention;
mod device;
mod heads;
mod lanes;
mod layer;
mod loader;
mod matrix;
mod model;
mod queue;
mod read_plan;
mod reading;
mod shape;
mod step_rows;
mod upload;

pub use device::Device;
pub use lanes::DeviceLanes;
pub use model::DeviceModel;
