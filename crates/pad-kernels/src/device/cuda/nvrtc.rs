//! NVIDIA's compiler as a library.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

use candle_core::{Error, Result, bail};

use super::library::{functions, load};
use crate::device::source::{INCLUDED, PROGRAM};

functions! {
    /// Those of `libnvrtc` that are used, as `nvrtc.h` declares them.
    Compiler {
        create: "nvrtcCreateProgram"(
            *mut *mut c_void, *const c_char, *const c_char, c_int, *const *const c_char, *const *const c_char
        );
        compile: "nvrtcCompileProgram"(*mut c_void, c_int, *const *const c_char);
        code_size: "nvrtcGetPTXSize"(*mut c_void, *mut usize);
        code: "nvrtcGetPTX"(*mut c_void, *mut c_char);
        log_size: "nvrtcGetProgramLogSize"(*mut c_void, *mut usize);
        log: "nvrtcGetProgramLog"(*mut c_void, *mut c_char);
        destroy: "nvrtcDestroyProgram"(*mut *mut c_void);
    }
}

/// Text as C has it.
fn text(text: &str) -> Result<CString> {
    CString::new(text).map_err(Error::wrap)
}

/// The kernels' PTX for devices of a compute capability such as 90, with the 0 at its end.
///
/// # Errors
/// If there is no compiler, or what it says about the source.
pub fn compile(capability: c_int) -> Result<Vec<u8>> {
    let libraries = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];
    let compiler = Compiler::of(load(&libraries, "there is no NVRTC, which compiles the kernels for the device")?)?;
    let names: Vec<CString> = INCLUDED.iter().map(|(name, _)| text(name)).collect::<Result<_>>()?;
    let files: Vec<CString> = INCLUDED.iter().map(|(_, file)| text(file)).collect::<Result<_>>()?;
    let addresses = |texts: &[CString]| texts.iter().map(|text| text.as_ptr()).collect::<Vec<_>>();
    let program_text = text(PROGRAM)?;
    let mut program = ptr::null_mut();
    // SAFETY: all texts end with 0 and live until the call returns, which copies them; there are as many names as files.
    let status = unsafe {
        (compiler.create)(
            &raw mut program,
            program_text.as_ptr(),
            c"kernels.cu".as_ptr(),
            INCLUDED.len() as c_int,
            addresses(&files).as_ptr(),
            addresses(&names).as_ptr(),
        )
    };
    if status != 0 {
        bail!("NVRTC does not take the kernels: status {status}")
    }
    let architecture = text(&format!("--gpu-architecture=compute_{capability}"))?;
    let options = [c"--std=c++17".as_ptr(), architecture.as_ptr()];
    // SAFETY: the program was created above; the options end with 0 and live until the call returns.
    let status = unsafe { (compiler.compile)(program, options.len() as c_int, options.as_ptr()) };
    let (size, take) =
        if status == 0 { (compiler.code_size, compiler.code) } else { (compiler.log_size, compiler.log) };
    let mut bytes = 0;
    // SAFETY: the program was created above, and the size is stored where it is asked for.
    let sized = unsafe { size(program, &raw mut bytes) };
    let mut found = vec![0_u8; bytes];
    // SAFETY: the buffer has as many bytes as the library said that it writes.
    let read = unsafe { take(program, found.as_mut_ptr().cast()) };
    // SAFETY: the program is not used again.
    unsafe { (compiler.destroy)(&raw mut program) };
    if status != 0 || sized != 0 || read != 0 {
        bail!("NVRTC does not compile the kernels: status {status}: {}", String::from_utf8_lossy(&found))
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_compile_where_there_is_a_compiler() {
        match compile(80) {
            Ok(code) => {
                let code = String::from_utf8_lossy(&code);
                assert!(code.contains(".target sm_80") && code.ends_with('\0'));
                for kernel in ["rms_norm_f32_f32", "matmul_q4k_8", "prefill_128", "best_tokens", "attend_f16_4_4"] {
                    assert!(code.contains(&format!(".entry {kernel}(")), "{kernel}");
                }
            }
            Err(error) => {
                let error = error.to_string();
                assert!(error.starts_with("there is no NVRTC") && error.lines().count() == 1, "{error}");
            }
        }
    }
}
