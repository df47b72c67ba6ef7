#![no_main]

#[path = "../bodies/y4m.rs"]
mod y4m;

libfuzzer_sys::fuzz_target!(|data: &[u8]| y4m::body(data));
