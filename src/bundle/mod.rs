//! The unit that is shipped and updated: a manifest, the models as ONNX, the prompts, and a
//! golden frame to test the whole with.
//!
//! A bundle is a folder, the same as one `.vlu` file (a tar), or compiled into the program.
//! Every file is checked against its SHA-256 in the manifest before it is used.
//!
//! ```no_run
//! use vlunet::bundle::Bundle;
//!
//! let bundle = Bundle::find("nano")?;
//! println!("{} {}", bundle.manifest().name, bundle.manifest().version);
//! # Ok::<(), vlunet::Error>(())
//! ```

pub(crate) mod builder;
#[cfg(feature = "embedded-model")]
mod embedded;
mod files;
mod golden;
mod manifest;
mod prompts;

pub use builder::{Builder, NewVariant, is_archive};
pub use golden::Golden;
pub use manifest::{Crops, Dtype, FileEntry, Manifest, Preprocessing, Variant, VlmManifest};
pub use prompts::{Prompt, Prompts, Task};

pub(crate) use files::{MAX_BYTES as MAX_PACKED_BYTES, MAX_FILES as MAX_PACKED_FILES, is_plain};
pub(crate) use manifest::{FILE_NAME as MANIFEST, MAX_BYTES as MAX_MANIFEST_BYTES, SIGNATURE_NAME};

use crate::{Error, Result, cpu};
use files::Files;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Name of the bundle that the program carries.
pub const DEFAULT_BUNDLE: &str = "nano";

/// Where a device keeps the models that were installed on it (docs/updates.md).
pub const STORE: &str = "/var/lib/vlunet/models";

/// What the name of an installed model begins with, as in `installed:nano`.
pub const INSTALLED: &str = "installed:";

/// A bundle whose manifest has been read and checked.
pub struct Bundle {
    origin: String,
    manifest: Manifest,
    files: Files,
}

impl Bundle {
    /// The embedded bundle by its name, the one that is installed ([`INSTALLED`] and its name), or
    /// the one at a path (a folder or a `.vlu` file).
    ///
    /// The name comes first: whatever lies in the working directory, `nano` is the embedded one
    /// and `./nano` a folder.
    ///
    /// # Errors
    /// [`Error::Bundle`] where there is none, or its manifest is missing, unreadable, of
    /// another format or for a newer program; [`Error::Io`] where it can't be read.
    pub fn find(name_or_path: &str) -> Result<Self> {
        #[cfg(feature = "embedded-model")]
        if name_or_path == DEFAULT_BUNDLE {
            return embedded::bundle();
        }
        if let Some(name) = name_or_path.strip_prefix(INSTALLED) {
            let path = Self::installed_path(name);
            let none = || Error::Bundle {
                bundle: name_or_path.into(),
                reason: format!("no model of that name is installed in {STORE}"),
            };
            return if path.is_dir() { Self::open(&path) } else { Err(none()) };
        }
        let path = Path::new(name_or_path);
        if path.exists() {
            return Self::open(path);
        }
        let known = if cfg!(feature = "embedded-model") { DEFAULT_BUNDLE } else { "none in this build" };
        Err(Error::Bundle {
            bundle: name_or_path.into(),
            reason: format!(
                "there is no such folder or .vlu file, and no embedded model of that name ({known})"
            ),
        })
    }

    /// The link to the version of an installed model that runs.
    pub fn installed_path(name: &str) -> PathBuf {
        Path::new(STORE).join(name).join("current")
    }

