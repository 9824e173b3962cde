//! A device, and a stream of work on it.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::sync::Arc;

use candle_core::{Error, Result};

use super::driver::{Driver, Handle};
use super::nvrtc;
use crate::device::{Address, Executor, Launch};

/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`.
const CAPABILITY: [c_int; 2] = [75, 76];

/// `CU_STREAM_NON_BLOCKING`.
const NON_BLOCKING: u32 = 1;

/// A device with the kernels on it. It stays open until the process ends.
pub struct CudaDevice {
    driver: Driver,
    context: Handle,
    module: Handle,
    name: String,
}

// SAFETY: the driver's functions may be called from any thread; a context and a module are names of things that the driver guards.
unsafe impl Send for CudaDevice {}
// SAFETY: as above.
unsafe impl Sync for CudaDevice {}

impl fmt::Debug for CudaDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CudaDevice").field("name", &self.name).finish_non_exhaustive()
    }
}

impl CudaDevice {
    /// Opens a device by its number and compiles the kernels for it.
    ///
    /// # Errors
    /// If there is no driver, no such device, or no compiler.
    pub fn open(number: usize) -> Result<Arc<Self>> {
        let driver = Driver::load()?;
        let (mut device, mut context, mut module) = (0, std::ptr::null_mut(), std::ptr::null_mut());
        let (mut name, mut capability) = ([0_u8; 128], [0; 2]);
        let wanted = c_int::try_from(number).unwrap_or(c_int::MAX);
        // SAFETY: each call stores what it finds in variables of the type that it has there; the name gets as many bytes as there are.
        unsafe {
            driver.check(&format!("to find device {number}"), (driver.device)(&raw mut device, wanted))?;
            let bytes = name.len() as c_int - 1;
            driver.check("to name the device", (driver.name)(name.as_mut_ptr().cast::<c_char>(), bytes, device))?;
            for (attribute, value) in CAPABILITY.into_iter().zip(&mut capability) {
                driver.check("to say what the device can", (driver.attribute)(value, attribute, device))?;
            }
            driver.check("to open the device", (driver.retain)(&raw mut context, device))?;
            driver.check("to use the device", (driver.set_current)(context))?;
        }
        let code = nvrtc::compile(capability[0] * 10 + capability[1])?;
        // SAFETY: the code ends with 0, and the call copies it.
        driver.check("to load the kernels", unsafe { (driver.module)(&raw mut module, code.as_ptr().cast()) })?;
        let name =
            CStr::from_bytes_until_nul(&name).map_or_else(|_| String::new(), |name| name.to_string_lossy().into());
        Ok(Arc::new(Self { driver, context, module, name }))
    }

    /// What the device is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The driver, for a call from this thread.
    fn ready(&self) -> Result<&Driver> {
        // SAFETY: the context was retained when the device was opened.
        self.driver.check("to use the device", unsafe { (self.driver.set_current)(self.context) })?;
        Ok(&self.driver)
    }
}

/// A stream of a device: two of them run side by side.
pub struct CudaQueue {
    device: Arc<CudaDevice>,
    stream: Handle,
    /// Kernels that were launched before.
    functions: HashMap<String, Handle>,
}

// SAFETY: a stream and a function are names of things that the driver guards; one thread at a time has the queue.
unsafe impl Send for CudaQueue {}

impl fmt::Debug for CudaQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CudaQueue").field("device", &self.device).finish_non_exhaustive()
    }
}

impl CudaQueue {
    /// An empty stream.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn new(device: &Arc<CudaDevice>) -> Result<Self> {
        let (driver, mut stream) = (device.ready()?, std::ptr::null_mut());
        // SAFETY: the stream is stored in a variable of its type.
        driver.check("to make a stream", unsafe { (driver.stream)(&raw mut stream, NON_BLOCKING) })?;
        Ok(Self { device: Arc::clone(device), stream, functions: HashMap::new() })
    }

    fn function(&mut self, kernel: &str) -> Result<Handle> {
        if let Some(function) = self.functions.get(kernel) {
            return Ok(*function);
        }
        let (name, mut function) = (CString::new(kernel).map_err(Error::wrap)?, std::ptr::null_mut());
        let driver = &self.device.driver;
        // SAFETY: the name ends with 0; the function is stored in a variable of its type.
        let status = unsafe { (driver.function)(&raw mut function, self.device.module, name.as_ptr()) };
        driver.check(&format!("to find kernel {kernel}"), status)?;
        self.functions.insert(kernel.to_owned(), function);
        Ok(function)
    }
}

impl Executor for CudaQueue {
    fn allocate(&mut self, bytes: usize) -> Result<Address> {
        let (driver, mut address) = (self.device.ready()?, 0);
        // SAFETY: the address is stored in a variable of its type.
        let status = unsafe { (driver.allocate)(&raw mut address, bytes.max(1)) };
        driver.check(&format!("to allocate {} MiB", bytes >> 20), status)?;
        Ok(Address(address))
    }

    fn release(&mut self, memory: Address) -> Result<()> {
        let driver = self.device.ready()?;
        // SAFETY: the stream is the queue's own; the memory came from `allocate`, and nothing in the stream uses it any more.
        driver.check("to release memory", unsafe {
            match (driver.synchronise)(self.stream) {
                0 => (driver.release)(memory.0),
                failed => failed,
            }
        })
    }

    fn write(&mut self, to: Address, bytes: &[u8]) -> Result<()> {
        let driver = self.device.ready()?;
        // SAFETY: the bytes are there; from memory that is not pinned the driver takes them before it returns.
        let status = unsafe { (driver.to_device)(to.0, bytes.as_ptr().cast(), bytes.len(), self.stream) };
        driver.check("to write", status)
    }

    fn copy(&mut self, from: Address, to: Address, bytes: usize) -> Result<()> {
        let driver = self.device.ready()?;
        // SAFETY: addresses of the device only: the driver refuses those that it has not allocated.
        driver.check("to copy", unsafe { (driver.within)(to.0, from.0, bytes, self.stream) })
    }

    fn launch(&mut self, launch: &Launch) -> Result<()> {
        let [x, y, z] = launch.grid;
        self.device.ready()?;
        let function = self.function(&launch.kernel)?;
        let driver = &self.device.driver;
        // Structures of arguments are aligned as addresses are.
        let mut words: Vec<u64> = launch
            .arguments
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()))
            .collect();
        let mut parameters = [words.as_mut_ptr().cast()];
        // SAFETY: the kernel of this name takes one structure, whose bytes these are, and the driver copies it before it returns.
        let status = unsafe {
            (driver.launch)(
                function,
                x,
                y,
                z,
                launch.threads,
                1,
                1,
                0,
                self.stream,
                parameters.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        };
        driver.check(&format!("to launch {}", launch.kernel), status)
    }

    fn read(&mut self, from: Address, bytes: &mut [u8]) -> Result<()> {
        let driver = self.device.ready()?;
        // SAFETY: as many bytes are there to be written, and they are not looked at before the stream is done.
        let status = unsafe { (driver.to_host)(bytes.as_mut_ptr().cast(), from.0, bytes.len(), self.stream) };
        driver.check("to read", status)?;
        // SAFETY: the stream is the queue's own.
        driver.check("in a step", unsafe { (driver.synchronise)(self.stream) })
    }

    fn free(&mut self) -> Option<usize> {
        let (driver, mut free, mut all) = (self.device.ready().ok()?, 0, 0);
        // SAFETY: both numbers are stored in variables of their type.
        (unsafe { (driver.memory)(&raw mut free, &raw mut all) } == 0).then_some(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_device_says_so_in_one_line() {
        // Where there is a device, it is one that can be used.
        match CudaDevice::open(0) {
            Ok(device) => assert!(CudaQueue::new(&device).unwrap().free().is_some()),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("NVIDIA driver") || error.contains("NVRTC"), "{error}");
                assert_eq!(error.lines().count(), 1, "{error}");
            }
        }
    }
}
