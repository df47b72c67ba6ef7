//! `manifest.toml`: what a bundle is made of, what it was made from, what it needs.

use crate::arch::{ClipConfig, VluNetConfig};
use crate::weights::brief;
use serde::{Deserialize, Serialize};
use std::fmt;

use super::prompts::Prompt;

/// The manifest's name in a bundle.
pub(crate) const FILE_NAME: &str = "manifest.toml";

/// The name of its signature.
pub(crate) const SIGNATURE_NAME: &str = "manifest.toml.minisig";

/// More than any signature has.
pub(super) const MAX_SIGNATURE_BYTES: u64 = 4096;

/// More than any manifest needs; a larger file is refused before it is read.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

/// The version of the bundle format that this program writes and reads.
const FORMAT: u32 = 1;

/// More prompts than any bundle needs.
const MAX_PROMPTS: usize = 1024;

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the bundle format.
    pub format: u32,
    /// Short name, as in `--model nano`.
    pub name: String,
    /// The weights' version.
    pub version: semver::Version,
    /// The day on which the bundle was made, as `2026-11-23`.
    pub created: String,
    /// Licence of the weights (an SPDX expression, or a sentence).
    pub license: String,
    /// What the weights were trained on, and by whom.
    pub training_data: String,
    /// The oldest program that runs this bundle.
    pub minimum_vlunet: semver::Version,
    /// The restorer's configuration.
    pub config: VluNetConfig,
    /// The VLM head, where the bundle has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlm: Option<VlmManifest>,
    /// The same models in different number formats, each once.
    pub variants: Vec<Variant>,
    /// The degradations that the bundle knows, in the order of their vectors.
    pub prompts: Vec<Prompt>,
    /// Vectors of the prompts (safetensors).
    pub prompt_vectors: FileEntry,
    /// A frame and what the restorer makes of it (safetensors).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden: Option<FileEntry>,
    /// The model card, in Markdown: data, licences, training, what it reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<FileEntry>,
}

/// The VLM head of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VlmManifest {
    /// Its towers.
    pub config: ClipConfig,
    /// How a picture becomes its input.
    pub preprocessing: Preprocessing,
    /// How far d_I is drawn from what the tower sees to the text vectors of the degradations that
    /// it takes this for, weighted by their probabilities: 0, as in the paper, to 1. A tower that
    /// is small is less sure than the prompts that its restorer was trained with.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub text_share: f32,
    /// What the logits are divided by before they become probabilities, which are as high then as
    /// the head is right (`vlunet-train exam` finds it). d_I doesn't depend on it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub temperature: f32,
}

fn one() -> f32 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(temperature: &f32) -> bool {
    *temperature == 1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(share: &f32) -> bool {
    *share == 0.0
}

/// How a picture becomes the VLM head's input: the shorter side is resized to the tower's
/// (bicubic, a = −0.5, antialiased), squares are cropped, and each channel normalised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Subtracted from R, G, B in 0..=1.
    pub mean: [f32; 3],
    /// Then divided by.
    pub std: [f32; 3],
    /// Which squares of a picture are looked at.
    #[serde(default, skip_serializing_if = "Crops::is_centre")]
    pub crops: Crops,
}

/// Which squares of a picture the VLM head looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crops {
    /// The one in the middle, as in the paper. Nearly half of a 16:9 frame is not seen.
    #[default]
    Centre,
    /// Those at both ends of the longer side, whose d_I are averaged: all of a frame is seen,
    /// for twice the time.
    Ends,
}

impl Crops {
    fn is_centre(&self) -> bool {
        *self == Self::Centre
    }
}

impl Preprocessing {
    /// The constants of CLIP, and the paper's crop.
    pub fn clip() -> Self {
        Self {
            mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
            crops: Crops::Centre,
        }
    }
}

/// A number format of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 8-bit integers.
    Int8,
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        })
    }
}

