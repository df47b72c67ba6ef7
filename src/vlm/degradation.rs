//! The degradation vector d_I.

use crate::arch::DEGRADATION_DIM;
use crate::bundle::{Bundle, Prompts};
use crate::{Error, Result};
use ndarray::{ArrayView1, ArrayViewD, Axis};

/// d_I: what is wrong with a picture, as a vector of [`DEGRADATION_DIM`] finite numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Degradation(Vec<f32>);

impl Degradation {
    /// From the numbers of the vector.
    ///
    /// # Errors
    /// [`Error::Input`] where there are more or fewer than [`DEGRADATION_DIM`], or one isn't
    /// finite.
    pub fn new(vector: Vec<f32>) -> Result<Self> {
        if vector.len() != DEGRADATION_DIM {
            return Err(Error::Input(format!("d_I has {} numbers, not {DEGRADATION_DIM}", vector.len())));
        }
        if vector.iter().any(|x| !x.is_finite()) {
            return Err(Error::Input("d_I holds a NaN or an infinity".into()));
        }
        Ok(Self(vector))
    }

    /// The one that stands for a task or prompt of a bundle.
    ///
    /// # Errors
    /// [`Error::Input`] where the bundle doesn't know those words, or has no vector for them.
    pub fn for_task(bundle: &Bundle, words: &str) -> Result<Self> {
        let prompts = bundle.prompts()?;
        Self::of_prompt(&prompts, prompts.find(words)?)
    }

    /// The one that stands for the prompt of that index.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such prompt, or no vector for it.
    pub fn of_prompt(prompts: &Prompts, index: usize) -> Result<Self> {
        let vector = prompts.degradation(index);
        Self::new(
            vector.ok_or_else(|| Error::Input(format!("there is no vector for prompt {index}")))?.to_vec(),
        )
    }

    /// The vector.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// The vector as a model takes it, `[1, 512]`.
    pub fn as_row(&self) -> ArrayViewD<'_, f32> {
        ArrayView1::from(&self.0).insert_axis(Axis(0)).into_dyn()
    }
}
