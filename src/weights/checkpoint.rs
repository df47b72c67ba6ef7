//! A file of tensors, opened but not yet read: names and shapes first, numbers on demand.

use super::elements::{ElementType, to_array};
use super::safetensors_file;
use crate::arch::Shapes;
use crate::error::one_line;
use crate::{Error, Result};
use ndarray::ArrayD;
use pytorch_reader::{DType, PytorchReader};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where PyTorch Lightning and other trainers keep the tensors in a checkpoint.
const STATE_DICT_KEYS: [&str; 4] = ["state_dict", "model_state_dict", "model", "params"];

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
    Safetensors(Vec<u8>),
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
            safetensors_file::parse(&bytes, &path.display().to_string())?;
            Container::Safetensors(bytes)
        } else {
            Container::Pytorch(open_pytorch(path)?)
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
            Container::Safetensors(bytes) => safetensors_file::parse(bytes, &self.name())?
                .iter()
                .map(|(name, view)| (name.to_owned(), view.shape().to_vec()))
                .collect(),
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
                let bytes = tensor
                    .read()
                    .map_err(|e| Error::Weights(format!("{}: {}", self.name(), one_line(&e.to_string()))))?;
                to_array(name, element, tensor.shape(), &bytes)
            }
            Container::Safetensors(bytes) => {
                let file = safetensors_file::parse(bytes, &self.name())?;
                let view = file.tensor(name).map_err(|_| self.missing(name))?;
                let element = safetensors_file::element_type(view.dtype())
                    .ok_or_else(|| self.not_floats(name, &format!("{:?}", view.dtype())))?;
                to_array(name, element, view.shape(), view.data())
            }
        }
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
    for key in STATE_DICT_KEYS {
        if let Ok(reader) = PytorchReader::with_top_level_key(path, key)
            && !reader.is_empty()
        {
            return Ok(reader);
        }
    }
    let reader = PytorchReader::new(path).map_err(|e| {
        Error::Weights(format!("{} can't be read: {}", path.display(), one_line(&e.to_string())))
    })?;
    if reader.is_empty() {
        return Err(Error::Weights(format!("{} holds no tensors", path.display())));
    }
    Ok(reader)
}
