//! The bearer token.

use sha2::{Digest, Sha256};
use std::fmt;

/// A secret that clients show; only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token([u8; 32]);

impl Token {
    /// What a token must be, for messages.
    pub(super) const RULE: &str = "a token is 8 to 128 letters, digits, or any of - . _ ~";

    /// `None` where it breaks [`Token::RULE`]: it must travel in URLs and headers as it is.
    pub(super) fn new(text: &str) -> Option<Self> {
        let fits = |c: u8| c.is_ascii_alphanumeric() || b"-._~".contains(&c);
        ((8..=128).contains(&text.len()) && text.bytes().all(fits)).then(|| Self(Sha256::digest(text).into()))
    }

    /// Whether that is it. Hashes are compared: how long that takes tells nothing of the token.
    pub(super) fn is(&self, text: &str) -> bool {
        let shown: [u8; 32] = Sha256::digest(text).into();
        self.0 == shown
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}
