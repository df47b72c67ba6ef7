//! What is noted of a URL between two fetches.

use crate::{Error, Result, atomic_file, strict_toml};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Longer ones are not kept.
const MAX_VALIDATOR: usize = 1024;

/// By what a server tells whether a file is still the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Validator {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
}

impl Validator {
    pub(super) fn new(etag: Option<String>, last_modified: Option<String>) -> Option<Self> {
        let sane = |text: &String| text.len() <= MAX_VALIDATOR && !text.contains(char::is_control);
        let (etag, last_modified) = (etag.filter(sane), last_modified.filter(sane));
        (etag.is_some() || last_modified.is_some()).then_some(Self { etag, last_modified })
    }

    /// Whether both say what they are of, and it is not the same.
    pub(super) fn differs(&self, other: &Self) -> bool {
        matches!((&self.etag, &other.etag), (Some(own), Some(other)) if own != other)
    }

    /// What vouches for every byte. A weak ETag doesn't.
    pub(super) fn strong(&self) -> Option<&str> {
        let etag = self.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
        etag.or(self.last_modified.as_deref().filter(|_| self.etag.is_none()))
    }
}

/// The notes on a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notes {
    /// Without its query.
    pub(super) url: String,
    /// Of the file that a part is here of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<Validator>,
    /// Of the file that was installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) installed: Option<Validator>,
    /// What it was installed as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) installed_as: Option<InstalledAs>,
    /// Of the file that was refused when it had come in pieces, which may not have been of one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) doubted: Option<Validator>,
    /// Of the file that was refused, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<Refused>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refused {
    pub(super) file: Validator,
    pub(super) reason: String,
}

/// A model's name, and its entry in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstalledAs {
    pub(super) model: String,
    pub(super) entry: String,
}

impl Notes {
    /// The notes in a file; none where there are none, or damaged ones.
    pub(super) fn load(path: &Path, url: &str) -> Self {
        let none = || Self { url: url.into(), ..Self::default() };
        if !path.exists() {
            return none();
        }
        let read =
            strict_toml::read(path).and_then(|text| strict_toml::parse(&text, &path.display().to_string()));
        read.unwrap_or_else(|e| {
            log::debug!("{e}; it is taken as empty");
            none()
        })
    }

    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|e| Error::Input(format!("notes on a URL: {e}")))?;
        atomic_file::write_bytes(path, text.as_bytes())
    }
}
