//! A frame and what the restorer makes of it: the proof that a bundle works on a machine.

use crate::Result;
use crate::weights::{Weights, parse_safetensors, to_safetensors};
use ndarray::ArrayD;

/// A golden frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// Input picture `[1, 3, H, W]`, RGB in 0..=1.
    pub image: ArrayD<f32>,
    /// Input d_I `[1, 512]`.
    pub degradation: ArrayD<f32>,
    /// Expected output `[1, 3, H, W]` of the float32 restorer.
    pub restored: ArrayD<f32>,
}

impl Golden {
    /// Reads a golden frame from safetensors (`image`, `degradation`, `restored`).
    ///
    /// # Errors
    /// [`crate::Error::Weights`] where a tensor is missing or not finite.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let (tensors, _) = parse_safetensors(bytes, "the golden frame")?;
        tensors.check_finite()?;
        let tensor = |name: &str| tensors.get(name).cloned();
        Ok(Self {
            image: tensor("image")?,
            degradation: tensor("degradation")?,
            restored: tensor("restored")?,
        })
    }

    /// The bytes that [`Golden::parse`] reads.
    ///
    /// # Errors
    /// [`crate::Error::Weights`] where the format can't hold it.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let tensors: Weights = [
            ("image".to_owned(), self.image.clone()),
            ("degradation".to_owned(), self.degradation.clone()),
            ("restored".to_owned(), self.restored.clone()),
        ]
        .into_iter()
        .collect();
        to_safetensors(&tensors, None)
    }
}
