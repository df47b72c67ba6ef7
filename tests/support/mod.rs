//! What several test files share.
#![allow(dead_code)] // each test file uses a part

use ndarray::ArrayD;
use std::path::{Path, PathBuf};

/// A file of the team's `shared` folder: beside the repository, or where `VLUNET_DATA` says.
/// Says so and returns nothing where there is none, for the test to end.
pub fn shared(file: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("VLUNET_DATA").map_or_else(beside, PathBuf::from);
    let path = folder.join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there (set VLUNET_DATA to the team's shared folder)", path.display());
    None
}

/// A file of the reference implementation's numbers.
pub fn golden(file: &str) -> Option<PathBuf> {
    shared(&format!("golden/{file}"))
}

pub fn max_abs_difference(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
