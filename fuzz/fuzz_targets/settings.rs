#![no_main]

#[path = "../bodies/settings.rs"]
mod settings;

libfuzzer_sys::fuzz_target!(|data: &[u8]| settings::body(data));
