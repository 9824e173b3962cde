//! Any text under any stop strings.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pad_fuzz::stops::check(data));
