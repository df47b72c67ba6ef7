//! Making keys, and signing: what is done on the maker's machine, never on a device.

use super::keys::read_text;
use super::signature::TrustedComment;
use crate::bundle::Bundle;
use crate::{Error, Result};
use std::path::Path;

/// A pair of keys in minisign's format.
pub struct KeyPair {
    /// What is given to every device: two lines of text.
    pub public: String,
    /// What stays with the maker: two lines of text.
    pub secret: String,
}

impl KeyPair {
    /// Makes a pair; its secret half is encrypted with a password, if one is given.
    ///
    /// # Errors
    /// [`Error::Input`] where the system has no randomness, or not the memory (32 MiB) that the
    /// password's derivation takes.
    pub fn generate(password: Option<String>) -> Result<Self> {
        let fail = |e: minisign::PError| Error::Input(format!("no keys could be made: {e}"));
        let pair = match password {
            Some(password) => minisign::KeyPair::generate_encrypted_keypair(Some(password)),
            None => minisign::KeyPair::generate_unencrypted_keypair(),
        };
        let minisign::KeyPair { pk, sk } = pair.map_err(fail)?;
        let secret = sk.to_box(Some("vlunet secret key: keep it from devices and servers")).map_err(fail)?;
        Ok(Self { public: pk.to_box().map_err(fail)?.into_string(), secret: secret.into_string() })
    }
}

/// A key to sign with.
pub struct SecretKey(minisign::SecretKey);

impl SecretKey {
    /// Reads a key that has no password; none where it has one.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_bare(path: &Path) -> Result<Option<Self>> {
        let text = read_text(path)?;
        let parsed =
            minisign::SecretKeyBox::from_string(&text).and_then(|key| key.into_unencrypted_secret_key());
        match parsed {
            Ok(key) => Ok(Some(Self(key))),
            // Of a file that is no key at all the other way of reading says so.
            Err(_) => Ok(None),
        }
    }

    /// Reads a key that is encrypted with this password.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be read, [`Error::Input`] where it is no key or the password
    /// is another.
    pub fn load(path: &Path, password: String) -> Result<Self> {
        let text = read_text(path)?;
        let key =
            minisign::SecretKeyBox::from_string(&text).and_then(|key| key.into_secret_key(Some(password)));
        key.map(Self).map_err(|e| {
            let reason = crate::error::one_line(&e.to_string());
            Error::Input(format!(
                "{}: no secret key can be read with that password: {reason}",
                path.display()
            ))
        })
    }

    /// The signature of a bundle's manifest.
    ///
    /// # Errors
    /// As [`Bundle::verify`]: what is damaged isn't signed; [`Error::Input`] where signing fails.
    pub fn sign(&self, bundle: &Bundle, timestamp: Option<u64>) -> Result<Vec<u8>> {
        bundle.verify()?;
        let comment = TrustedComment::of(bundle.manifest(), timestamp).to_string();
        let text = bundle.manifest_text()?;
        let untrusted = "signature of manifest.toml, whose hashes cover the bundle";
        minisign::sign(None, &self.0, std::io::Cursor::new(text), Some(&comment), Some(untrusted))
            .map(|signature| signature.into_string().into_bytes())
            .map_err(|e| Error::Input(format!("{} can't be signed: {e}", bundle.origin())))
    }
}
