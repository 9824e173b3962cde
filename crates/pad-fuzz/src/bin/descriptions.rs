//! Any description of a reward model or a tokenizer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pad_fuzz::descriptions::check(data));
