#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| provost_fuzz::path(text));
