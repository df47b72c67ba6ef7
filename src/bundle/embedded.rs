//! The default bundle, `models/nano`, compiled into the program: int8, which runs, and by the
//! feature `embedded-f32` float32, which is what others are made from and compared with.

use super::builder::manifest_bytes;
use super::files::Files;
use super::manifest::{FILE_NAME, Manifest};
use super::{Bundle, DEFAULT_BUNDLE};
use crate::{Error, Result};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Each file of `models/nano`, by its name there.
macro_rules! files_of_nano {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_bytes!(concat!("../../models/nano/", $name)).as_slice())),+]
    };
}

/// The bundle: of the folder's variants those that are worth their megabytes in the program.
pub(super) fn bundle() -> Result<Bundle> {
    let files = files_of_nano!(
        "manifest.toml",
        "restorer.int8.onnx",
        "vlm.int8.onnx",
        "prompts.safetensors",
        "golden.safetensors",
        "README.md",
    );
    #[cfg(feature = "embedded-f32")]
    let files = files.into_iter().chain(files_of_nano!("restorer.f32.onnx", "vlm.f32.onnx"));
    let files = files.into_iter().map(|(name, bytes)| (name.to_owned(), Cow::Borrowed(bytes)));
    let mut files: BTreeMap<String, Cow<'static, [u8]>> = files.collect();
    let origin = format!("{DEFAULT_BUNDLE} (embedded)");
    let fail = |reason| Error::Bundle { bundle: origin.clone(), reason };
    let mut manifest = Manifest::parse(&files[FILE_NAME]).map_err(fail)?;
    manifest.variants.retain(|variant| files.contains_key(&variant.restorer.file));
    files.insert(FILE_NAME.into(), manifest_bytes(&manifest)?.into());
    Bundle::with_files(origin, Files::Memory(files))
}
