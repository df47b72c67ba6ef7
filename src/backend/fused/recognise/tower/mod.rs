//! Reads the image tower of a VLM head into a [`Tower`].
//!
//! It is known as a restorer is: by how it hangs together and by its constants, from the output
//! backwards. Each pattern checks all inputs of its nodes, and no node is without a reader, so all of
//! them are in one.

mod operators;
mod stages;
mod steps;
#[cfg(test)]
mod tests;

use super::super::tower::Tower;
use super::interface::{extents, kind};
use super::layers::Graph;
use super::operators::are_known;
use crate::onnx::edit::Edit;

/// No picture of a tower has longer sides.
const MAX_SIDE: usize = 4096;

/// An image tower in float32 or int8; none where the graph does anything else than a tower says.
pub(crate) fn recognise_tower(edit: &Edit) -> Option<Tower> {
    if !are_known(edit, operators::of_tower) {
        return None;
    }
    let ([image], [feature]) = (edit.proto().input.as_slice(), edit.proto().output.as_slice()) else {
        return None;
    };
    kind(feature)?;
    let &[Some(1), Some(channels), Some(height), Some(width)] = extents(image)?.as_slice() else {
        return None;
    };
    if height > MAX_SIDE || width > MAX_SIDE {
        return None;
    }
    let graph = Graph::new(edit);
    let (steps, statistics) = graph.steps(&feature.name)?;
    let stages = graph.stages(statistics, &image.name)?;
    let tower =
        Tower { image: image.name.clone(), feature: feature.name.clone(), height, width, stages, steps };
    fits(&tower, channels).then_some(tower)
}

/// Whether a tower's parts take what is given to them.
fn fits(tower: &Tower, channels: usize) -> bool {
    let (mut channels, mut sides) = (channels, [tower.height, tower.width]);
    for stage in &tower.stages {
        let side = stage.patches.side;
        let norm_fits = stage.norm.as_ref().is_none_or(|norm| norm.gain.len() == channels);
        let whole = sides.iter().all(|extent| extent.is_multiple_of(side));
        if stage.patches.layer.inputs != channels || !norm_fits || !whole {
            return false;
        }
        channels = stage.patches.layer.outputs;
        sides = sides.map(|extent| extent / side);
        // Blocks were read with as many channels as their kernels have.
        if stage.blocks.iter().any(|block| block.depthwise.outputs != channels) {
            return false;
        }
    }
    true
}
