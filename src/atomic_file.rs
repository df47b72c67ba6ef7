//! Files that appear whole or not at all.

use crate::{Error, Result};
use std::io::{BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// Writes `path` through a temporary file in the same folder, which takes the final name only
/// when `write` has succeeded and the data has reached the disk.
///
/// An error (a full disk, say) leaves whatever was at `path` before, and no partial file.
///
/// # Errors
/// [`Error::Io`] where the file can't be created, written, synced or renamed, and whatever
/// `write` returns.
pub fn write(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> Result<()>,
) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".vlunet-")
        .permissions_like_a_new_file()
        .tempfile_in(folder)
        .map_err(Error::io("create a file in", folder))?;
    let mut buffered = BufWriter::new(&mut file);
    write(&mut buffered)?;
    buffered.flush().map_err(Error::io("write", path))?;
    drop(buffered);
    file.as_file().sync_all().map_err(Error::io("write", path))?;
    file.persist(path).map_err(|e| Error::io("create", path)(e.error))?;
    Ok(())
}

/// [`write()`] for bytes at hand.
///
/// # Errors
/// As [`write()`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, |file| file.write_all(bytes).map_err(Error::io("write", path)))
}

/// `tempfile` makes files for their owner alone; an output is for whoever the umask allows.
trait PermissionsLikeANewFile {
    fn permissions_like_a_new_file(&mut self) -> &mut Self;
}

impl PermissionsLikeANewFile for tempfile::Builder<'_, '_> {
    #[cfg(unix)]
    fn permissions_like_a_new_file(&mut self) -> &mut Self {
        use std::os::unix::fs::PermissionsExt;
        // The process's umask is applied on top when the file is opened.
        self.permissions(std::fs::Permissions::from_mode(0o666))
    }

    #[cfg(not(unix))]
    fn permissions_like_a_new_file(&mut self) -> &mut Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.bin");
        write_bytes(&path, b"old").unwrap();
        let result = write(&path, |file| {
            file.write_all(b"half of the new").unwrap();
            Err(Error::Input("the disk is full".into()))
        });
        assert!(result.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
