//! The public keys that a device trusts. Several of them are how keys are changed: the new one is
//! laid beside the old one, and that goes when nothing is signed with it any more.

use super::signature::{MAX_BYTES, Signature, TrustedComment};
use crate::bundle::Bundle;
use crate::{Error, Result};
use minisign_verify::PublicKey;
use std::io::Read;
use std::path::{Path, PathBuf};

/// More keys than anybody needs at once.
const MAX_KEYS: usize = 64;

/// Trusted keys, by the names of their files.
pub struct Keys {
    /// Where they were looked for, for messages.
    place: String,
    keys: Vec<(String, PublicKey)>,
}

/// What a signature's check found.
#[derive(Debug)]
pub enum Verified {
    /// Signed with one of the keys: the name of its file.
    By(String),
    /// Signed with a key that isn't among these.
    Unknown,
    /// A key of that number is here, and the signature is not of these bytes: something was altered.
    Wrong(String),
}

impl Keys {
    /// Every `*.pub` of a folder; none where there is no such folder. One that is damaged is
    /// passed over with a warning, so that it can't lock the others out.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder can't be read.
    pub fn load(folder: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        match std::fs::read_dir(folder) {
            Ok(entries) => {
                for entry in entries {
                    let path = entry.map_err(Error::io("read", folder))?.path();
                    if path.extension().is_some_and(|extension| extension == "pub") {
                        paths.push(path);
                    }
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io("read", folder)(e)),
        }
        paths.sort();
        paths.truncate(MAX_KEYS);
        let mut keys = Vec::new();
        for path in paths {
            match read(&path) {
                Ok(key) => keys.push(key),
                Err(e) => log::warn!("{e}; it is passed over"),
            }
        }
        Ok(Self { place: folder.display().to_string(), keys })
    }

    /// The keys in these files.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] for the first that can't be read.
    pub fn of_files(paths: &[PathBuf]) -> Result<Self> {
        let keys = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
        let place = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        Ok(Self { place, keys })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Checks a signature of a manifest's bytes.
    pub fn check(&self, manifest: &[u8], signature: &Signature) -> Verified {
        let mut altered = None;
        for (name, key) in &self.keys {
            match key.verify(manifest, &signature.inner, false) {
                Ok(()) => return Verified::By(name.clone()),
                Err(minisign_verify::Error::UnexpectedKeyId) => {}
                Err(_) => altered = Some(name.clone()),
            }
        }
        altered.map_or(Verified::Unknown, Verified::Wrong)
    }

    /// Checks that there are keys.
    pub(super) fn require_any(&self) -> Result<(), String> {
        if self.is_empty() {
            return Err(format!(
                "there is no key to check a signature with: put the signer's public key (NAME.pub) into {}",
                self.place
            ));
        }
        Ok(())
    }

    /// Checks that a manifest's bytes were signed with one of these keys; gives the key's name, and
    /// for which bundle they were signed.
    ///
    /// # Errors
    /// The reason why they can't be trusted.
    pub(super) fn accept<'a>(
        &self,
        text: &[u8],
        signature: Option<&'a Signature>,
    ) -> Result<(String, &'a TrustedComment), String> {
        self.require_any()?;
        let signature = signature.ok_or("it is not signed: sign it with `vlunet bundle sign`")?;
        match self.check(text, signature) {
            Verified::By(name) => Ok((name, signature.comment())),
            Verified::Unknown => {
                let known: Vec<&str> = self.keys.iter().map(|(name, _)| name.as_str()).collect();
                Err(format!(
                    "it is signed with a key that is not trusted here; trusted are {} in {}",
                    known.join(", "),
                    self.place
                ))
            }
            Verified::Wrong(key) => Err(format!(
                "its signature, with the key of {key}, is not that of its manifest.toml: it was altered"
            )),
        }
    }

    /// Checks that a bundle was signed with one of these keys; gives the key's name.
    ///
    /// # Errors
    /// [`Error::Bundle`] where it can't be trusted.
    pub fn require(&self, bundle: &Bundle) -> Result<String> {
        let signature = Signature::of(bundle)?;
        let fail = |reason| Error::Bundle { bundle: bundle.origin().into(), reason };
        let (key, comment) = self.accept(&bundle.manifest_text()?, signature.as_ref()).map_err(fail)?;
        comment.check(bundle.manifest()).map_err(fail)?;
        Ok(key)
    }
}

/// A key and its name.
fn read(path: &Path) -> Result<(String, PublicKey)> {
    let text = read_text(path)?;
    let key = PublicKey::decode(&text)
        .map_err(|_| Error::Input(format!("{}: this is no public key of minisign", path.display())))?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Ok((name.replace(char::is_control, " "), key))
}

/// The text of a key's file.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    let text = String::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_BYTES);
    text.ok_or_else(|| Error::Input(format!("{}: this is no key of minisign", path.display())))
}
