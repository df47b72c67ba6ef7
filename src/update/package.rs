//! A bundle that comes from outside, packed or as a folder: nothing of it reaches the disk before
//! its manifest's signature is checked, and then only the files that the manifest names.

use super::disk::sync;
use super::keys::Keys;
use super::signature::Signature;
use crate::bundle::{FileEntry, MANIFEST, MAX_MANIFEST_BYTES, Manifest, SIGNATURE_NAME};
use crate::bundle::{MAX_PACKED_BYTES, MAX_PACKED_FILES, is_plain};
use crate::weights::{brief, hex};
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Bytes that are read, hashed and written at once.
const CHUNK: usize = 1 << 16;

/// A bundle whose signature is right. Its files are still to be checked.
pub(super) struct Package {
    path: PathBuf,
    source: Source,
    pub(super) manifest: Manifest,
    /// The manifest's bytes, as they were signed.
    pub(super) text: Vec<u8>,
    signature: Vec<u8>,
    /// The key that it is signed with.
    pub(super) key: String,
}

/// Its files, open: who unpacks them may have fewer rights than who named them.
enum Source {
    Packed(File),
    Folder(BTreeMap<String, File>),
}

impl Package {
    /// Reads manifest and signature, and checks that one was made for the other.
    ///
    /// # Errors
    /// [`Error::Bundle`] where it can't be trusted, or isn't for this program; [`Error::Io`] where
    /// it can't be read.
    pub(super) fn open(path: &Path, keys: &Keys) -> Result<Self> {
        let fail = |reason: String| bundle_error(path, reason);
        let packed = if path.is_dir() { None } else { Some(open_packed(path)?) };
        let Head { manifest: text, signature } = head(path, packed.as_ref())?;
        let text = text.ok_or_else(|| fail(format!("it has no {MANIFEST}: this is no bundle")))?;
        let signature = signature.unwrap_or_default();
        let parsed = Some(&signature).filter(|bytes| !bytes.is_empty()).map(|bytes| Signature::parse(bytes));
        let parsed = parsed.transpose().map_err(fail)?;
        // Before the manifest is understood: what isn't trusted isn't worth it.
        let (key, comment) = keys.accept(&text, parsed.as_ref()).map_err(fail)?;
        let manifest = Manifest::parse(&text).map_err(fail)?;
        comment.check(&manifest).map_err(fail)?;
        let source = match packed {
            Some(file) => Source::Packed(file),
            None => Source::Folder(open_all(path, &manifest)?),
        };
        Ok(Self { path: path.to_owned(), source, manifest, text, signature, key })
    }

    /// Bytes that it takes on the disk, beside the file system's own.
    pub(super) fn bytes(&self) -> u64 {
        self.files().values().map(|entry| entry.bytes).sum()
    }

    fn files(&self) -> BTreeMap<&str, &FileEntry> {
        self.manifest.entries().map(|entry| (entry.file.as_str(), entry)).collect()
    }

    /// Writes the whole into an empty folder, and to the disk; `done` is called for each file.
    ///
    /// # Errors
    /// [`Error::Bundle`] where a file is missing, altered, not in the manifest, or no plain file;
    /// [`Error::Io`] where it can't be written.
    pub(super) fn unpack(&self, folder: &Path, done: &mut dyn FnMut()) -> Result<()> {
        write(&folder.join(MANIFEST), &self.text)?;
        done();
        write(&folder.join(SIGNATURE_NAME), &self.signature)?;
        done();
        let mut missing = self.files();
        match &self.source {
            Source::Folder(files) => {
                for (name, file) in files {
                    if let Some(entry) = missing.remove(name.as_str()) {
                        self.copy(file, entry, folder)?;
                        done();
                    }
                }
            }
            Source::Packed(file) => each_file(&self.path, file, |name, file| {
                if [MANIFEST, SIGNATURE_NAME].contains(&name) {
                    return Ok(());
                }
                let entry = missing.remove(name).ok_or_else(|| {
                    bundle_error(&self.path, format!("{name:?} is there twice, or not in its manifest"))
                })?;
                self.copy(file, entry, folder)?;
                done();
                Ok(())
            })?,
        }
        match missing.keys().next() {
            Some(name) => Err(bundle_error(&self.path, format!("{name} is missing: get the bundle again"))),
            None => sync(folder),
        }
    }

