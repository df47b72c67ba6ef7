//! Reading the small files that a kernel makes.

use std::io::Read;
use std::path::{Path, PathBuf};

/// Longer than any of them.
const MAX_BYTES: u64 = 64 * 1024;

/// A file's text; `None` where it isn't there or can't be read just now, as a sensor that is
/// switched off.
pub(crate) fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file's whole number.
pub(super) fn number(path: &Path) -> Option<i64> {
    text(path)?.trim().parse().ok()
}

/// What lies in a folder under a name that begins so, by name.
pub(crate) fn entries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = found
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .collect();
    paths.sort();
    paths
}
