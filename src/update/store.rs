//! Where installed models lie, and which of them is the current one.
//!
//! ```text
//! /var/lib/vlunet/models/
//!   nano/                      a slot: one model in its versions
//!     1.2.0-3f9ac2d1b0aa/      an entry: a whole bundle, by version and hash of its manifest
//!     1.1.0-aa00bb11cc22/
//!     current -> 1.2.0-…       what runs; switched by one rename
//!     previous -> 1.1.0-…      the last good one
//!     state.toml               probation, versions that failed, the highest one ever confirmed
//! ```

use super::disk::{lock_file, make_folder, names_in, sync};
use super::owner::AsOwner;
use super::state::State;
use crate::bundle::{Bundle, Manifest};
use crate::{Error, Result, atomic_file, strict_toml};
use semver::Version;
use std::fs::File;
use std::path::{Path, PathBuf};

pub(super) const CURRENT: &str = "current";
pub(super) const PREVIOUS: &str = "previous";
/// The folder that a bundle is unpacked into before it has a name.
pub(super) const ASIDE: &str = ".aside";
const STATE: &str = "state.toml";

/// Hexadecimal digits of the manifest's SHA-256 in an entry's name.
const HASH_DIGITS: usize = 12;

/// The folder of all installed models.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// One model in its versions.
#[derive(Clone, Debug)]
pub struct Slot {
    folder: PathBuf,
    name: String,
}

/// A slot that nobody else changes.
#[must_use]
pub(super) struct SlotLock {
    _file: File,
    _owner: AsOwner,
}

/// A version that lies in a slot.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its folder's name.
    pub name: String,
    /// The version of its bundle, where its manifest can be read.
    pub version: Option<Version>,
    /// What it is for.
    pub standing: Vec<Standing>,
}

/// What a version in a slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It runs.
    Current,
    /// It is the last good one before that.
    Previous,
    /// It is to prove itself.
    Probation,
    /// It failed here.
    Rejected,
}

impl Store {
    /// A store in a folder, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The slot of a bundle's name.
    ///
    /// # Errors
    /// [`Error::Input`] where the name can't be a folder's: it has letters, digits and `-_.`
    /// alone, at most 64, and begins with a letter or a digit.
    pub fn slot(&self, name: &str) -> Result<Slot> {
        let sane = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !starts || name.len() > 64 || !name.chars().all(sane) {
            return Err(Error::Input(format!(
                "{name:?} can't be the name of an installed model: letters, digits and -_. alone"
            )));
        }
        Ok(Slot { folder: self.root.join(name), name: name.into() })
    }

    /// Every slot, by name.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder can't be read; one that isn't there has none.
    pub fn slots(&self) -> Result<Vec<Slot>> {
        let mut slots = Vec::new();
        for name in names_in(&self.root)? {
            if self.root.join(&name).is_dir() {
                slots.extend(self.slot(&name));
            }
        }
        Ok(slots)
    }

    /// Makes the folder, and takes the lock that an installation holds from its beginning to its
    /// end.
    ///
    /// # Errors
    /// [`Error::Input`] where another one is under way, [`Error::Io`] where it can't be made.
    pub(super) fn lock(&self) -> Result<File> {
        let _owner = AsOwner::of(&self.root)?;
        make_folder(&self.root)?;
        let path = self.root.join(".lock");
        let file = lock_file(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::Input(format!(
                "another installation is under way in {}: try again when it has ended",
                self.root.display()
            ))),
            Err(std::fs::TryLockError::Error(e)) => Err(Error::io("lock", &path)(e)),
        }
    }
}

