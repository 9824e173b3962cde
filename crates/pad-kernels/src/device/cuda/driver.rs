//! The driver's functions.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;

use candle_core::{Error, Result};

use super::library::{functions, load};

/// What the driver calls a context, a stream, a module or a function: a pointer of its own.
pub type Handle = *mut c_void;

functions! {
    /// Those of `libcuda` that are used, as `cuda.h` declares them.
    Driver {
        init: "cuInit"(c_uint);
        error_string: "cuGetErrorString"(c_int, *mut *const c_char);
        device: "cuDeviceGet"(*mut c_int, c_int);
        name: "cuDeviceGetName"(*mut c_char, c_int, c_int);
        attribute: "cuDeviceGetAttribute"(*mut c_int, c_int, c_int);
        retain: "cuDevicePrimaryCtxRetain"(*mut Handle, c_int);
        set_current: "cuCtxSetCurrent"(Handle);
        stream: "cuStreamCreate"(*mut Handle, c_uint);
        synchronise: "cuStreamSynchronize"(Handle);
        module: "cuModuleLoadData"(*mut Handle, *const c_void);
        function: "cuModuleGetFunction"(*mut Handle, Handle, *const c_char);
        allocate: "cuMemAlloc_v2"(*mut u64, usize);
        release: "cuMemFree_v2"(u64);
        memory: "cuMemGetInfo_v2"(*mut usize, *mut usize);
        to_device: "cuMemcpyHtoDAsync_v2"(u64, *const c_void, usize, Handle);
        to_host: "cuMemcpyDtoHAsync_v2"(*mut c_void, u64, usize, Handle);
        within: "cuMemcpyDtoDAsync_v2"(u64, u64, usize, Handle);
        launch: "cuLaunchKernel"(
            Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void, *mut *mut c_void
        );
    }
}

impl Driver {
    /// Loads it and makes it ready.
    ///
    /// # Errors
    /// If there is none, or no device.
    pub fn load() -> Result<Self> {
        let driver = Self::of(load(&["libcuda.so.1", "libcuda.so", "nvcuda.dll"], "there is no NVIDIA driver")?)?;
        // SAFETY: 0 is the only flag that is allowed.
        driver.check("to start", unsafe { (driver.init)(0) })?;
        Ok(driver)
    }

    /// Refuses a status that is not success; `what` was tried.
    ///
    /// # Errors
    /// What the driver says about it.
    pub fn check(&self, what: &str, status: c_int) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        let mut text: *const c_char = ptr::null();
        // SAFETY: the driver stores the address of a string that lives as long as it does, or null for a status that it does not know.
        unsafe { (self.error_string)(status, &raw mut text) };
        if text.is_null() {
            return Err(Error::Msg(format!("the NVIDIA driver failed {what}: status {status}")));
        }
        // SAFETY: not null, as said above.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
        Err(Error::Msg(format!("the NVIDIA driver failed {what}: {text}")))
    }
}
