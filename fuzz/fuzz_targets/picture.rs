#![no_main]

#[path = "../bodies/picture.rs"]
mod picture;

libfuzzer_sys::fuzz_target!(|data: &[u8]| picture::body(data));
