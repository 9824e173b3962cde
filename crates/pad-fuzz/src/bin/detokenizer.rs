//! Any tokens as text.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pad_fuzz::detokenizer::check(data));
