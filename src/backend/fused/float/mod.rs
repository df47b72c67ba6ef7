//! Blocks that are computed in floats.

mod attention;
mod conv;
mod feed;
mod prompt;

pub(super) use attention::{Attention, Mix, Source};
pub(super) use conv::Conv;
pub(super) use feed::Feed;
pub(super) use prompt::{KeyRows, Prompted};

use super::memory::Layout;
use super::program::{Layer, Weights};
use super::strip::{Tile, Tiles};
use crate::backend::kernels::float::{Form, Product};

/// Floats that one thread works on between caches: a good part of what a second-level cache of a
/// core holds.
const CACHED: usize = 160 << 10;

/// Columns of a picture that are worked on at once where each takes so many floats.
fn tiles(layout: Layout, floats_per_column: usize) -> Tiles {
    Tile::split(layout.width, CACHED / floats_per_column.max(1))
}

/// The weights of a layer of floats.
pub(super) fn floats(layer: &Layer) -> &[f32] {
    match &layer.weights {
        Weights::Float(weights) => weights,
        Weights::Int { .. } => &[],
    }
}

pub(super) fn product(form: Form, layer: &Layer) -> Product {
    Product::new(form, floats(layer), layer.outputs, layer.inputs, layer.taps)
}

/// One kernel of 3×3 for each channel.
pub(super) fn kernels(layer: &Layer) -> Vec<[f32; 9]> {
    floats(layer).as_chunks::<9>().0.to_vec()
}

/// A part of scratch memory; parts don't overlap.
pub(super) fn carve<'a>(scratch: &mut &'a mut [f32], floats: usize) -> &'a mut [f32] {
    let floats = floats.min(scratch.len());
    let (part, rest) = std::mem::take(scratch).split_at_mut(floats);
    *scratch = rest;
    part
}
