//! A model at fixed input shapes, ready to run.

use super::threads::{self, Pool};
use super::{error, guarded};
use crate::backend::Input;
use crate::{Error, Result};
use ndarray::ArrayViewD;
use tract_onnx::prelude::*;

/// A plan for one set of input shapes. Weights are shared by all runs.
pub struct Session {
    name: String,
    inputs: Vec<(String, Vec<usize>)>,
    outputs: Vec<String>,
    plan: Arc<TypedRunnableModel>,
    pool: Pool,
}

impl Session {
    pub(super) fn new(
        name: &str,
        inputs: Vec<(String, Vec<usize>)>,
        outputs: &[String],
        plan: Arc<TypedRunnableModel>,
        pool: Pool,
    ) -> Self {
        Self { name: name.into(), inputs, outputs: outputs.to_vec(), plan, pool }
    }

    /// Runs the model on inputs given by name, in any order.
    ///
    /// # Errors
    /// [`Error::Model`] where an input is missing or of another shape than the session's, and
    /// where the engine fails.
    pub fn run(&mut self, inputs: &[(&str, Input<'_>)]) -> Result<Outputs<'_>> {
        let mut values = TVec::new();
        for (name, shape) in &self.inputs {
            let (_, input) = inputs
                .iter()
                .find(|(given, _)| given == name)
                .ok_or_else(|| Error::Model(format!("{} wants an input {name}", self.name)))?;
            if input.shape() != shape {
                return Err(Error::Model(format!(
                    "this session of {} takes {name} of shape {shape:?}, not {:?}",
                    self.name,
                    input.shape()
                )));
            }
            let tensor: Tensor = match input {
                Input::F32(view) => view.to_owned().into(),
                Input::I64(view) => view.to_owned().into(),
            };
            values.push(tensor.into_tvalue());
        }
        let run = || threads::within(&self.pool, || self.plan.run(values));
        let values = guarded(&format!("running {}", self.name), run)?;
        Ok(Outputs { session: self, values })
    }
}

/// What a run gave.
pub struct Outputs<'a> {
    session: &'a Session,
    values: TVec<TValue>,
}

impl Outputs<'_> {
    /// The output of that name.
    ///
    /// # Errors
    /// [`Error::Model`] where the model has none, or it isn't of floats.
    pub fn get(&self, name: &str) -> Result<ArrayViewD<'_, f32>> {
        let Session { outputs, name: model, .. } = self.session;
        let index = outputs.iter().position(|output| output == name);
        let value = index.and_then(|index| self.values.get(index)).ok_or_else(|| {
            Error::Model(format!("{model} has no output {name}; it has {}", outputs.join(", ")))
        })?;
        value.to_plain_array_view::<f32>().map_err(|e| error(&format!("output {name} of {model}"), &e))
    }
}
