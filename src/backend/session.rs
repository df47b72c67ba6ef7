//! A model at fixed input shapes, ready to run.

use super::fused::tower;
use super::fused::{self, Network};
use super::gpu::GpuSession;
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
    #[cfg_attr(
        not(all(feature = "tensorrt", target_os = "linux")),
        expect(dead_code, reason = "there is no GPU then")
    )]
    Gpu(Box<GpuSession>),
}

/// A model in fused blocks.
struct Fused {
    name: String,
    inputs: Vec<Shaped>,
    output: String,
    blocks: Blocks,
}

/// The blocks of a model.
pub(super) enum Blocks {
    Restorer(fused::Session),
    /// Of the image tower of a VLM head.
    Head(tower::Session),
}

/// An input's name and shape.
type Shaped = (String, Vec<usize>);

impl Session {
    pub(super) fn of_tract(session: tract::Session) -> Self {
        Self { engine: Engine::Tract(session) }
    }

    #[cfg(all(feature = "tensorrt", target_os = "linux"))]
    pub(super) fn of_gpu(session: GpuSession) -> Self {
        Self { engine: Engine::Gpu(Box::new(session)) }
    }

    pub(super) fn of_fused(name: &str, inputs: Vec<Shaped>, output: &str, blocks: Blocks) -> Self {
        let fused = Fused { name: name.into(), inputs, output: output.into(), blocks };
        Self { engine: Engine::Fused(Box::new(fused)) }
    }

    /// Runs the model on inputs given by name, in any order.
    ///
    /// What a fused restorer computes of the degradation alone is kept from run to run until that changes.
    ///
    /// # Errors
    /// [`Error::Model`] where an input is missing or of another shape than the session's, and
    /// where the engine fails; [`Error::Gpu`] where a GPU does.
    pub fn run(&mut self, inputs: &[(&str, Input<'_>)]) -> Result<Outputs<'_>> {
        match &mut self.engine {
            Engine::Tract(session) => session.run(inputs).map(|outputs| Outputs(Kind::Tract(outputs))),
            Engine::Fused(fused) => fused.run(inputs),
            Engine::Gpu(session) => session.run(inputs),
        }
    }

    /// Whether a GPU runs it.
    pub fn is_on_gpu(&self) -> bool {
        matches!(self.engine, Engine::Gpu(_))
    }

    /// Bytes that the session holds beside the weights, where they are known: a model in fused
    /// blocks takes all of its memory beforehand.
    pub fn memory(&mut self) -> Option<usize> {
        match &mut self.engine {
            Engine::Tract(_) | Engine::Gpu(_) => None,
            Engine::Fused(fused) => Some(match &mut fused.blocks {
                Blocks::Restorer(session) => session.bytes(),
                Blocks::Head(session) => session.bytes(),
            }),
        }
    }

    /// The blocks of the newest run, in the order in which they ran; none where the model is no
    /// restorer in fused blocks.
    pub fn profile(&self) -> Vec<Block> {
        match &self.engine {
            Engine::Fused(fused) => match &fused.blocks {
                Blocks::Restorer(session) => session.profile(),
                Blocks::Head(_) => Vec::new(),
            },
            Engine::Tract(_) | Engine::Gpu(_) => Vec::new(),
        }
    }
}

impl Fused {
    fn run(&mut self, inputs: &[(&str, Input<'_>)]) -> Result<Outputs<'_>> {
        let Self { name: model, inputs: wanted, output, blocks } = self;
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
        let unsorted = || Error::Model(format!("{model}: an input that lies apart"));
        let (shape, value) = match blocks {
            Blocks::Restorer(session) => {
                let (image, degradation) = (floats(Network::IMAGE)?, floats(Network::DEGRADATION)?);
                let d = degradation.as_slice().ok_or_else(unsorted)?;
                let restored = session.run(image.as_slice().ok_or_else(unsorted)?, d);
                (IxDyn(image.shape()), restored)
            }
            Blocks::Head(session) => {
                let image = floats(session.image())?;
                let feature = session.run(image.as_slice().ok_or_else(unsorted)?);
                (IxDyn(&[1, feature.len()]), feature)
            }
        };
        let value = ArrayViewD::from_shape(shape, value)
            .map_err(|e| Error::Model(format!("the output of {model}: {e}")))?;
        Ok(Outputs(Kind::Fused { model, output, value }))
    }
}

/// What a run gave.
pub struct Outputs<'a>(Kind<'a>);

enum Kind<'a> {
    Tract(tract::Outputs<'a>),
    Fused {
        model: &'a str,
        output: &'a str,
        value: ArrayViewD<'a, f32>,
    },
    #[cfg_attr(
        not(all(feature = "tensorrt", target_os = "linux")),
        expect(dead_code, reason = "there is no GPU then")
    )]
    Gpu(&'a GpuSession),
}

#[cfg(all(feature = "tensorrt", target_os = "linux"))]
impl<'a> Outputs<'a> {
    pub(super) fn of_gpu(session: &'a GpuSession) -> Self {
        Self(Kind::Gpu(session))
    }
}

impl Outputs<'_> {
    /// The output of that name.
    ///
    /// # Errors
    /// [`Error::Model`] where the model has none, or it isn't of floats.
    pub fn get(&self, name: &str) -> Result<ArrayViewD<'_, f32>> {
        match &self.0 {
            Kind::Tract(outputs) => outputs.get(name),
            Kind::Gpu(session) => session.output(name),
            Kind::Fused { output, value, .. } if name == *output => Ok(value.view()),
            Kind::Fused { model, output, .. } => {
                Err(Error::Model(format!("{model} has no output {name}; it has {output}")))
            }
        }
    }
}