/// The models of a bundle in one number format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The number format.
    pub dtype: Dtype,
    /// The restorer, `image` and `degradation` to `restored`.
    pub restorer: FileEntry,
    /// The VLM head's image tower, `image` to `degradation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlm: Option<FileEntry>,
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its path within the bundle.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// The format that this program writes.
    pub(super) fn current_format() -> u32 {
        FORMAT
    }

    /// Reads and checks a manifest; the error is the reason why not.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| format!("{FILE_NAME} is not UTF-8 text"))?;
        let invalid = |e: toml::de::Error| {
            let start = text.get(..e.span().map_or(0, |span| span.start)).unwrap_or_default();
            let line = start.matches('\n').count() + 1;
            format!("{FILE_NAME}, line {line}: {}", brief(e.message()))
        };
        // The format first: a newer one may have fields that this program doesn't know.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = toml::from_str(text).map_err(invalid)?;
        if format != FORMAT {
            return Err(format!("it has format {format}; this program reads format {FORMAT}"));
        }
        let manifest: Self = toml::from_str(text).map_err(invalid)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let own = semver::Version::parse(env!("CARGO_PKG_VERSION")).map_err(|e| e.to_string())?;
        if self.minimum_vlunet > own {
            return Err(format!("it needs vlunet {} or newer; this is {own}", self.minimum_vlunet));
        }
        self.config.validate().map_err(|e| e.to_string())?;
        if let Some(vlm) = &self.vlm {
            vlm.config.validate().map_err(|e| e.to_string())?;
            let sane = |x: &f32| x.is_finite() && x.abs() <= 10.0;
            let Preprocessing { mean, std, .. } = &vlm.preprocessing;
            if !mean.iter().chain(std).all(sane) || std.iter().any(|x| *x < 1e-3) {
                return Err("its preprocessing constants are out of range".into());
            }
            if !(0.0..=1.0).contains(&vlm.text_share) {
                return Err("its text_share is no number of 0 to 1".into());
            }
            if !(0.1..=10.0).contains(&vlm.temperature) {
                return Err("its temperature is no number of 0.1 to 10".into());
            }
        }
        if self.variants.is_empty() {
            return Err("it has no variant".into());
        }
        let twice =
            |at: usize, variant: &Variant| self.variants[..at].iter().any(|v| v.dtype == variant.dtype);
        if let Some((_, variant)) = self.variants.iter().enumerate().find(|(at, v)| twice(*at, v)) {
            return Err(format!("it has two {} variants", variant.dtype));
        }
        if !(1..=MAX_PROMPTS).contains(&self.prompts.len()) {
            return Err(format!("it has {} prompts, not 1 to {MAX_PROMPTS}", self.prompts.len()));
        }
        if let Some(entry) = self.entries().find(|entry| entry.bytes > super::files::MAX_BYTES) {
            return Err(format!("{} cannot have {} bytes", entry.file, entry.bytes));
        }
        let files = self.entries().map(|entry| &entry.file);
        let mut texts =
            [&self.name].into_iter().chain(self.prompts.iter().map(|prompt| &prompt.text)).chain(files);
        if let Some(text) = texts.find(|text| text.contains(char::is_control)) {
            return Err(format!("{text:?} holds control characters"));
        }
        if let Some(entry) = self.entries().find(|entry| !super::files::is_plain(&entry.file)) {
            return Err(format!("{:?} is no path within a bundle", entry.file));
        }
        if self.entries().any(|entry| [FILE_NAME, SIGNATURE_NAME].contains(&entry.file.as_str())) {
            return Err(format!("it names {FILE_NAME} or its signature as one of its files"));
        }
        let clashes =
            |entry: &FileEntry| self.entries().any(|other| other.file == entry.file && other != entry);
        if let Some(entry) = self.entries().find(|entry| clashes(entry)) {
            return Err(format!("it says two things of {}", entry.file));
        }
        Ok(())
    }

    /// Every file that the manifest names.
    pub fn entries(&self) -> impl Iterator<Item = &FileEntry> {
        let models = self.variants.iter().flat_map(|variant| [Some(&variant.restorer), variant.vlm.as_ref()]);
        models.flatten().chain([&self.prompt_vectors]).chain(&self.golden).chain(&self.card)
    }
}
