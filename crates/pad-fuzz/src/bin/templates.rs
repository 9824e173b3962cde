//! Any conversation through any template.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pad_fuzz::templates::check(data));
