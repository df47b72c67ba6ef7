//! A file of tensors, opened but not yet read: names and shapes first, numbers on demand.

use super::elements::{ElementType, to_array};
use super::foreign_text::{brief, check_names};
use super::safetensors_file::{self, SafetensorsFile};
use crate::arch::Shapes;
use crate::{Error, Result};
use ndarray::ArrayD;
use pytorch_reader::{DType, PytorchError, PytorchReader};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::result::ZipError;

/// Where PyTorch Lightning and other trainers keep the tensors in a checkpoint.
const STATE_DICT_KEYS: [&str; 4] = ["state_dict", "model_state_dict", "model", "params"];

/// Tensors of one network may take this many times the file: a few may share a storage, and a
/// zip may be compressed.
const SHARING: u64 = 2;

/// The largest pickle that is parsed, in bytes. Parsing takes up to 90 times as much memory, and
/// a compressed one of 5 KB can be this large; the full network's has half a megabyte.
const MAX_PICKLE: u64 = 4 << 20;

/// How PyTorch's files have begun since 1.6. The older containers are refused: a tar or a bare
/// pickle of a kilobyte can ask for more memory than there is.
const ZIP: &[u8] = b"PK\x03\x04";

/// Tensors of a safetensors file or a PyTorch checkpoint (`.ckpt`, `.pth`, `.pt`).
///
/// Opening reads names and shapes alone; what else a checkpoint holds (optimizer state,
/// hyper-parameters, Python objects) is skipped, and none of its code ever runs.
pub struct Checkpoint {
    path: PathBuf,
    size: u64,
    container: Container,
}

enum Container {
    Pytorch(PytorchReader),
    Safetensors(SafetensorsFile),
}

impl Checkpoint {
    /// Opens a file; its content, not its name, says which format it is.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be read, [`Error::Weights`] where it is neither format or
    /// its index lies about what the file holds.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        if !metadata.is_file() {
            return Err(Error::Weights(format!(
                "{} is no file: give a .ckpt, .pth or .safetensors",
                path.display()
            )));
        }
        let mut start = Vec::new();
        (&mut file).take(9).read_to_end(&mut start).map_err(Error::io("read", path))?;
        // A safetensors file opens with the length of its JSON header, then the JSON.
        let container = if start.get(8) == Some(&b'{') {
            let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
            Container::Safetensors(SafetensorsFile::parse(bytes, &path.display().to_string())?)
        } else if start.starts_with(ZIP) {
            Container::Pytorch(open_pytorch(path)?)
        } else {
            return Err(Error::Weights(format!(
                "{} is neither a checkpoint of PyTorch 1.6 or newer nor a .safetensors",
                path.display()
            )));
        };
        Ok(Self { path: path.to_owned(), size: metadata.len(), container })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names and shapes of all tensors.
    ///
    /// # Errors
    /// [`Error::Weights`] where the index can't be read.
    pub fn shapes(&self) -> Result<Shapes> {
        Ok(match &self.container {
            Container::Pytorch(reader) => reader
                .tensors()
                .iter()
                .map(|(name, tensor)| (name.clone(), tensor.shape().to_vec()))
                .collect(),
            Container::Safetensors(file) => file.shapes(),
        })
    }

    /// Reads one tensor as float32.
    ///
    /// # Errors
    /// [`Error::Weights`] where there is none of that name, it isn't of floats, or the file
    /// doesn't hold the bytes that its index promises.
    pub fn read(&self, name: &str) -> Result<ArrayD<f32>> {
        match &self.container {
            Container::Pytorch(reader) => {
                let tensor = reader.get(name).ok_or_else(|| self.missing(name))?;
                let element = match tensor.dtype() {
                    DType::F64 => ElementType::F64,
                    DType::F32 => ElementType::F32,
                    DType::F16 => ElementType::F16,
                    DType::BF16 => ElementType::BF16,
                    other => return Err(self.not_floats(name, &format!("{other:?}"))),
                };
                // An expanded view (stride 0) can promise more than any file holds.
                let promised = tensor.byte_len();
                if promised as u64 > self.size {
                    return Err(Error::Weights(format!(
                        "{name} claims {promised} bytes, more than the whole file {} ({})",
                        self.name(),
                        self.size
                    )));
                }
                let bytes =
                    tensor.read().map_err(|e| Error::Weights(format!("{}: {}", self.name(), brief(e))))?;
                to_array(name, element, tensor.shape(), &bytes)
            }
            Container::Safetensors(file) => {
                let (dtype, shape, bytes) = file.get(name).ok_or_else(|| self.missing(name))?;
                let element = safetensors_file::element_type(dtype)
                    .ok_or_else(|| self.not_floats(name, &format!("{dtype:?}")))?;
                to_array(name, element, shape, bytes)
            }
        }
    }

    /// Checks that these tensors together claim no more than the file can hold: tensors that
    /// share a storage can claim it over and over.
    pub(super) fn check_claims<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<()> {
        // Tensors of a safetensors file don't overlap.
        let Container::Pytorch(reader) = &self.container else { return Ok(()) };
        let sizes = names.filter_map(|name| reader.get(name)).map(|tensor| tensor.byte_len() as u64);
        let claimed = sizes.fold(0, u64::saturating_add);
        if claimed > SHARING.saturating_mul(self.size) {
            return Err(Error::Weights(format!(
                "the tensors of {} claim {claimed} bytes, more than {SHARING} times the whole file ({})",
                self.name(),
                self.size
            )));
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn missing(&self, name: &str) -> Error {
        Error::Weights(format!("{name} is missing in {}", self.name()))
    }

    fn not_floats(&self, name: &str, dtype: &str) -> Error {
        Error::Weights(format!("{name} of {} holds {dtype}, not floats", self.name()))
    }
}

fn open_pytorch(path: &Path) -> Result<PytorchReader> {
    let name = path.display().to_string();
    let fail = |e: PytorchError| Error::Weights(format!("{name} can't be read: {}", brief(e)));
    let checked = |reader: PytorchReader| {
        check_names(reader.tensors().keys().map(String::as_str), &name)?;
        Ok(reader)
    };
    check_pickle(path)?;
    for key in STATE_DICT_KEYS {
        match PytorchReader::with_top_level_key(path, key) {
            Ok(reader) if !reader.is_empty() => return checked(reader),
            // The tensors may lie under another key, or under none.
            Ok(_) | Err(PytorchError::KeyNotFound(_) | PytorchError::InvalidFormat(_)) => {}
            Err(e) => return Err(fail(e)),
        }
    }
    let reader = PytorchReader::new(path).map_err(fail)?;
    if reader.is_empty() {
        return Err(Error::Weights(format!("{name} holds no tensors")));
    }
    checked(reader)
}

/// Refuses a zip whose pickle is larger than [`MAX_PICKLE`].
fn check_pickle(path: &Path) -> Result<()> {
    let name = path.display();
    let fail = |e: ZipError| Error::Weights(format!("{name} can't be read: {}", brief(e)));
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(fail)?;
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(fail)?;
        if entry.name().map_err(fail)?.ends_with("data.pkl") && entry.size() > MAX_PICKLE {
            return Err(Error::Weights(format!(
                "the pickle of {name} has {} bytes, more than the {MAX_PICKLE} that any network needs",
                entry.size()
            )));
        }
    }
    Ok(())
}
