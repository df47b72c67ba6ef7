//! The default bundle, `models/nano`, compiled into the program: int8, which runs, and float32,
//! which is what others are made from and compared with.

use super::files::Files;
use std::borrow::Cow;

/// Each file of `models/nano`, by its name there.
macro_rules! files_of_nano {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_bytes!(concat!("../../models/nano/", $name)).as_slice())),+]
    };
}

pub(super) fn files() -> Files {
    let files = files_of_nano!(
        "manifest.toml",
        "restorer.int8.onnx",
        "vlm.int8.onnx",
        "restorer.f32.onnx",
        "vlm.f32.onnx",
        "prompts.safetensors",
        "golden.safetensors",
        "README.md",
    );
    Files::Memory(files.into_iter().map(|(name, bytes)| (name.to_owned(), Cow::Borrowed(bytes))).collect())
}
