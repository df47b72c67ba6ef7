//! What a restorer computes, block by block, as it was read out of the graph of its file.
//!
//! Numbers are in the file's order: convolutions `[outputs, inputs, kernel]`, row by row. Nothing
//! here knows a picture's size or how a block is computed.

pub(crate) use crate::backend::reader::Code;

/// A restorer in blocks.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// All values, by their numbers.
    pub(crate) values: Vec<Extent>,
    /// In the order in which they run.
    pub(crate) steps: Vec<Step>,
    /// The value that holds the input picture.
    pub(crate) image: Value,
    /// The value that holds the output picture.
    pub(crate) restored: Value,
}

/// The number of a value.
pub(crate) type Value = usize;

/// A value is `[1, channels, H / shrink, W / shrink]`, H and W the picture's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) channels: usize,
    pub(crate) shrink: usize,
}

/// What makes one value of others.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// PixelUnshuffle.
    Unshuffle { from: Value, to: Value, factor: usize },
    /// A convolution of 1×1 or 3×3, floats out (those of its code, if it has one), and what moves its
    /// pixels; `add` is added at the end.
    Conv { from: Value, to: Value, layer: Layer, resample: Resample, add: Option<Value> },
    /// Channels behind each other.
    Concat { parts: Vec<Value>, to: Value },
    /// to = x + attention(norm(x)).
    Attend { x: Value, to: Value, norm: Norm, attention: Attention },
    /// to = x + gdfn(norm(x)).
    Feed { x: Value, to: Value, norm: Norm, gdfn: Gdfn },
    /// to = x - r·phit(phi(x, prompt) - y).
    Gradient { x: Value, y: Value, to: Value, prompt: Prompt, phi: Attention, phit: Attention, r: f32 },
}

/// Where the pixels of a convolution go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resample {
    Keep,
    /// PixelUnshuffle by that factor.
    Unshuffle(usize),
    /// PixelShuffle by that factor.
    Shuffle(usize),
}

/// A convolution without strides that keeps the size: 1×1, 3×3 or depthwise 3×3.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) outputs: usize,
    /// Channels that one output is made of; 1 where it is depthwise.
    pub(crate) inputs: usize,
    /// 1 or 9.
    pub(crate) taps: usize,
    pub(crate) weights: Weights,
    /// How its outputs are coded; none for floats.
    pub(crate) output: Option<Code>,
}

/// The numbers of a layer.
#[derive(Clone, Debug)]
pub(crate) enum Weights {
    /// Of floats for floats.
    Float(Vec<f32>),
    /// Of bytes for bytes: weights are `values` times the `scales` of their output.
    Int {
        values: Vec<i8>,
        scales: Vec<f32>,
        /// In steps of input scale times weight scale, one for each output.
        bias: Vec<i32>,
        /// How the inputs are coded.
        input: Code,
    },
}

/// LayerNorm over the channels.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    pub(crate) gain: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) epsilon: f32,
}

/// An attention over channels: MDTA, or the cross attention Φ.
///
/// Its layers are all of floats or all of bytes. The output projection and what `k` is made by are
/// given as floats in both cases: the one is folded into the map, the other computed once for
/// each degradation.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    pub(crate) heads: usize,
    /// 1×1: to q, k, v, or, where k comes from a prompt, to q, v.
    pub(crate) point: Layer,
    /// Depthwise 3×3 over these.
    pub(crate) depthwise: Layer,
    /// k, where it comes from a prompt.
    pub(crate) key: Option<Key>,
    /// One for each head.
    pub(crate) temperature: Vec<f32>,
    /// `[channels, channels]`.
    pub(crate) project_out: Vec<f32>,
    /// Of the output projection; zeros where layers are of floats.
    pub(crate) project_bias: Vec<f32>,
    /// What the length of a row is at least.
    pub(crate) epsilon: f32,
}

/// k of a cross attention: depthwise 3×3 over 1×1 of the prompt.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// `[channels, prompt channels]`.
    pub(crate) point: Vec<f32>,
    pub(crate) point_bias: Vec<f32>,
    /// `[channels, 9]`.
    pub(crate) depthwise: Vec<f32>,
    pub(crate) depthwise_bias: Vec<f32>,
    /// How k is coded; none for floats.
    pub(crate) output: Option<Code>,
}