    /// Writes one file of the manifest, and not a byte more than that says.
    fn copy(&self, mut from: impl Read, entry: &FileEntry, folder: &Path) -> Result<()> {
        let path = folder.join(&entry.file);
        // Those between, from the inmost on.
        let parents = || path.ancestors().skip(1).take_while(|parent| *parent != folder);
        if let Some(parent) = parents().next() {
            std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        let altered = |found: String| {
            bundle_error(
                &self.path,
                format!(
                    "{} is not the file that the manifest describes ({found}): get the bundle again",
                    entry.file
                ),
            )
        };
        let mut file = File::create_new(&path).map_err(Error::io("create", &path))?;
        let (mut hash, mut buffer, mut bytes) = (Sha256::new(), vec![0; CHUNK], 0_u64);
        loop {
            let read = from.read(&mut buffer).map_err(Error::io("read", &self.path))?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
            bytes += read as u64;
            if bytes > entry.bytes {
                return Err(altered(format!("it is larger than {} bytes", entry.bytes)));
            }
            hash.update(chunk);
            file.write_all(chunk).map_err(Error::io("write", &path))?;
        }
        let found = hex(&hash.finalize());
        if bytes != entry.bytes || found != entry.sha256 {
            return Err(altered(format!("SHA-256 {found}, {bytes} bytes")));
        }
        file.sync_all().map_err(Error::io("write", &path))?;
        parents().try_for_each(sync)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create_new(path).map_err(Error::io("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", path))
}

/// A manifest's bytes and those of its signature, as far as they are there.
#[derive(Default)]
struct Head {
    manifest: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
}

fn head(path: &Path, packed: Option<&File>) -> Result<Head> {
    let mut head = Head::default();
    let mut take = |name: &str, file: &mut dyn Read| {
        let (place, limit) = match name {
            MANIFEST => (&mut head.manifest, MAX_MANIFEST_BYTES),
            SIGNATURE_NAME => (&mut head.signature, super::signature::MAX_BYTES as u64),
            _ => return Ok(()),
        };
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        if bytes.len() as u64 > limit {
            return Err(bundle_error(path, format!("{name} is larger than the {limit} bytes it may have")));
        }
        if place.replace(bytes).is_some() {
            return Err(bundle_error(path, format!("{name} is there twice")));
        }
        Ok(())
    };
    if let Some(packed) = packed {
        each_file(path, packed, |name, file| take(name, file))?;
    } else {
        for name in [MANIFEST, SIGNATURE_NAME] {
            match open_plain(path, name) {
                Ok(mut file) => take(name, &mut file)?,
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(head)
}

/// The files that a manifest names, in a folder.
fn open_all(folder: &Path, manifest: &Manifest) -> Result<BTreeMap<String, File>> {
    let open = |entry: &FileEntry| Ok((entry.file.clone(), open_plain(folder, &entry.file)?));
    manifest.entries().map(open).collect()
}

/// A file in a folder. Opening a pipe or a device could block; a link may lead anywhere.
fn open_plain(folder: &Path, name: &str) -> Result<File> {
    let path = folder.join(name);
    let metadata = std::fs::symlink_metadata(&path).map_err(Error::io("read", &path))?;
    if !metadata.is_file() {
        return Err(bundle_error(folder, format!("{name:?} is no plain file")));
    }
    File::open(&path).map_err(Error::io("read", &path))
}

fn open_packed(path: &Path) -> Result<File> {
    let metadata = std::fs::metadata(path).map_err(Error::io("open", path))?;
    if !metadata.is_file() {
        return Err(bundle_error(path, "it is neither a folder nor a .vlu file".into()));
    }
    File::open(path).map_err(Error::io("open", path))
}

/// Calls `visit` for every file of a packed bundle, which holds plain files alone.
fn each_file(
    path: &Path,
    mut file: &File,
    mut visit: impl FnMut(&str, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let unreadable = |e: std::io::Error| {
        bundle_error(path, format!("it is no .vlu file (a tar), or cut short: {}", brief(e)))
    };
    let metadata = file.metadata().map_err(Error::io("read", path))?;
    if metadata.len() > MAX_PACKED_BYTES {
        return Err(bundle_error(path, format!("it is larger than {MAX_PACKED_BYTES} bytes")));
    }
    file.rewind().map_err(Error::io("read", path))?;
    let mut archive = tar::Archive::new(file.take(MAX_PACKED_BYTES));
    // Raw: a header that lends the next one a longer name would be read whole, however long.
    for (index, entry) in archive.entries().map_err(unreadable)?.raw(true).enumerate() {
        let mut entry = entry.map_err(unreadable)?;
        let name = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
        if !entry.header().entry_type().is_file() || !is_plain(&name) {
            return Err(bundle_error(path, format!("{name:?} is no plain file")));
        }
        if index == MAX_PACKED_FILES {
            return Err(bundle_error(path, format!("it holds more than {MAX_PACKED_FILES} files")));
        }
        if entry.size() > metadata.len() {
            return Err(bundle_error(path, format!("{name:?} is cut short")));
        }
        visit(&name, &mut entry)?;
    }
    Ok(())
}

fn bundle_error(path: &Path, reason: String) -> Error {
    Error::Bundle { bundle: path.display().to_string(), reason }
}
