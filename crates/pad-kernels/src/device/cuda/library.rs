//! Functions of a shared library that is loaded at run time.

use candle_core::{Error, Result};
use libloading::Library;

/// The first of these libraries that is there.
///
/// # Errors
/// `lacking`, and why the last of them cannot be loaded.
pub fn load(names: &[&str], lacking: &str) -> Result<Library> {
    let mut why = String::new();
    for name in names {
        // SAFETY: NVIDIA's libraries may be loaded at any time; their initialisers only prepare the libraries themselves.
        match unsafe { Library::new(*name) } {
            Ok(library) => return Ok(library),
            Err(error) => why = error.to_string(),
        }
    }
    // Without the trace of calls: it is said in one line.
    Err(Error::Msg(format!("{lacking}: {why}")))
}

/// A structure of functions, `name: "symbol"(types of the arguments)`, all of which return a status.
macro_rules! functions {
    ($(#[$doc:meta])* $structure:ident { $($name:ident: $symbol:literal($($argument:ty),*);)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $structure {
            $(pub $name: unsafe extern "C" fn($($argument),*) -> std::ffi::c_int,)*
            /// Keeps the functions.
            _library: libloading::Library,
        }

        impl $structure {
            fn of(library: libloading::Library) -> candle_core::Result<Self> {
                $(
                    // SAFETY: the type is that of the function's declaration in NVIDIA's header.
                    let $name = match unsafe { library.get(concat!($symbol, "\0").as_bytes()) } {
                        Ok(function) => *function,
                        Err(_) => candle_core::bail!(concat!("the library has no function ", $symbol)),
                    };
                )*
                Ok(Self { $($name,)* _library: library })
            }
        }
    };
}
pub(super) use functions;
