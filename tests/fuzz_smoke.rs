//! Thousands of damaged files through the body of each fuzz target: see `fuzz/README.md`.

#[path = "support/bundle.rs"]
mod bundle;
#[path = "support/checkpoint.rs"]
mod checkpoint;
#[path = "../fuzz/bodies/checkpoint.rs"]
mod checkpoint_body;
#[path = "../fuzz/bodies/frame.rs"]
mod frame_body;
#[path = "../fuzz/bodies/manifest.rs"]
mod manifest_body;
#[path = "../fuzz/bodies/picture.rs"]
mod picture_body;
#[cfg(feature = "train")]
#[path = "../fuzz/bodies/recipe.rs"]
mod recipe_body;
#[path = "support/seeds.rs"]
mod seeds;
#[path = "../fuzz/bodies/settings.rs"]
mod settings_body;
#[cfg(feature = "train")]
#[path = "../fuzz/bodies/shard.rs"]
mod shard_body;
#[path = "../fuzz/bodies/update.rs"]
mod update_body;
#[path = "../fuzz/bodies/y4m.rs"]
mod y4m_body;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

const MUTATIONS: u64 = 20_000;

/// Numbers that sizes, lengths, offsets and counts go wrong at.
const ODD: [u32; 11] =
    [0, 1, 0x7F, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x00FF_FFFF, 0x7FFF_FFFF, u32::MAX - 7, u32::MAX];

/// One of the seeds, damaged in a few places.
fn mutated(seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..6) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes.truncate(at),
            3 => {
                let other = &seeds[rng.random_range(0..seeds.len())];
                let from = rng.random_range(0..other.len());
                let length = rng.random_range(0..64).min(other.len() - from);
                let end = (at + rng.random_range(0..64)).min(bytes.len());
                bytes.splice(at..end, other[from..from + length].iter().copied());
            }
            4 => {
                let end = (at + rng.random_range(1..64)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part.repeat(rng.random_range(1..=8)));
            }
            _ => {
                let number = ODD[rng.random_range(0..ODD.len())];
                let number = if rng.random() { number.to_le_bytes() } else { number.to_be_bytes() };
                let width = [2, 4][rng.random_range(0..2)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
        }
    }
    bytes
}

/// Sets the checksums of a tar's headers right, so that damage gets past them.
fn repair_tar(mut bytes: Vec<u8>) -> Vec<u8> {
    for header in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    bytes
}

/// Runs a body on the seeds, which it must take, and on their mutations.
fn assert_survives(seeds: &[Vec<u8>], repair: fn(Vec<u8>) -> Vec<u8>, body: fn(&[u8])) {
    seeds.iter().for_each(|seed| body(seed));
    let start = Instant::now();
    for seed in 0..MUTATIONS {
        let bytes = repair(mutated(seeds, &mut ChaCha8Rng::seed_from_u64(seed)));
        let one = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| body(&bytes)));
        assert!(outcome.is_ok(), "mutation {seed} of {} bytes", bytes.len());
        assert!(one.elapsed() < Duration::from_secs(3), "mutation {seed} took {:?}", one.elapsed());
    }
    println!("{MUTATIONS} mutations in {:?}", start.elapsed());
}

#[test]
fn no_damage_to_a_checkpoint_is_a_panic() {
    assert_survives(&seeds::checkpoints(), |bytes| bytes, checkpoint_body::body);
}

#[test]
fn no_damage_to_a_bundle_is_a_panic() {
    assert_survives(&seeds::bundles(), repair_tar, manifest_body::body);
}

#[test]
fn no_damage_to_a_frame_is_a_panic() {
    assert_survives(&seeds::frames(), |bytes| bytes, frame_body::body);
}

#[test]
fn no_damage_to_a_picture_is_a_panic() {
    assert_survives(&seeds::pictures(), |bytes| bytes, picture_body::body);
}

#[test]
fn no_damage_to_a_video_stream_is_a_panic() {
    assert_survives(&seeds::y4m(), |bytes| bytes, y4m_body::body);
}

#[test]
fn no_damage_to_a_settings_file_is_a_panic() {
    assert_survives(&seeds::settings(), |bytes| bytes, settings_body::body);
}

#[test]
fn no_damage_to_a_signature_or_to_the_notes_on_versions_is_a_panic() {
    assert_survives(&seeds::updates(), |bytes| bytes, update_body::body);
}

#[cfg(feature = "train")]
#[test]
fn no_damage_to_a_shard_is_a_panic() {
    assert_survives(&seeds::shards(), repair_tar, shard_body::body);
}

#[cfg(feature = "train")]
#[test]
fn no_damage_to_a_recipe_is_a_panic() {
    assert_survives(&seeds::recipes(), |bytes| bytes, recipe_body::body);
}
