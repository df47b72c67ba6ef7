//! A larger network that begins as a trained one: Net2Net (Chen, Goodfellow and Shlens, 2016).
//!
//! **Wider**: each channel is copied k times, and a layer that reads it shares its weight between
//! the copies by random parts whose sum is 1. Copies have the same mean and variance, a softmax
//! over copied keys gives each its part, and so LayerNorm and both attentions give the same.
//! As the parts differ, so do the copies' gradients, and they part.
//! **Deeper**: blocks that the trained network hasn't end in zeros, so that they begin as the
//! identity.

use super::initial::initial;
use crate::arch::{DGDM_HEADS, Level, VluNetConfig};
use crate::train::parameters::Parameters;
use crate::weights::Weights;
use crate::{Error, Result};
use burn::tensor::Device;
use ndarray::{ArrayD, Axis};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// By how much the parts of copies stray from 1/k.
const STRAY: f32 = 0.3;

/// Parameters of `config` with which it restores as `weights` do in the network `from`.
///
/// New blocks and prompts begin as those of [`initial`].
///
/// # Errors
/// [`Error::Train`] where `config` is no network that `from` can grow to.
pub fn grown(
    config: &VluNetConfig,
    from: &VluNetConfig,
    weights: &Weights,
    texts: &[Vec<f32>],
    seed: u64,
    device: &Device,
) -> Result<Parameters> {
    let copies = copies(config, from)?;
    let fresh = initial(config, texts, seed, device).to_weights()?;
    let mut rng = ChaCha8Rng::seed_from_u64(!seed);
    let levels = config.levels();
    let table = config.parameters();
    let mut all = Weights::default();
    for parameter in table.iter().filter(|parameter| parameter.used) {
        let name = parameter.name.as_str();
        let begun = fresh.get(name)?;
        let tensor = match weights.get(name) {
            Err(_) if name.ends_with("project_out.weight") => ArrayD::zeros(begun.raw_dim()),
            Err(_) => begun.clone(),
            Ok(old) => match Axes::of(name, &levels) {
                Axes::Prompts => with_more(old, begun, 2),
                Axes::Keys(out) => with_more(&copied(old, copies, out), &ArrayD::zeros(begun.raw_dim()), 1),
                Axes::Convolution { out, input } => {
                    let wide = out.map_or_else(|| old.clone(), |groups| copied(old, copies, groups));
                    match input {
                        Some(groups) if copies > 1 => shared(&wide, copies, groups, &mut rng),
                        _ => wide,
                    }
                }
            },
        };
        all.insert(name, tensor);
    }
    Parameters::from_weights(&table, &all, device)
}

/// How many copies of each channel make `from` as wide as `config`.
fn copies(config: &VluNetConfig, from: &VluNetConfig) -> Result<usize> {
    let copies = config.dim / from.dim.max(1);
    let blocks = |config: &VluNetConfig| config.levels().map(|level| level.blocks);
    let why = if copies * from.dim != config.dim {
        format!("dim {} is no multiple of its {}", config.dim, from.dim)
    } else if (config.heads, config.stem, config.de_dim) != (from.heads, from.stem, from.de_dim) {
        "heads, stem and de_dim have to be the same".into()
    } else if blocks(config).iter().zip(blocks(from)).any(|(new, old)| *new < old) {
        "it has more blocks in a stage".into()
    } else if from
        .levels()
        .iter()
        .zip(config.levels())
        .any(|(old, new)| from.ffn_hidden(old.channels) * copies != config.ffn_hidden(new.channels))
    {
        "ffn_expansion_factor gives hidden layers that are no multiples of its".into()
    } else {
        return Ok(copies);
    };
    Err(Error::Train(format!("the network to begin with can't grow to the recipe's: {why}")))
}

/// What the axes of a tensor are, each as the number of groups within which its channels are
/// copied: the heads of an attention, the halves of what is joined or gated. None is an axis that
/// stays as it is.
enum Axes {
    /// A layer, depthwise where it has no input axis.
    Convolution { out: Option<usize>, input: Option<usize> },
    /// The layer that makes keys of prompts, whose number doesn't follow the width.
    Keys(usize),
    /// The prompts.
    Prompts,
}

