//! The compiled kernels: compiling them, loading them, launching them.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libloading::Library;
use pad_kernels::device::Launch;

const FLAGS: [&str; 7] =
    ["-std=c++17", "-O1", "-fno-strict-aliasing", "-fPIC", "-shared", "-Wno-unknown-pragmas", "-U_FORTIFY_SOURCE"];

type Allocate = unsafe extern "C" fn(usize) -> *mut c_void;
type Release = unsafe extern "C" fn(*mut c_void);
type Run =
    unsafe extern "C" fn(*const c_char, *const c_uint, *const c_uint, *const c_void, usize, c_uint) -> *const c_char;

/// The functions of `cuda/host/library.cpp`.
pub struct Kernels {
    pub allocate: Allocate,
    pub release: Release,
    run: Run,
    pub is_host: bool,
    /// Keeps the functions.
    _library: Library,
}

/// The kernels, compiled when they are first asked for.
pub fn kernels() -> &'static Kernels {
    static KERNELS: OnceLock<Kernels> = OnceLock::new();
    KERNELS.get_or_init(|| {
        let path = std::env::var_os("PAD_KERNELS_LIBRARY").map_or_else(compile, PathBuf::from);
        Kernels::load(&path)
    })
}

/// Every source below `cuda`, in a fixed order.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .collect();
    found.sort();
    found
}

/// Compiles the kernels for the host, unless these very sources were compiled before.
fn compile() -> PathBuf {
    // The tests of `pad-device` have this file, too.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pad-kernels/cuda");
    let mut hash = DefaultHasher::new();
    FLAGS.hash(&mut hash);
    for source in sources(&folder) {
        std::fs::read(source).unwrap().hash(&mut hash);
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = target.join(format!("kernels-{:016x}.so", hash.finish()));
    if !path.exists() {
        let fresh = target.join(format!("kernels-{}.so", std::process::id()));
        let mut compiler = Command::new("c++");
        compiler.args(FLAGS).arg("-o").arg(&fresh).arg(folder.join("host/library.cpp"));
        let output = compiler.output().expect("a C++ compiler named c++");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(fresh, &path).unwrap();
    }
    path
}

impl Kernels {
    fn load(path: &Path) -> Self {
        // SAFETY: the library's initialisers only make a list of its kernels.
        let library = unsafe { Library::new(path) }.unwrap();
        // SAFETY: the types are those of the functions' definitions in library.cpp.
        unsafe {
            let is_host = library.get::<unsafe extern "C" fn() -> c_int>(b"pad_is_host\0").unwrap()() != 0;
            Self {
                allocate: *library.get(b"pad_allocate\0").unwrap(),
                release: *library.get(b"pad_release\0").unwrap(),
                run: *library.get(b"pad_launch\0").unwrap(),
                is_host,
                _library: library,
            }
        }
    }

    /// The orders in which threads take turns that a test goes through: rising, falling, shuffled. A device has its own.
    pub fn orders(&self) -> &'static [Order] {
        if self.is_host { &[Order(0), Order(1), Order(77)] } else { &[Order(0)] }
    }
}

/// How the threads of a block take turns.
#[derive(Clone, Copy, Debug)]
pub struct Order(c_uint);

impl Order {
    /// Runs a kernel to its end; what went wrong, if anything did.
    pub fn try_run(self, launch: &Launch) -> Result<(), String> {
        let name = CString::new(launch.kernel.clone()).unwrap();
        let (threads, bytes) = ([launch.threads, 1, 1], &launch.arguments);
        // SAFETY: the structure's bytes are those that the kernel of this name takes: the library checks the size on the host. The
        // addresses in them come from buffers of the shapes that the launch was made for, whose guards the tests check.
        let message = unsafe {
            (kernels().run)(
                name.as_ptr(),
                launch.grid.as_ptr(),
                threads.as_ptr(),
                bytes.as_ptr().cast(),
                bytes.len(),
                self.0,
            )
        };
        if message.is_null() {
            return Ok(());
        }
        // SAFETY: a message is a string that lives as long as the library.
        Err(unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned())
    }
}