/// A gated feed-forward network. Its layers are all of floats or all of bytes, or the last alone
/// is of floats, which then takes the gate's as they are; there the depthwise layer of bytes may give
/// floats.
#[derive(Clone, Debug)]
pub(crate) struct Gdfn {
    /// 1×1 to the gates, then the values.
    pub(crate) point: Layer,
    /// Depthwise 3×3 over these.
    pub(crate) depthwise: Layer,
    /// 1×1 of GELU(gates)·values, floats out.
    pub(crate) project_out: Layer,
}

/// A prompt: softmax(linear·d + bias) mixes `[prompts, channels, side, side]`, which is brought to
/// the value's size bilinearly, with half-pixel centres.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    /// `[prompts, d]`.
    pub(crate) linear: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) prompts: Vec<f32>,
    pub(crate) channels: usize,
    pub(crate) side: usize,
}

impl Program {
    /// Whether each value is a part of one whole at most, and none is both: parts lie in their whole.
    pub(crate) fn parts_lie_once(&self) -> bool {
        let concats = self.steps.iter().filter_map(|step| match step {
            Step::Concat { parts, to } => Some((parts, *to)),
            _ => None,
        });
        let mut parts: Vec<Value> = concats.clone().flat_map(|(parts, _)| parts).copied().collect();
        parts.sort_unstable();
        let count = parts.len();
        parts.dedup();
        parts.len() == count && concats.into_iter().all(|(_, to)| parts.binary_search(&to).is_err())
    }
}

impl Step {
    /// The value that it makes.
    pub(crate) fn to(&self) -> Value {
        match self {
            Self::Unshuffle { to, .. }
            | Self::Conv { to, .. }
            | Self::Concat { to, .. }
            | Self::Attend { to, .. }
            | Self::Feed { to, .. }
            | Self::Gradient { to, .. } => *to,
        }
    }

    /// The values that it is made of.
    pub(crate) fn reads(&self) -> Vec<Value> {
        match self {
            Self::Unshuffle { from, .. } => vec![*from],
            Self::Conv { from, add, .. } => [Some(*from), *add].into_iter().flatten().collect(),
            Self::Concat { parts, .. } => parts.clone(),
            Self::Attend { x, .. } | Self::Feed { x, .. } => vec![*x],
            Self::Gradient { x, y, .. } => vec![*x, *y],
        }
    }

    /// Its layers.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer> {
        let layers: [Option<&Layer>; 4] = match self {
            Self::Unshuffle { .. } | Self::Concat { .. } => [None; 4],
            Self::Conv { layer, .. } => [Some(layer), None, None, None],
            Self::Attend { attention, .. } => {
                [Some(&attention.point), Some(&attention.depthwise), None, None]
            }
            Self::Feed { gdfn, .. } => {
                [Some(&gdfn.point), Some(&gdfn.depthwise), Some(&gdfn.project_out), None]
            }
            Self::Gradient { phi, phit, .. } => {
                [Some(&phi.point), Some(&phi.depthwise), Some(&phit.point), Some(&phit.depthwise)]
            }
        };
        layers.into_iter().flatten()
    }

    /// Multiply-accumulates for so many pixels, without what is made of the degradation alone.
    pub(crate) fn macs(&self, pixels: usize) -> u64 {
        let layers: usize = self.layers().map(|layer| layer.weights.len()).sum();
        let attentions = match self {
            Self::Attend { attention, .. } => vec![attention],
            Self::Gradient { phi, phit, .. } => vec![phi, phit],
            _ => Vec::new(),
        };
        // q·kᵀ and the map times v, within each head, and the projection.
        let attention = |attention: &Attention| {
            let projection = attention.project_out.len();
            2 * projection / attention.heads.max(1) + projection
        };
        let attentions: usize = attentions.into_iter().map(attention).sum();
        ((layers + attentions) * pixels) as u64
    }
}

impl Weights {
    fn len(&self) -> usize {
        match self {
            Self::Float(weights) => weights.len(),
            Self::Int { values, .. } => values.len(),
        }
    }
}
