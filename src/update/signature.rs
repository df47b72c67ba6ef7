//! Signatures in minisign's format (Ed25519), over the bytes of a bundle's manifest.
//!
//! The manifest holds size and SHA-256 of every other file, so its signature covers the whole
//! bundle, packed or not. The trusted comment, which is signed too, names the bundle and its
//! version: `timestamp:1790000000\tbundle:nano\tversion:1.2.0`.

use crate::bundle::{Bundle, Manifest};
use crate::{Error, Result};

/// More than any signature or key in this format has.
pub(super) const MAX_BYTES: usize = 4096;

/// A signature that was read, and not yet checked.
pub struct Signature {
    pub(super) inner: minisign_verify::Signature,
    comment: TrustedComment,
}

impl Signature {
    /// Reads a signature.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_BYTES {
            return Err(format!("its signature is longer than {MAX_BYTES} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "its signature is no text")?;
        let inner = minisign_verify::Signature::decode(text)
            .map_err(|_| "its signature is none in minisign's format, or cut short")?;
        let comment = TrustedComment::parse(inner.trusted_comment())?;
        Ok(Self { inner, comment })
    }

    /// What the signer says of the bundle; to be believed once the signature is checked.
    pub fn comment(&self) -> &TrustedComment {
        &self.comment
    }

    /// The signature of a bundle, where it has one.
    ///
    /// # Errors
    /// [`Error::Bundle`] where it can't be read.
    pub fn of(bundle: &Bundle) -> Result<Option<Self>> {
        let Some(bytes) = bundle.signature()? else { return Ok(None) };
        let fail = |reason| Error::Bundle { bundle: bundle.origin().into(), reason };
        Self::parse(&bytes).map(Some).map_err(fail)
    }
}

/// The line of a signature that is signed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedComment {
    /// Name of the bundle.
    pub bundle: String,
    /// Its version.
    pub version: semver::Version,
    /// When it was signed, in seconds since 1970, where the signer says so. It is told, and
    /// nothing hangs on it: a device may not know the time.
    pub timestamp: Option<u64>,
}

impl TrustedComment {
    /// What is signed for a bundle.
    pub fn of(manifest: &Manifest, timestamp: Option<u64>) -> Self {
        Self { bundle: manifest.name.clone(), version: manifest.version.clone(), timestamp }
    }

    /// Reads `key:value` pairs with tabs between them; other keys than ours are passed over.
    ///
    /// # Errors
    /// The reason why it can't be one of a bundle.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pairs = std::collections::BTreeMap::new();
        for part in text.split('\t') {
            let (key, value) = part.split_once(':').unwrap_or((part, ""));
            if part.contains(char::is_control) || pairs.insert(key, value).is_some() {
                return Err("its signature's trusted comment is malformed".into());
            }
        }
        let missing = || {
            "its signature's trusted comment names no bundle and version: sign it with `vlunet bundle sign`"
                .to_owned()
        };
        let bundle = (*pairs.get("bundle").ok_or_else(missing)?).to_owned();
        let version = pairs.get("version").ok_or_else(missing)?;
        let version = version.parse().map_err(|_| "its signature's trusted comment has no sound version")?;
        let timestamp = pairs.get("timestamp").and_then(|seconds| seconds.parse().ok());
        Ok(Self { bundle, version, timestamp })
    }

    /// Checks that the signature was made for this bundle.
    ///
    /// # Errors
    /// The reason why not.
    pub fn check(&self, manifest: &Manifest) -> Result<(), String> {
        if self.bundle == manifest.name && self.version == manifest.version {
            return Ok(());
        }
        Err(format!(
            "its signature is that of {} {}, not of {} {}",
            self.bundle, self.version, manifest.name, manifest.version
        ))
    }
}

impl std::fmt::Display for TrustedComment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(seconds) = self.timestamp {
            write!(f, "timestamp:{seconds}\t")?;
        }
        write!(f, "bundle:{}\tversion:{}", self.bundle, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trusted_comment_comes_back_as_it_was_written() {
        let comment = TrustedComment {
            bundle: "nano".into(),
            version: semver::Version::new(1, 2, 3),
            timestamp: Some(1_790_000_000),
        };
        assert_eq!(TrustedComment::parse(&comment.to_string()).unwrap(), comment);
        let bare = TrustedComment { timestamp: None, ..comment };
        assert_eq!(TrustedComment::parse(&bare.to_string()).unwrap(), bare);
        // `minisign -t` writes what it is given; its own keys may stand beside ours.
        let foreign =
            TrustedComment::parse("bundle:nano\tfile:manifest.toml\thashed\tversion:1.2.3").unwrap();
        assert_eq!(foreign, bare);
    }

    #[test]
    fn a_comment_that_names_no_bundle_is_none_of_ours() {
        for text in [
            "",
            "timestamp:1555779966\tfile:test",
            "bundle:nano",
            "version:1.0.0",
            "bundle:\u{1b}\tversion:1.0.0",
        ] {
            assert!(TrustedComment::parse(text).is_err(), "{text:?}");
        }
        let twice = TrustedComment::parse("bundle:a\tbundle:b\tversion:1.0.0").unwrap_err();
        assert!(twice.contains("malformed"), "{twice}");
        assert!(TrustedComment::parse("bundle:a\tversion:one").unwrap_err().contains("version"));
    }

    #[test]
    fn what_is_no_signature_says_so() {
        for bytes in [&b""[..], b"untrusted comment: x\n", &[0xff; 8], &[b'A'; MAX_BYTES + 1]] {
            assert!(Signature::parse(bytes).is_err_and(|e| e.contains("signature")));
        }
    }
}
