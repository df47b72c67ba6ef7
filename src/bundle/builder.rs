//! Making a bundle: files first, then the manifest with their hashes.

use super::manifest::{Dtype, FILE_NAME, FileEntry, Manifest, Variant, VlmManifest};
use super::prompts::{Prompt, Prompts};
use super::{Golden, files};
use crate::arch::VluNetConfig;
use crate::weights::{Weights, hex, to_safetensors};
use crate::{Error, Result, atomic_file};
use ndarray::Array2;
use sha2::{Digest, Sha256};
use std::path::Path;

/// A bundle in the making.
pub struct Builder {
    /// Short name.
    pub name: String,
    /// The weights' version.
    pub version: semver::Version,
    /// Licence of the weights.
    pub license: String,
    /// What the weights were trained on, and by whom.
    pub training_data: String,
    /// The restorer's configuration.
    pub config: VluNetConfig,
    /// The restorer as ONNX, float32.
    pub restorer: Vec<u8>,
    /// The VLM head and its image tower as ONNX, float32.
    pub vlm: Option<(VlmManifest, Vec<u8>)>,
    /// The degradations it knows.
    pub prompts: Vec<Prompt>,
    /// d_T of each prompt, `[N, 512]`.
    pub text_features: Option<Array2<f32>>,
    /// The golden frame.
    pub golden: Option<Golden>,
    /// The model card, in Markdown.
    pub card: Option<String>,
}

impl Builder {
    /// Writes the bundle to a `.vlu` file, or to a folder for any other name.
    ///
    /// It appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Bundle`] where a folder is there already, [`Error::Io`] where it can't be
    /// written.
    pub fn write(self, path: &Path) -> Result<()> {
        Self::check_output(path)?;
        write_files(&self.into_files()?, path)
    }

    /// The bundle, in memory.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn into_bundle(self) -> Result<super::Bundle> {
        let name = self.name.clone();
        let files = self.into_files()?;
        let files = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        super::Bundle::from_archive(&files::to_archive(files)?, &name)
    }

    /// Checks that a bundle can be written to `path`: no folder is there yet.
    ///
    /// # Errors
    /// [`Error::Bundle`] where one is.
    pub fn check_output(path: &Path) -> Result<()> {
        if path.is_dir() || (path.exists() && !is_archive(path)) {
            return Err(Error::Bundle {
                bundle: path.display().to_string(),
                reason: "this exists already: remove it first, or give another name".into(),
            });
        }
        Ok(())
    }

    /// Every file by its name, the manifest first.
    fn into_files(self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut files = vec![(FILE_NAME.to_owned(), Vec::new())];
        let mut add = |name: &str, bytes: Vec<u8>| {
            let entry = FileEntry { file: name.into(), bytes: bytes.len() as u64, sha256: sha256(&bytes) };
            files.push((name.into(), bytes));
            entry
        };
        let restorer = add("restorer.f32.onnx", self.restorer);
        let (vlm, vlm_entry) = match self.vlm {
            Some((manifest, onnx)) => (Some(manifest), Some(add("vlm.f32.onnx", onnx))),
            None => (None, None),
        };
        let vectors: Weights = self
            .text_features
            .into_iter()
            .map(|matrix| (Prompts::TEXT_FEATURES.to_owned(), matrix.into_dyn()))
            .collect();
        let prompt_vectors = add("prompts.safetensors", to_safetensors(&vectors, None)?);
        let golden =
            self.golden.map(|golden| Ok(add("golden.safetensors", golden.to_bytes()?))).transpose()?;
        let card = self.card.map(|text| add("README.md", text.into_bytes()));
        let manifest = Manifest {
            format: Manifest::current_format(),
            name: self.name,
            version: self.version,
            created: today(),
            license: self.license,
            training_data: self.training_data,
            minimum_vlunet: semver::Version::new(0, 1, 0),
            config: self.config,
            vlm,
            variants: vec![Variant { dtype: Dtype::F32, restorer, vlm: vlm_entry }],
            prompts: self.prompts,
            prompt_vectors,
            golden,
            card,
        };
        files[0].1 = manifest_bytes(&manifest)?;
        Ok(files)
    }
}

/// The models of a bundle in one more number format.
pub struct NewVariant {
    /// The number format.
    pub dtype: Dtype,
    /// The restorer as ONNX.
    pub restorer: Vec<u8>,
    /// The VLM head's image tower as ONNX, where the bundle has a head.
    pub vlm: Option<Vec<u8>>,
}

impl NewVariant {
    /// Writes a bundle with this variant as its last, in the place of one of its dtype, to a new
    /// folder or a `.vlu` file.
    ///
    /// # Errors
    /// As [`Builder::write`], and where the bundle can't be read.
    pub fn add_to(self, bundle: &super::Bundle, path: &Path) -> Result<()> {
        Self::add_all(vec![self], bundle, path)
    }

    /// [`NewVariant::add_to`] of several, in their order.
    ///
    /// # Errors
    /// As [`NewVariant::add_to`].
    pub fn add_all(variants: Vec<Self>, bundle: &super::Bundle, path: &Path) -> Result<()> {
        Builder::check_output(path)?;
        let mut manifest = bundle.manifest().clone();
        manifest.variants.retain(|old| variants.iter().all(|new| new.dtype != old.dtype));
        let mut files = vec![(FILE_NAME.to_owned(), Vec::new())];
        for entry in manifest.entries() {
            files.push((entry.file.clone(), bundle.read(entry)?.into_owned()));
        }
        let mut add = |name: String, bytes: Vec<u8>| {
            let entry = FileEntry { file: name.clone(), bytes: bytes.len() as u64, sha256: sha256(&bytes) };
            files.push((name, bytes));
            entry
        };
        for Self { dtype, restorer, vlm } in variants {
            let restorer = add(format!("restorer.{dtype}.onnx"), restorer);
            let vlm = vlm.map(|onnx| add(format!("vlm.{dtype}.onnx"), onnx));
            manifest.variants.push(Variant { dtype, restorer, vlm });
        }
        files[0].1 = manifest_bytes(&manifest)?;
        write_files(&files, path)
    }
}

pub(super) fn manifest_bytes(manifest: &Manifest) -> Result<Vec<u8>> {
    let text = toml::to_string_pretty(manifest).map_err(|e| Error::Input(format!("manifest: {e}")))?;
    // What is written must read.
    Manifest::parse(text.as_bytes()).map_err(Error::Input)?;
    Ok(text.into_bytes())
}

fn write_files(files: &[(String, Vec<u8>)], path: &Path) -> Result<()> {
    let parent = parent_of(path);
    std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    if is_archive(path) {
        let files = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        return atomic_file::write_bytes(path, &files::to_archive(files)?);
    }
    let staging = tempfile::Builder::new()
        .prefix(".vlunet-")
        .tempdir_in(parent)
        .map_err(Error::io("create a folder in", parent))?;
    for (name, bytes) in files {
        atomic_file::write_bytes(&staging.path().join(name), bytes)?;
    }
    make_readable(staging.path())?;
    std::fs::rename(staging.path(), path).map_err(Error::io("create", path))
}

/// Whether a path names a packed bundle, by its extension `.vlu`.
pub fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "vlu")
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The date in UTC, or that of `SOURCE_DATE_EPOCH`, so that builds can be repeated.
fn today() -> String {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    let fixed = epoch.and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
    fixed.unwrap_or_else(time::OffsetDateTime::now_utc).date().to_string()
}

/// A temporary folder is for its owner alone; a bundle is for all.
fn make_readable(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder, open).map_err(Error::io("open up", folder))?;
    }
    Ok(())
}