impl Slot {
    /// The slot that a path names by its `current` link, as `/var/lib/vlunet/models/nano/current`;
    /// none for any other path.
    pub fn of_link(path: &Path) -> Option<Self> {
        let folder = path.parent().filter(|_| path.file_name().is_some_and(|name| name == CURRENT))?;
        let name = folder.file_name()?.to_str()?.to_owned();
        folder.join(STATE).is_file().then(|| Self { folder: folder.to_owned(), name })
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The link to the version that runs.
    pub fn link(&self) -> PathBuf {
        self.folder.join(CURRENT)
    }

    /// The folder of an entry.
    pub fn path_of(&self, entry: &str) -> PathBuf {
        self.folder.join(entry)
    }

    /// The name of the entry that runs.
    pub fn current(&self) -> Option<String> {
        self.target(CURRENT)
    }

    /// The name of the last good entry before that.
    pub fn previous(&self) -> Option<String> {
        self.target(PREVIOUS)
    }

    /// What a link of ours names: a folder in the slot that is there.
    fn target(&self, link: &str) -> Option<String> {
        let target = std::fs::read_link(self.folder.join(link)).ok()?;
        let name = target.to_str().filter(|name| is_entry(name))?;
        self.path_of(name).is_dir().then(|| name.to_owned())
    }

    /// The notes. Where they are damaged, which is said, there are none: probation is over then,
    /// and what is not confirmed can't be known.
    pub fn state(&self) -> State {
        let path = self.folder.join(STATE);
        if !path.exists() {
            return State::default();
        }
        let read = strict_toml::read(&path).and_then(|text| State::parse(&text, &path.display().to_string()));
        read.unwrap_or_else(|e| {
            log::warn!("{e}; it is taken as empty");
            State::default()
        })
    }

    pub(super) fn write_state(&self, state: &State) -> Result<()> {
        let path = self.folder.join(STATE);
        atomic_file::write_bytes(&path, state.to_toml()?.as_bytes())?;
        sync(&self.folder)
    }

    /// Makes the slot's folder, and waits for the lock under which its links and notes change.
    /// It is held for moments alone, by one who acts as the slot's owner.
    pub(super) fn lock(&self) -> Result<SlotLock> {
        let owner = AsOwner::of(&self.folder)?;
        make_folder(&self.folder)?;
        let path = self.folder.join(".lock");
        let file = lock_file(&path)?;
        file.lock().map_err(Error::io("lock", &path))?;
        Ok(SlotLock { _file: file, _owner: owner })
    }

    /// The bundle of an entry.
    ///
    /// # Errors
    /// As [`Bundle::open`].
    pub fn open(&self, entry: &str) -> Result<Bundle> {
        Bundle::open(&self.path_of(entry))
    }

    /// Every entry, with what it is for.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder can't be read.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let (state, current, previous) = (self.state(), self.current(), self.previous());
        let of = |name: String| {
            let is = |other: &Option<String>| other.as_deref() == Some(&name);
            let standing = [
                (Standing::Current, is(&current)),
                (Standing::Previous, is(&previous)),
                (Standing::Probation, state.probation.contains_key(&name)),
                (Standing::Rejected, state.rejected.contains(&name)),
            ];
            let standing = standing.into_iter().filter_map(|(standing, is)| is.then_some(standing)).collect();
            let version = self.open(&name).ok().map(|bundle| bundle.manifest().version.clone());
            Entry { name, version, standing }
        };
        let names = names_in(&self.folder)?.into_iter();
        Ok(names.filter(|name| is_entry(name) && self.path_of(name).is_dir()).map(of).collect())
    }

    /// Removes what an installation that was cut left behind, and [`Self::clear_entries`]. Only
    /// for who holds the store's lock.
    pub(super) fn clear(&self) -> Result<()> {
        for name in names_in(&self.folder)? {
            let path = self.path_of(&name);
            if name == ASIDE {
                std::fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
            }
            // Of a file that was being written when the power went.
            if name.starts_with(".vlunet-") {
                std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        self.clear_entries()
    }

    /// Removes every entry but the current one and the last good one. The slot is locked.
    pub(super) fn clear_entries(&self) -> Result<()> {
        let kept = [self.current(), self.previous()];
        for name in names_in(&self.folder)? {
            let path = self.path_of(&name);
            if is_entry(&name) && path.is_dir() && !kept.iter().flatten().any(|kept| *kept == name) {
                std::fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// What can run now, by its path: the current version, or the last good one where that is
    /// damaged.
    pub fn runnable(&self) -> Option<PathBuf> {
        let whole = |entry: &String| super::install::is_whole(self, entry);
        if self.current().is_some_and(|entry| whole(&entry)) {
            return Some(self.link());
        }
        self.previous().filter(whole).map(|entry| self.path_of(&entry))
    }

    /// The name of a bundle's entry.
    pub(super) fn entry_name(manifest: &Manifest, text: &[u8]) -> String {
        let hash = crate::bundle::builder::sha256(text);
        format!("{}-{}", manifest.version, hash.get(..HASH_DIGITS).unwrap_or(&hash))
    }
}

/// Whether a folder's name is that of a version: `1.2.0-3f9ac2d1b0aa`.
fn is_entry(name: &str) -> bool {
    let Some((version, hash)) = name.rsplit_once('-') else { return false };
    hash.len() == HASH_DIGITS
        && hash.chars().all(|c| c.is_ascii_hexdigit())
        && Version::parse(version).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_stay_in_the_store_are_slots() {
        let store = Store::new("/store");
        for name in ["nano", "my-model_2.1", "7"] {
            assert_eq!(store.slot(name).unwrap().folder(), Path::new("/store").join(name));
        }
        for name in ["", ".", "..", ".hidden", "a/b", "/etc", "a b", "nänö", "a\n", &"a".repeat(65)] {
            assert!(store.slot(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_link_that_leads_out_of_the_slot_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let slot = Store::new(folder.path()).slot("nano").unwrap();
        std::fs::create_dir_all(slot.path_of("1.0.0-0123456789ab")).unwrap();
        for (target, found) in [
            ("1.0.0-0123456789ab", true),
            ("1.0.0-ba9876543210", false),
            ("..", false),
            ("/etc", false),
            ("../nano/1.0.0-0123456789ab", false),
        ] {
            let _ = std::fs::remove_file(slot.link());
            std::os::unix::fs::symlink(target, slot.link()).unwrap();
            assert_eq!(slot.current().is_some(), found, "{target}");
        }
    }

    #[test]
    fn damaged_notes_are_taken_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let slot = Store::new(folder.path()).slot("nano").unwrap();
        std::fs::create_dir_all(slot.folder()).unwrap();
        assert_eq!(slot.state(), State::default());
        for text in ["", "format = 1\nrejected = 7", "\0\0\0\0"] {
            std::fs::write(slot.folder().join(STATE), text).unwrap();
            assert_eq!(slot.state(), State::default());
        }
    }
}
