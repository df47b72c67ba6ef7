//! A build without TensorRT: there is no GPU.

use super::super::{Input, Options, Outputs, Session};
use super::{Built, OnStep, Search};
use crate::bundle::Dtype;
use crate::{Error, Result};
use std::borrow::Cow;

/// A GPU with a TensorRT for it; there is none in this build.
#[derive(Clone)]
pub enum Gpu {}

impl Gpu {
    /// The GPU of this machine.
    ///
    /// # Errors
    /// [`Error::Gpu`]: this build has no TensorRT.
    pub fn open() -> Result<Self> {
        Err(Error::Gpu(
            "this build has no TensorRT: take a package for a Jetson, or build with --features tensorrt"
                .into(),
        ))
    }

    /// Whether an error of [`Gpu::open`] is no more than that this machine has no GPU.
    pub fn is_expected() -> bool {
        true
    }

    /// What it is, for people.
    pub fn describe(&self) -> String {
        match *self {}
    }

    /// The same with its CUDA, memory and DLA cores.
    pub fn details(&self) -> String {
        match *self {}
    }

    /// The variant of a bundle whose file an engine of that number format is built from.
    pub fn variant(&self, _: Dtype) -> Dtype {
        match *self {}
    }
}

/// A model on a GPU.
pub enum GpuModel {}

impl GpuModel {
    /// A model for engines of that number format.
    ///
    /// # Errors
    /// [`Error::Gpu`] where engines can't be kept.
    pub fn new(gpu: Gpu, _: Cow<'static, [u8]>, _: Dtype, _: &Options) -> Result<Self> {
        match gpu {}
    }

    /// The number format that its engines compute in.
    pub fn dtype(&self) -> Dtype {
        match *self {}
    }

    /// What runs it, for people.
    pub fn describe(&self) -> String {
        match *self {}
    }

    /// Makes the model ready for inputs of these shapes; none where there is no engine for them and none
    /// is to be built.
    ///
    /// # Errors
    /// [`Error::Gpu`] where the engine can't be built or run.
    pub fn session(&self, _: &[(&str, &[usize])]) -> Result<Option<Session>> {
        match *self {}
    }

    /// Builds the engine for inputs of these shapes, where it isn't there; none where `on_step` stopped
    /// it.
    ///
    /// # Errors
    /// As [`GpuModel::session`].
    pub fn build(&self, _: &[(&str, &[usize])], _: &Search, _: OnStep<'_>) -> Result<Option<Built>> {
        match *self {}
    }
}

/// An engine at work.
pub(in crate::backend) enum GpuSession {}

impl GpuSession {
    pub(in crate::backend) fn run(&mut self, _: &[(&str, Input<'_>)]) -> Result<Outputs<'_>> {
        match *self {}
    }

    pub(in crate::backend) fn output(&self, _: &str) -> Result<ndarray::ArrayViewD<'_, f32>> {
        match *self {}
    }
}
