#![no_main]

#[path = "../bodies/shard.rs"]
mod shard;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shard::body(data));