    /// The bundle in a folder or a `.vlu` file.
    ///
    /// # Errors
    /// As [`Bundle::find`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::with_files(path.display().to_string(), Files::open(path)?)
    }

    /// The bundle in the bytes of a `.vlu` file; `origin` stands for it in messages.
    ///
    /// # Errors
    /// As [`Bundle::find`].
    pub fn from_archive(bytes: &[u8], origin: &str) -> Result<Self> {
        Self::with_files(origin.into(), Files::from_archive(bytes, origin)?)
    }

    fn with_files(origin: String, files: Files) -> Result<Self> {
        let fail = |reason: String| Error::Bundle { bundle: origin.clone(), reason };
        let text = files.read(manifest::FILE_NAME, manifest::MAX_BYTES).map_err(|e| fail(e.to_string()))?;
        let manifest = Manifest::parse(&text).map_err(fail)?;
        Ok(Self { origin, manifest, files })
    }

    /// Where the bundle came from, for people.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What the bundle holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The folder that it lies in, without links; none where it is packed or embedded.
    pub fn folder(&self) -> Option<PathBuf> {
        match &self.files {
            Files::Folder(folder) => Some(folder.canonicalize().unwrap_or_else(|_| folder.clone())),
            Files::Memory(_) => None,
        }
    }

    /// The bytes of the manifest, which a signature is of.
    ///
    /// # Errors
    /// [`Error::Bundle`] where they can't be read any more.
    pub fn manifest_text(&self) -> Result<Cow<'static, [u8]>> {
        self.files.read(manifest::FILE_NAME, manifest::MAX_BYTES).map_err(|e| self.fail(e.to_string()))
    }

    /// The bytes of the manifest's signature, which nobody has checked, where it has one.
    ///
    /// # Errors
    /// [`Error::Bundle`] where they can't be read, or are too many for one.
    pub fn signature(&self) -> Result<Option<Cow<'static, [u8]>>> {
        if !self.files.has(SIGNATURE_NAME) {
            return Ok(None);
        }
        let read = self.files.read(SIGNATURE_NAME, manifest::MAX_SIGNATURE_BYTES);
        read.map(Some).map_err(|e| self.fail(e.to_string()))
    }

    /// The bytes of a file of the manifest, checked against its size and hash.
    ///
    /// # Errors
    /// [`Error::Bundle`] where the file is missing or not what the manifest says.
    pub fn read(&self, entry: &FileEntry) -> Result<Cow<'static, [u8]>> {
        let bytes = self.files.read(&entry.file, entry.bytes).map_err(|e| self.fail(e.to_string()))?;
        let found = builder::sha256(&bytes);
        if bytes.len() as u64 != entry.bytes || found != entry.sha256 {
            return Err(self.fail(format!(
                "{} is not the file that the manifest describes (SHA-256 {found}, {} bytes): get the bundle again",
                entry.file,
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    /// The variant of that dtype, or the best one for this machine.
    ///
    /// # Errors
    /// [`Error::Bundle`] where there is none of that dtype.
    pub fn variant(&self, dtype: Option<Dtype>) -> Result<&Variant> {
        let variants = &self.manifest.variants;
        let of = |dtype: Dtype| variants.iter().find(|variant| variant.dtype == dtype);
        let found = match dtype {
            Some(dtype) => of(dtype),
            None => preference(cpu::computes_in_f16()).into_iter().find_map(of),
        };
        found.ok_or_else(|| {
            let known: Vec<String> = variants.iter().map(|variant| variant.dtype.to_string()).collect();
            // Packages leave it out of the program.
            let embedded_alone = !cfg!(feature = "embedded-f32") && self.origin.ends_with("(embedded)");
            let elsewhere = "; packages have the others: --model /usr/share/vlunet/models/nano";
            self.fail(format!(
                "no {} variant; it has {}{}",
                dtype.map_or("usable".into(), |d| d.to_string()),
                known.join(", "),
                if embedded_alone { elsewhere } else { "" }
            ))
        })
    }

    /// The prompts and their vectors.
    ///
    /// # Errors
    /// [`Error::Bundle`] where their file is missing, altered or doesn't fit the manifest.
    pub fn prompts(&self) -> Result<Prompts> {
        let bytes = self.read(&self.manifest.prompt_vectors)?;
        Prompts::parse(&self.manifest.prompts, &bytes).map_err(|reason| self.fail(reason))
    }

    /// The golden frame, where the bundle has one.
    ///
    /// # Errors
    /// [`Error::Bundle`] where its file is missing, altered or incomplete.
    pub fn golden(&self) -> Result<Option<Golden>> {
        let Some(entry) = &self.manifest.golden else { return Ok(None) };
        let bytes = self.read(entry)?;
        Golden::parse(&bytes).map(Some).map_err(|e| self.fail(e.to_string()))
    }

    /// Reads every file that the manifest names and checks it.
    ///
    /// # Errors
    /// As [`Bundle::read`], for the first file that fails.
    pub fn verify(&self) -> Result<()> {
        for entry in self.manifest.entries() {
            self.read(entry)?;
        }
        self.prompts()?;
        self.golden()?;
        Ok(())
    }

    /// The whole bundle as the bytes of a `.vlu` file; the same bundle gives the same bytes. Its
    /// signature goes with it.
    ///
    /// # Errors
    /// As [`Bundle::verify`].
    pub fn to_archive(&self) -> Result<Vec<u8>> {
        let signature = self.signature()?;
        self.to_archive_with(signature.as_deref())
    }

    /// [`Self::to_archive`] with this signature.
    ///
    /// # Errors
    /// As [`Bundle::verify`].
    pub fn to_archive_with(&self, signature: Option<&[u8]>) -> Result<Vec<u8>> {
        let mut files = vec![(manifest::FILE_NAME, self.manifest_text()?)];
        // First of the rest: who reads a stream knows whether to go on.
        files.extend(signature.map(|bytes| (SIGNATURE_NAME, bytes.to_vec().into())));
        for entry in self.manifest.entries() {
            // Two variants may share a file.
            if files.iter().all(|(name, _)| *name != entry.file) {
                files.push((&entry.file, self.read(entry)?));
            }
        }
        files::to_archive(files.iter().map(|(name, bytes)| (*name, bytes.as_ref())))
    }

    fn fail(&self, reason: String) -> Error {
        Error::Bundle { bundle: self.origin.clone(), reason }
    }
}

/// The number formats, the one that a CPU runs fastest first. Float16 is half of float32's work
/// where a CPU computes in it; elsewhere it runs as float32, with rounded weights.
fn preference(computes_in_f16: bool) -> [Dtype; 3] {
    if computes_in_f16 {
        [Dtype::Int8, Dtype::F16, Dtype::F32]
    } else {
        [Dtype::Int8, Dtype::F32, Dtype::F16]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::VluNetConfig;
    use semver::Version;

    /// A bundle whose models are no models, in these formats beside float32.
    fn bundle(folder: &Path, dtypes: &[Dtype]) -> Bundle {
        let builder = Builder {
            name: "tiny".into(),
            version: Version::new(1, 0, 0),
            license: "CC0-1.0".into(),
            training_data: "none".into(),
            config: VluNetConfig::nano(),
            restorer: b"f32".to_vec(),
            vlm: None,
            prompts: vec![Prompt { text: "haze".into(), task: Task::Dehaze }],
            text_features: None,
            golden: None,
            card: None,
        };
        builder.write(&folder.join("f32.vlu")).unwrap();
        let bundle = Bundle::open(&folder.join("f32.vlu")).unwrap();
        let new =
            |dtype: &Dtype| NewVariant { dtype: *dtype, restorer: dtype.to_string().into_bytes(), vlm: None };
        NewVariant::add_all(dtypes.iter().map(new).collect(), &bundle, &folder.join("all.vlu")).unwrap();
        Bundle::open(&folder.join("all.vlu")).unwrap()
    }

    #[test]
    fn the_variant_that_this_machine_runs_best_is_chosen_wherever_it_stands() {
        use Dtype::{F16, F32, Int8};
        assert_eq!(preference(true), [Int8, F16, F32]);
        assert_eq!(preference(false), [Int8, F32, F16]);
        let folder = tempfile::tempdir().unwrap();
        let float = if cpu::computes_in_f16() { F16 } else { F32 };
        for (dtypes, best) in [(&[][..], F32), (&[F16], float), (&[F16, Int8], Int8), (&[Int8, F16], Int8)] {
            let bundle = bundle(folder.path(), dtypes);
            assert_eq!(bundle.variant(None).unwrap().dtype, best, "{dtypes:?}");
            for dtype in dtypes.iter().chain(&[F32]) {
                let variant = bundle.variant(Some(*dtype)).unwrap();
                assert_eq!(variant.dtype, *dtype);
                assert_eq!(*bundle.read(&variant.restorer).unwrap(), *dtype.to_string().as_bytes());
            }
        }
        let missing = bundle(folder.path(), &[F16]).variant(Some(Int8)).unwrap_err().to_string();
        assert!(missing.contains("no int8 variant; it has f32, f16"), "{missing}");
    }
}