impl Axes {
    fn of(name: &str, levels: &[Level]) -> Self {
        let both = |out, input| Self::Convolution { out: Some(out), input: Some(input) };
        let out = |groups| Self::Convolution { out: Some(groups), input: None };
        let same = Self::Convolution { out: None, input: None };
        let Some((level, part)) =
            levels.iter().find_map(|level| Some((level, name.strip_prefix(level.name)?.strip_prefix('.')?)))
        else {
            return match name {
                "output.weight" => Self::Convolution { out: None, input: Some(2) },
                _ if name.starts_with("patch_embed") => out(1),
                _ if name.starts_with("reduce_chan") => both(1, 2),
                _ => both(1, 1),
            };
        };
        // These two see what was joined, and nothing reduces it before them.
        let stream = if matches!(level.name, "decoder_level1" | "refinement") { 2 } else { 1 };
        let heads = if part.starts_with("denoiser") { level.heads } else { DGDM_HEADS };
        let (owner, layer) =
            part.strip_suffix(".weight").unwrap_or(part).rsplit_once('.').unwrap_or(("", part));
        match layer {
            "prompt_param" => Self::Prompts,
            "k" => Self::Keys(heads),
            "qkv" => both(3 * heads, stream),
            "qkv_dwconv" => out(3 * heads),
            "qv" => both(2 * heads, stream),
            "qv_dwconv" => out(2 * heads),
            "k_dwconv" => out(heads),
            "project_in" => both(2, stream),
            "dwconv" => out(2),
            "project_out" if owner.ends_with("ffn") => both(stream, 1),
            "project_out" => both(stream, heads),
            "body" | "bias" if owner.contains("norm") => out(stream),
            _ => same,
        }
    }
}

/// Each channel of the first axis `copies` times, group by group: `[a b | c d]` in two groups
/// becomes `[a b a b | c d c d]`.
fn copied(tensor: &ArrayD<f32>, copies: usize, groups: usize) -> ArrayD<f32> {
    tensor.select(Axis(0), &places(tensor.len_of(Axis(0)), copies, groups))
}

/// Where each channel of a copied axis comes from.
fn places(channels: usize, copies: usize, groups: usize) -> Vec<usize> {
    let group = (channels / groups).max(1);
    (0..channels * copies).map(|new| new / (group * copies) * group + new % group).collect()
}

/// As [`copied`], of the second axis, with weights whose sum over the copies is the old one.
fn shared(tensor: &ArrayD<f32>, copies: usize, groups: usize, rng: &mut ChaCha8Rng) -> ArrayD<f32> {
    let places = places(tensor.len_of(Axis(1)), copies, groups);
    let mut wide = tensor.select(Axis(1), &places);
    for mut output in wide.axis_iter_mut(Axis(0)) {
        let mut strays = vec![0.0_f32; places.len()];
        let mut sums = vec![0.0_f32; tensor.len_of(Axis(1))];
        for (stray, &old) in strays.iter_mut().zip(&places) {
            let normal: f32 = StandardNormal.sample(rng);
            *stray = STRAY * normal;
            sums[old] += *stray / copies as f32;
        }
        for ((mut kernel, stray), &old) in output.axis_iter_mut(Axis(0)).zip(strays).zip(&places) {
            let part = 1.0 / copies as f32 + stray - sums[old];
            kernel.mapv_inplace(|weight| weight * part);
        }
    }
    wide
}

/// `more`, with the tensor's values where it has any along that axis.
fn with_more(tensor: &ArrayD<f32>, more: &ArrayD<f32>, axis: usize) -> ArrayD<f32> {
    let mut all = more.clone();
    let count = tensor.len_of(Axis(axis)).min(all.len_of(Axis(axis)));
    let taken = tensor.slice_axis(Axis(axis), (..count).into());
    let mut place = all.slice_axis_mut(Axis(axis), (..count).into());
    if taken.shape() == place.shape() {
        place.assign(&taken);
    }
    all
}
