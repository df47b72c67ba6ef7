//! The promises of opening and saving, on files made here byte by byte.

pub mod files;
mod hostile;
mod opening;
mod orientation;
mod saving;

use super::{Limits, Picture};
use crate::Result;
use std::path::Path;

/// Opens bytes under the default limits.
fn decode(bytes: &[u8]) -> Result<Picture> {
    Picture::decode(bytes, Path::new("given.bin"), &Limits::default())
}

/// The one line that opening `bytes` fails with.
fn refusal(bytes: &[u8]) -> String {
    let message = decode(bytes).expect_err("the file should be refused").to_string();
    assert!(!message.contains('\n') && message.starts_with("picture given.bin: "), "{message}");
    message
}
