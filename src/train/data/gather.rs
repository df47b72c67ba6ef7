//! Finding the files of a library, and which belong together, before any is decoded.

use super::shard::{self, Role};
use crate::picture::{Limits, Picture, folder};
use crate::{Error, Result};
use image::RgbImage;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// A picture's file, in a folder or in a shard.
pub(super) enum Source {
    File(PathBuf),
    Packed { name: PathBuf, bytes: Vec<u8> },
}

impl Source {
    pub(super) fn name(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Packed { name, .. } => name,
        }
    }

    /// # Errors
    /// As [`Picture::open`].
    pub(super) fn decode(&self) -> Result<RgbImage> {
        let limits = Limits { max_alloc: 1 << 30, ..Limits::default() };
        let picture = match self {
            Self::File(path) => Picture::open(path, &limits)?,
            Self::Packed { name, bytes } => Picture::decode(bytes, name, &limits)?,
        };
        Ok(crate::frame::to_rgb8(picture.planes.view()))
    }

    /// The file's bytes, if it is a JPEG.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be read.
    pub(super) fn jpeg(&self) -> Result<Option<Vec<u8>>> {
        let bytes = match self {
            Self::File(path) => fs::read(path).map_err(Error::io("read", path))?,
            Self::Packed { bytes, .. } => bytes.clone(),
        };
        Ok(bytes.starts_with(&[0xFF, 0xD8, 0xFF]).then_some(bytes))
    }
}

/// The files of one sample.
#[derive(Default)]
pub(super) struct Files {
    pub(super) input: Option<Source>,
    pub(super) target: Option<Source>,
    pub(super) clean: Option<Source>,
}

/// The samples of each set by their keys.
#[derive(Default)]
pub(super) struct Found {
    pub(super) sets: BTreeMap<String, BTreeMap<String, Files>>,
}

impl Found {
    /// Everything in a folder of sets and shards, or in one shard.
    ///
    /// # Errors
    /// [`Error::Io`] where something can't be read, [`Error::Input`] where two files have one
    /// name, where a set has no picture, or where nothing is found.
    pub(super) fn at(path: &Path) -> Result<Self> {
        let mut found = Self::default();
        if !fs::metadata(path).map_err(Error::io("read", path))?.is_dir() {
            found.add_shard(path)?;
        } else {
            for entry in sorted(path)? {
                let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.starts_with('.') {
                    continue;
                }
                if entry.is_dir() {
                    found.add_folder(&name, &entry)?;
                } else if entry.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tar")) {
                    found.add_shard(&entry)?;
                }
            }
        }
        if found.sets.is_empty() {
            return Err(Error::Input(format!(
                "no training pictures in {}: it takes folders of clean pictures, folders with input/ and \
                 target/, or .tar shards",
                path.display()
            )));
        }
        Ok(found)
    }

    fn add_folder(&mut self, set: &str, path: &Path) -> Result<()> {
        let (inputs, targets) = (path.join("input"), path.join("target"));
        let parts = match (inputs.is_dir(), targets.is_dir()) {
            (true, true) => vec![(inputs, Role::Input), (targets, Role::Target)],
            (false, false) => vec![(path.to_owned(), Role::Clean)],
            (has_input, _) => {
                let missing = if has_input { "target" } else { "input" };
                return Err(Error::Input(format!(
                    "set {set}: {} has no {missing}/ beside the other half of its pairs",
                    path.display()
                )));
            }
        };
        for (part, role) in parts {
            for file in folder::list(&part, false)? {
                let key = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                self.add(set, key, role, Source::File(file))?;
            }
        }
        Ok(())
    }

    fn add_shard(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let members = shard::read(BufReader::new(file), path, &shard::Limits::default())?;
        if members.is_empty() {
            return Err(Error::Input(format!("shard {}: there are no pictures in it", path.display())));
        }
        for member in members {
            let part = match member.role {
                Role::Input => ".input",
                Role::Target => ".target",
                Role::Clean => "",
            };
            let name = path.join(&member.set).join(format!("{}{part}", member.key));
            let source = Source::Packed { name, bytes: member.bytes };
            self.add(&member.set, member.key, member.role, source)?;
        }
        Ok(())
    }

    fn add(&mut self, set: &str, key: String, role: Role, source: Source) -> Result<()> {
        let files = self.sets.entry(set.to_owned()).or_default().entry(key).or_default();
        let slot = match role {
            Role::Input => &mut files.input,
            Role::Target => &mut files.target,
            Role::Clean => &mut files.clean,
        };
        if let Some(other) = slot {
            return Err(Error::Input(format!(
                "set {set}: {} and {} have one name; rename one",
                other.name().display(),
                source.name().display()
            )));
        }
        *slot = Some(source);
        Ok(())
    }
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Error::io("read folder", folder))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(Error::io("read folder", folder)))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
