//! The files of a bundle: in a folder, in a tar, or in memory.

use crate::weights::brief;
use crate::{Error, Result};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// More files than any bundle has.
pub(crate) const MAX_FILES: usize = 64;

/// No bundle is larger than the full network with its VLM head in all formats.
pub(crate) const MAX_BYTES: u64 = 4 << 30;

/// Where the files of a bundle are.
pub(super) enum Files {
    Folder(PathBuf),
    Memory(BTreeMap<String, Cow<'static, [u8]>>),
}

impl Files {
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            // Followed once: a link that is switched to another bundle (an update) must not mix
            // the files of both.
            let folder = if path.is_symlink() { path.canonicalize() } else { Ok(path.to_owned()) };
            return folder.map(Self::Folder).map_err(Error::io("open", path));
        }
        let file = File::open(path).map_err(Error::io("open", path))?;
        Self::from_archive(file, &path.display().to_string())
    }

    pub(super) fn from_archive(tar: impl Read, origin: &str) -> Result<Self> {
        let fail = |reason: String| Error::Bundle { bundle: origin.into(), reason };
        let unreadable = |e: std::io::Error| fail(format!("it is no .vlu file (a tar): {}", brief(e)));
        let mut files = BTreeMap::new();
        let mut archive = tar::Archive::new(tar.take(MAX_BYTES));
        for entry in archive.entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            let path = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
            if !entry.header().entry_type().is_file() || !is_plain(&path) {
                return Err(fail(format!("{path:?} is no plain file")));
            }
            if files.len() == MAX_FILES {
                return Err(fail(format!("it holds more than {MAX_FILES} files")));
            }
            let size = entry.size();
            let mut bytes = Vec::new();
            // Grows with what is there, whatever the header claims.
            entry.read_to_end(&mut bytes).map_err(unreadable)?;
            if bytes.len() as u64 != size {
                return Err(fail(format!("{path:?} is cut short: {} of {size} bytes", bytes.len())));
            }
            if files.contains_key(&path) {
                return Err(fail(format!("{path:?} is there twice")));
            }
            files.insert(path, bytes.into());
        }
        if files.is_empty() {
            return Err(fail(
                "it is no bundle: neither a folder with a manifest.toml nor a .vlu file".into(),
            ));
        }
        Ok(Self::Memory(files))
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Memory(files) => files.contains_key(name),
            Self::Folder(folder) => folder.join(name).exists(),
        }
    }

    /// A file of at most `limit` bytes; what is compiled into the program is not copied.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Cow<'static, [u8]>> {
        let too_large = || Error::Input(format!("{name} is larger than the {limit} bytes it may have"));
        match self {
            Self::Memory(files) => {
                let bytes = files.get(name).ok_or_else(|| Error::Input(format!("{name} is missing")))?;
                if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes.clone()) }
            }
            Self::Folder(folder) => {
                let path = folder.join(name);
                // Opening a pipe or a device could block or never end.
                let metadata = std::fs::metadata(&path).map_err(Error::io("open", &path))?;
                if !metadata.is_file() {
                    return Err(Error::Input(format!("{name} is no plain file")));
                }
                let file = File::open(&path).map_err(Error::io("open", &path))?;
                let mut bytes = Vec::new();
                file.take(limit.saturating_add(1))
                    .read_to_end(&mut bytes)
                    .map_err(Error::io("read", &path))?;
                if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(Cow::Owned(bytes)) }
            }
        }
    }
}

/// Whether a path stays within the bundle.
pub(crate) fn is_plain(path: &str) -> bool {
    let path = Path::new(path);
    path.file_name().is_some() && path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// A tar of these files, without times and owners.
pub(super) fn to_archive<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let fail = |e: std::io::Error| Error::Input(format!("cannot make a .vlu file: {e}"));
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        builder.append_data(&mut header, name, bytes).map_err(fail)?;
    }
    builder.into_inner().map_err(fail)
}
