//! Tensors by name: read from safetensors and, safely, from PyTorch checkpoints; written as
//! safetensors.
//!
//! ```no_run
//! use vlunet::weights::{Checkpoint, read_restorer};
//!
//! let checkpoint = Checkpoint::open("last.ckpt".as_ref())?;
//! let (config, weights) = read_restorer(&checkpoint)?;
//! println!("{config:?}: {} tensors", weights.len());
//! # Ok::<(), vlunet::Error>(())
//! ```

mod authors;
mod checkpoint;
mod clip;
mod elements;
mod foreign_text;
mod safetensors_file;

pub use authors::{read_restorer, read_vlm, restorer_config};
pub use checkpoint::Checkpoint;
pub use clip::read_clip;
pub(crate) use foreign_text::brief;
pub use safetensors_file::{parse_safetensors, read_safetensors, to_safetensors};

use crate::{Error, Result};
use ndarray::ArrayD;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The tensors of a network, in float32, by their names in the table of parameters
/// ([`crate::arch`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    tensors: BTreeMap<String, ArrayD<f32>>,
}

impl Weights {
    /// The tensor of that name.
    ///
    /// # Errors
    /// [`Error::Weights`] where there is none.
    pub fn get(&self, name: &str) -> Result<&ArrayD<f32>> {
        self.tensors.get(name).ok_or_else(|| Error::Weights(format!("{name} is missing")))
    }

    /// Adds or replaces a tensor.
    pub fn insert(&mut self, name: impl Into<String>, tensor: ArrayD<f32>) {
        self.tensors.insert(name.into(), tensor);
    }

    /// Names and tensors, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ArrayD<f32>)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is no tensor at all.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// SHA-256 of all names, shapes and numbers, in hexadecimal digits: the same for the same
    /// weights, whatever file they came from.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for (name, tensor) in &self.tensors {
            hash.update(format!("{name} {:?}\n", tensor.shape()));
            let bytes: Vec<[u8; 4]> = tensor.iter().map(|x| x.to_le_bytes()).collect();
            hash.update(bytes.as_flattened());
        }
        hex(&hash.finalize())
    }

    /// Checks that every number is finite.
    ///
    /// # Errors
    /// [`Error::Weights`] names the first tensor that holds a NaN or an infinity.
    pub fn check_finite(&self) -> Result<()> {
        for (name, tensor) in &self.tensors {
            let broken = tensor.iter().filter(|value| !value.is_finite()).count();
            if broken > 0 {
                return Err(Error::Weights(format!(
                    "{name} holds {broken} NaN or infinite values of {}: the training that made it has diverged",
                    tensor.len()
                )));
            }
        }
        Ok(())
    }
}

impl FromIterator<(String, ArrayD<f32>)> for Weights {
    fn from_iter<I: IntoIterator<Item = (String, ArrayD<f32>)>>(tensors: I) -> Self {
        Self { tensors: tensors.into_iter().collect() }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
