//! Files and folders of a store: made to last.

use crate::{Error, Result};
use std::fs::File;
use std::path::Path;

/// What is in a folder, sorted; nothing where there is no such folder.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(Error::io("read", folder))?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Waits until what changed in a folder is on the disk.
pub(super) fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("write", folder))
}

/// Makes a folder where there is none, to last.
pub(super) fn make_folder(folder: &Path) -> Result<()> {
    if !folder.is_dir() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        sync(folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// The file of a lock, opened; a process that ends, however it does, lets go of it.
pub(super) fn lock_file(path: &Path) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    file.map_err(Error::io("lock", path))
}
