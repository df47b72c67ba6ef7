//! A model at fixed input shapes, ready to run.

use super::fused::{self, Network};
use super::{Input, tract};
use crate::{Error, Result};
use ndarray::{ArrayViewD, CowArray, IxDyn};
use std::time::Duration;

/// A block of a restorer, and what it cost in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What it is, and channels, width and height of what it takes.
    pub name: String,
    /// What it is: `MDTA`, `GDFN`, `D-GDM`, `conv`, …
    pub kind: &'static str,
    /// Multiply-accumulates of the layers that it stands for.
    pub macs: u64,
    /// How long it took.
    pub time: Duration,
}

/// A model at one set of input shapes. Weights are shared by all sessions of a model.
pub struct Session {
    engine: Engine,
}

enum Engine {
    Tract(tract::Session),
    Fused(Box<Fused>),
}

/// A restorer in fused blocks.
struct Fused {
    name: String,
    inputs: Vec<(String, Vec<usize>)>,
    session: fused::Session,
}

impl Session {
    pub(super) fn of_tract(session: tract::Session) -> Self {
        Self { engine: Engine::Tract(session) }
    }

    pub(super) fn of_fused(name: &str, inputs: Vec<(String, Vec<usize>)>, session: fused::Session) -> Self {
        Self { engine: Engine::Fused(Box::new(Fused { name: name.into(), inputs, session })) }
    }

    /// Runs the model on inputs given by name, in any order.
    ///
    /// What a fused restorer computes of the degradation alone is kept from run to run until that changes.
    ///
    /// # Errors
    /// [`Error::Model`] where an input is missing or of another shape than the session's, and
    /// where the engine fails.
    pub fn run(&mut self, inputs: &[(&str, Input<'_>)]) -> Result<Outputs<'_>> {
        match &mut self.engine {
            Engine::Tract(session) => session.run(inputs).map(|outputs| Outputs(Kind::Tract(outputs))),
            Engine::Fused(fused) => fused.run(inputs),
        }
    }

    /// Bytes that the session holds beside the weights, where they are known: a restorer in fused
    /// blocks takes all of its memory beforehand.
    pub fn memory(&mut self) -> Option<usize> {
        match &mut self.engine {
            Engine::Tract(_) => None,
            Engine::Fused(fused) => Some(fused.session.bytes()),
        }
    }

    /// The blocks of the newest run, in the order in which they ran; none where the model doesn't run
    /// in fused blocks.
    pub fn profile(&self) -> Vec<Block> {
        match &self.engine {
            Engine::Tract(_) => Vec::new(),
            Engine::Fused(fused) => fused.session.profile(),
        }
    }
}

impl Fused {
    fn run(&mut self, inputs: &[(&str, Input<'_>)]) -> Result<Outputs<'_>> {
        let Self { name: model, inputs: wanted, session } = self;
        let floats = |name: &str| -> Result<CowArray<'_, f32, IxDyn>> {
            let missing = || Error::Model(format!("{model} wants an input {name}"));
            let (_, shape) = wanted.iter().find(|(known, _)| known == name).ok_or_else(missing)?;
            let (_, input) = inputs.iter().find(|(given, _)| *given == name).ok_or_else(missing)?;
            match input {
                Input::F32(view) if view.shape() == shape => Ok(view.as_standard_layout()),
                _ => Err(Error::Model(format!(
                    "this session of {model} takes {name} of shape {shape:?}, not {:?}",
                    input.shape()
                ))),
            }
        };
        let (image, degradation) = (floats(Network::IMAGE)?, floats(Network::DEGRADATION)?);
        let unsorted = || Error::Model(format!("{model}: an input that lies apart"));
        let d = degradation.as_slice().ok_or_else(unsorted)?;
        let restored = session.run(image.as_slice().ok_or_else(unsorted)?, d)?;
        let shape = IxDyn(image.shape());
        let restored = ArrayViewD::from_shape(shape, restored)
            .map_err(|e| Error::Model(format!("the output of {model}: {e}")))?;
        Ok(Outputs(Kind::Fused { model, restored }))
    }
}

/// What a run gave.
pub struct Outputs<'a>(Kind<'a>);

enum Kind<'a> {
    Tract(tract::Outputs<'a>),
    Fused { model: &'a str, restored: ArrayViewD<'a, f32> },
}

impl Outputs<'_> {
    /// The output of that name.
    ///
    /// # Errors
    /// [`Error::Model`] where the model has none, or it isn't of floats.
    pub fn get(&self, name: &str) -> Result<ArrayViewD<'_, f32>> {
        match &self.0 {
            Kind::Tract(outputs) => outputs.get(name),
            Kind::Fused { restored, .. } if name == Network::RESTORED => Ok(restored.view()),
            Kind::Fused { model, .. } => {
                Err(Error::Model(format!("{model} has no output {name}; it has {}", Network::RESTORED)))
            }
        }
    }
}
