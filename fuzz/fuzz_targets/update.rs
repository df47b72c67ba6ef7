#![no_main]

#[path = "../bodies/update.rs"]
mod update;

libfuzzer_sys::fuzz_target!(|data: &[u8]| update::body(data));
