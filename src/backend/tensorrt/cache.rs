//! Plans kept on disk, of the user's own alone: a plan is code that the GPU runs.

use super::Key;
use crate::{Error, Result};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use std::env;
use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A file begins with this, its key, the number of bytes that follow the head, and their SHA-256.
const MAGIC: &[u8; 8] = b"vlutrt\0\x01";
const HEAD: usize = MAGIC.len() + 32 + 8 + 32;

/// Plans are some hundreds of megabytes at most.
const LONGEST: u64 = 4 << 30;

/// Write permission of the group and of all.
const OTHERS_WRITE: Mode = Mode::WGRP.union(Mode::WOTH);

/// A folder of plans.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// Why the cache gives no plan; it is to be built then.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unusable {
    /// There is none yet.
    Missing,
    /// Somebody else could have written it.
    Foreign(String),
    /// It isn't as it was written, or for something else.
    Corrupt(String),
    /// The system doesn't let it be read.
    Unreadable(Error),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no engine for this model, size, GPU and TensorRT is in the cache"),
            Self::Foreign(why) => write!(f, "the cached engine isn't trusted: {why}"),
            Self::Corrupt(why) => write!(f, "the cached engine is damaged: {why}"),
            Self::Unreadable(error) => write!(f, "the cached engine can't be read: {error}"),
        }
    }
}

impl std::error::Error for Unusable {}

impl Cache {
    /// `$XDG_CACHE_HOME/vlunet/tensorrt`, or `~/.cache/vlunet/tensorrt`.
    ///
    /// # Errors
    /// [`Error::Input`] where neither is set.
    pub fn open() -> Result<Self> {
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .ok_or_else(|| Error::Input("set XDG_CACHE_HOME or HOME: engines are kept there".into()))?;
        Ok(Self::at(&base.join("vlunet").join("tensorrt")))
    }

    /// A folder of the caller's choice, made when it is needed.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of a key, whether it is there or not.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(key.file_name())
    }

    /// The plan of a key, if it is whole and nobody else could have written it.
    ///
    /// # Errors
    /// Why there is none to be used.
    pub fn get(&self, key: &Key) -> Result<Vec<u8>, Unusable> {
        let name = key.file_name();
        // The folder is opened first and asked what it is, so that it can't be exchanged meanwhile.
        let only_that = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let folder = fs::open(&self.folder, only_that | OFlags::DIRECTORY, Mode::empty())
            .map_err(|e| unreadable(e, &self.folder))?;
        let stat = fs::fstat(&folder).map_err(|e| unreadable(e, &self.folder))?;
        is_own(&stat, FileType::Directory).map_err(|why| Unusable::Foreign(format!("its folder {why}")))?;
        let path = self.path(key);
        // NONBLOCK, as a pipe would wait for who writes it.
        let file = fs::openat(&folder, &name, only_that | OFlags::NONBLOCK, Mode::empty())
            .map_err(|e| unreadable(e, &path))?;
        let stat = fs::fstat(&file).map_err(|e| unreadable(e, &path))?;
        is_own(&stat, FileType::RegularFile).map_err(|why| Unusable::Foreign(format!("its file {why}")))?;
        let length = u64::try_from(stat.st_size).unwrap_or(0);
        read(File::from(file), length, key).map_err(|e| match e {
            Broken::Io(e) => Unusable::Unreadable(Error::io("read", &path)(e)),
            Broken::Content(why) => Unusable::Corrupt(why.into()),
        })
    }

    /// Keeps a plan, for this user alone; the file is whole or not there.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder or the file can't be written; [`Error::Input`] where the folder
    /// isn't the user's own.
    pub fn put(&self, key: &Key, plan: &[u8]) -> Result<()> {
        let folder = &self.folder;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(Error::io("create the folder", folder))?;
        let stat = fs::statat(fs::CWD, folder, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| Error::io("read", folder)(e.into()))?;
        is_own(&stat, FileType::Directory)
            .map_err(|why| Error::Input(format!("no engine is kept in {}: it {why}", folder.display())))?;

        let path = self.path(key);
        // Of mode 0600, as tempfile makes them.
        let mut file = tempfile::Builder::new()
            .prefix(".vlunet-")
            .tempfile_in(folder)
            .map_err(Error::io("create a file in", folder))?;
        let written = [head(key, plan).as_slice(), plan]
            .iter()
            .try_for_each(|bytes| file.write_all(bytes))
            .and_then(|()| file.as_file().sync_all());
        written.map_err(Error::io("write", &path))?;
        file.persist(&path).map_err(|e| Error::io("create", &path)(e.error))?;
        Ok(())
    }

    /// Removes what is kept under a key, if it is there.
    ///
    /// # Errors
    /// [`Error::Io`] where it is there and stays.
    pub fn remove(&self, key: &Key) -> Result<()> {
        let path = self.path(key);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &path)(e)),
            _ => Ok(()),
        }
    }
}

fn unreadable(error: rustix::io::Errno, path: &Path) -> Unusable {
    match error {
        rustix::io::Errno::NOENT => Unusable::Missing,
        // By NOFOLLOW, of a symbolic link.
        rustix::io::Errno::LOOP => Unusable::Foreign(format!("{} is a symbolic link", path.display())),
        error => Unusable::Unreadable(Error::io("open", path)(error.into())),
    }
}

/// Whether it is of that kind and nobody but this user could write it; else why not.
fn is_own(stat: &Stat, kind: FileType) -> Result<(), String> {
    let mode = Mode::from_raw_mode(stat.st_mode);
    if FileType::from_raw_mode(stat.st_mode) != kind {
        return Err(format!("isn't a {}", if kind == FileType::Directory { "folder" } else { "plain file" }));
    }
    let user = geteuid().as_raw();
    if stat.st_uid != user {
        return Err(format!("belongs to user {}, not to {user}", stat.st_uid));
    }
    if mode.intersects(OTHERS_WRITE) {
        return Err(format!("may be written by others (mode {:o})", mode.bits()));
    }
    Ok(())
}

fn head(key: &Key, plan: &[u8]) -> Vec<u8> {
    let length = (plan.len() as u64).to_le_bytes();
    let hash: [u8; 32] = Sha256::digest(plan).into();
    [MAGIC.as_slice(), &key.digest, &length, &hash].concat()
}

enum Broken {
    Io(io::Error),
    Content(&'static str),
}

fn read(mut file: File, length: u64, key: &Key) -> Result<Vec<u8>, Broken> {
    let Some(body) = length.checked_sub(HEAD as u64).filter(|body| *body <= LONGEST) else {
        return Err(Broken::Content("it is shorter or longer than any"));
    };
    let mut found = [0; HEAD];
    file.read_exact(&mut found).map_err(Broken::Io)?;
    let (magic, rest) = found.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(Broken::Content("it is of another format"));
    }
    if !rest.starts_with(&key.digest) {
        return Err(Broken::Content("it is of another key"));
    }
    let mut plan = Vec::new();
    plan.try_reserve_exact(body as usize).map_err(|_| Broken::Content("it is larger than the memory"))?;
    file.take(body).read_to_end(&mut plan).map_err(Broken::Io)?;
    if head(key, &plan) != found {
        return Err(Broken::Content("its content has changed"));
    }
    Ok(plan)
}

#[cfg(test)]
#[path = "cache/tests.rs"]
mod tests;
