//! NVIDIA devices: the driver and its compiler are loaded when a device is opened, so that a program with this starts without either.

mod driver;
mod library;
mod nvrtc;
mod queue;

pub use queue::{CudaDevice, CudaQueue};
