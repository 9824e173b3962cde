//! The device itself.

use candle_core::Result;
use pad_kernels::device::Executor;

/// What a build with NVIDIA devices has.
#[cfg(feature = "cuda")]
type Inner = std::sync::Arc<pad_kernels::device::CudaDevice>;

/// Without them there is never a device.
#[cfg(not(feature = "cuda"))]
type Inner = std::convert::Infallible;

/// An NVIDIA device with the kernels on it. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Device(Inner);

#[cfg(feature = "cuda")]
impl Device {
    /// Opens a device by its number and compiles the kernels for it.
    ///
    /// # Errors
    /// If there is no driver, no such device, or no compiler.
    pub fn open(number: usize) -> Result<Self> {
        Ok(Self(pad_kernels::device::CudaDevice::open(number)?))
    }

    /// What the device is called.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// A stream of its own for a set of weights.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn queue(&self) -> Result<Box<dyn Executor>> {
        Ok(Box::new(pad_kernels::device::CudaQueue::new(&self.0)?))
    }
}

#[cfg(not(feature = "cuda"))]
impl Device {
    /// Opens a device by its number.
    ///
    /// # Errors
    /// Always: this build has none.
    pub fn open(_number: usize) -> Result<Self> {
        Err(candle_core::Error::Msg("this program was built without the feature `cuda`".to_owned()))
    }

    /// What the device is called.
    pub fn name(&self) -> &str {
        match self.0 {}
    }

    /// A stream of its own for a set of weights.
    ///
    /// # Errors
    /// Never: there is no device.
    pub fn queue(&self) -> Result<Box<dyn Executor>> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_said_in_one_line() {
        // No machine has so many devices.
        let error = Device::open(1 << 20).unwrap_err().to_string();
        let known = ["without the feature `cuda`", "NVIDIA driver", "NVRTC"];
        assert!(known.iter().any(|known| error.contains(known)), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
