//! What an image tower computes, as it was read out of the graph of its file.

use super::super::program::{Layer, Norm, Weights};

/// An image tower: stages, each on what the one before gave; the mean and the logarithm of the variance
/// of each channel of each stage in one row; and steps on that row.
#[derive(Clone, Debug)]
pub(crate) struct Tower {
    /// The input's name; it is `[1, channels, height, width]`.
    pub(crate) image: String,
    /// The output's; it is `[1, ..]`.
    pub(crate) feature: String,
    pub(in super::super) height: usize,
    pub(in super::super) width: usize,
    pub(in super::super) stages: Vec<Stage>,
    pub(in super::super) steps: Vec<RowStep>,
}

/// Patches, and blocks on them.
#[derive(Clone, Debug)]
pub(in super::super) struct Stage {
    /// Before the patches are taken, of each pixel.
    pub(in super::super) norm: Option<Norm>,
    pub(in super::super) patches: Patches,
    pub(in super::super) blocks: Vec<Block>,
    /// What is added to a variance before its logarithm.
    pub(in super::super) epsilon: f32,
}

/// A convolution whose stride is its kernel's side.
#[derive(Clone, Debug)]
pub(in super::super) struct Patches {
    pub(in super::super) side: usize,
    /// As many taps as the kernel has.
    pub(in super::super) layer: Layer,
    /// Of floats: one for each output, or none at all.
    pub(in super::super) bias: Vec<f32>,
}

/// x + project·ReLU(expand·norm(depthwise(x))). Its layers are all of floats or all of bytes.
#[derive(Clone, Debug)]
pub(in super::super) struct Block {
    /// 3×3, one for each channel.
    pub(in super::super) depthwise: Layer,
    pub(in super::super) norm: Norm,
    /// Its outputs are coded as the next takes them.
    pub(in super::super) expand: Layer,
    pub(in super::super) project: Layer,
}

/// What becomes of a row of numbers.
#[derive(Clone, Debug)]
pub(in super::super) enum RowStep {
    /// LayerNorm over all of them.
    Norm(Norm),
    Linear {
        /// `[inputs, outputs]`; those of bytes have no bias of their own.
        weights: Weights,
        /// One for each output.
        bias: Vec<f32>,
    },
    Gelu,
}
