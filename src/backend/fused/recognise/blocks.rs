//! The blocks between an attention and a network: GDFN, D-GDM with its prompt, and what moves
//! pixels.

use super::super::program::{Gdfn, Norm, Prompt, Resample, Weights};
use super::attention::{Found, coded_between};
use super::interface::Interface;
use super::layers::{Conv, Graph, Kind};
use crate::onnx::edit::int_attribute;
use tract_onnx::pb::NodeProto;

/// What pixels are moved by is no more than this.
const MAX_FACTOR: usize = 16;

/// A gradient step whose numbers aren't read yet.
pub(super) struct Descent<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) phi: Found<'a>,
    pub(super) phit: Found<'a>,
    pub(super) r: f32,
}

/// PixelUnshuffle, as it is written: of `channels`.
pub(super) struct Unshuffled<'a> {
    pub(super) from: &'a str,
    pub(super) channels: usize,
    pub(super) factor: usize,
}

/// Where a prompt takes its size from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sides {
    /// x, whatever that is.
    OfX,
    /// The file.
    Fixed([usize; 2]),
}

impl<'a> Graph<'a> {
    /// gdfn(norm(x)), and x.
    pub(super) fn feed(&self, value: &str) -> Option<(Norm, Gdfn, &'a str)> {
        let reader = &self.reader;
        let project_out = self.conv(value).filter(|conv| conv.output.is_none())?;
        let [gelu, b] = reader.producer(project_out.from, "Mul")?.input.as_slice() else { return None };
        let split = reader.producer(b, "Split")?;
        let a = reader.gelu(gelu)?;
        if split.output.iter().map(String::as_str).ne([a, b.as_str()]) {
            return None;
        }
        let depthwise = self.conv(split.input.first()?)?;
        let point = self.conv(depthwise.from).filter(|conv| conv.output.is_none())?;
        let (norm, x) = self.norm(point.from)?;
        Some((norm, self.read_gdfn([point, depthwise, project_out])?, x))
    }

    fn read_gdfn(&self, [point, depthwise, project_out]: [Conv<'a>; 3]) -> Option<Gdfn> {
        let depthwise = self.layer(depthwise, Kind::Depthwise)?;
        let (point, is_int) = coded_between(self.layer(point, Kind::Point)?, &depthwise)?;
        let project_out = self.layer(project_out, Kind::Point)?;
        // The gate's way: between bytes, from bytes or floats of integers to floats, or in floats.
        let bytes = [is_int, depthwise.output.is_some(), matches!(project_out.weights, Weights::Int { .. })];
        let sound = matches!(bytes, [true, true, true] | [true, _, false] | [false, false, false])
            && point.outputs == depthwise.outputs
            && project_out.inputs.checked_mul(2)? == depthwise.outputs
            && project_out.outputs == point.inputs;
        sound.then_some(Gdfn { point, depthwise, project_out })
    }

    /// x - r·phit(phi(x, prompt) - y).
    pub(super) fn descent(&self, node: &'a NodeProto) -> Option<Descent<'a>> {
        let reader = &self.reader;
        let [x, step] = node.input.as_slice() else { return None };
        let [gradient, r] = reader.producer(step, "Mul")?.input.as_slice() else { return None };
        let phit = self.attention(gradient)?;
        let [degraded, y] = reader.producer(phit.from, "Sub")?.input.as_slice() else { return None };
        let phi = self.attention(degraded)?;
        // A constant of more axes would give the gradient more.
        let fits = reader.edit.shape(r)?.len() <= 4 && phi.from == x && phit.prompt.is_none();
        let r = reader.scalar(r).filter(|_| fits)?;
        Some(Descent { x, y, phi, phit, r })
    }

    /// The prompt that a value is, and where its size is from.
    pub(super) fn prompt(&self, value: &str, x: &str, interface: &Interface<'_>) -> Option<(Prompt, Sides)> {
        let reader = &self.reader;
        let resize = reader.producer(value, "Resize")?;
        let [prompt, roi, scales, size] = resize.input.as_slice() else { return None };
        let [rows, shape] = reader.producer(prompt, "Reshape")?.input.as_slice() else { return None };
        let [mix, prompts] = reader.producer(rows, "MatMul")?.input.as_slice() else { return None };
        let scores = reader.producer(mix, "Softmax")?.input.first()?;
        let [product, bias] = reader.producer(scores, "Add")?.input.as_slice() else { return None };
        let [d, linear] = reader.producer(product, "MatMul")?.input.as_slice() else { return None };

        let &[1, channels, side, width] = reader.extents(shape)?.as_slice() else { return None };
        if width != side {
            return None;
        }
        let sides = self.sides(size, x, channels)?;
        let (channels, side) = (usize::try_from(channels).ok()?, usize::try_from(side).ok()?);
        let sound = roi.is_empty() && scales.is_empty() && d == interface.degradation;
        let (linear, [length, count]) = self.matrix(linear).filter(|_| sound)?;
        let (prompts, [rows, columns]) = self.matrix(prompts)?;
        let bias = self.vector(bias)?;
        let fits = length == interface.length
            && [rows, bias.len()] == [count; 2]
            && channels.checked_mul(side)?.checked_mul(side)? == columns;
        // One row for each prompt; the graph has one for each number of d.
        let linear =
            (0..count).flat_map(|prompt| linear.iter().skip(prompt).step_by(count).copied()).collect();
        fits.then_some((Prompt { linear, bias, prompts, channels, side }, sides))
    }

    /// The extents `[1, channels, ..]` of what a prompt is brought to.
    fn sides(&self, size: &str, x: &str, channels: i64) -> Option<Sides> {
        let reader = &self.reader;
        if let Some(extents) = reader.extents(size) {
            let &[1, same, height, width] = extents.as_slice() else { return None };
            let sides = [usize::try_from(height).ok()?, usize::try_from(width).ok()?];
            return (same == channels).then_some(Sides::Fixed(sides));
        }
        let joined = reader.producer(size, "Concat").filter(|node| int_attribute(node, "axis") == Some(0))?;
        let [first, last] = joined.input.as_slice() else { return None };
        let [shape, from, to] = reader.producer(last, "Slice")?.input.as_slice() else { return None };
        let of_x = reader.producer(shape, "Shape")?.input.first()? == x;
        let sound = of_x
            && reader.extents(first)? == [1, channels]
            && reader.extents(from)? == [2]
            && reader.extents(to)? == [4];
        sound.then_some(Sides::OfX)
    }

    /// The PixelUnshuffle that gives a value.
    pub(super) fn unshuffled(&self, value: &str) -> Option<Unshuffled<'a>> {
        let reader = &self.reader;
        let [folded, together] = reader.producer(value, "Reshape")?.input.as_slice() else { return None };
        let fold = reader.producer(folded, "SpaceToDepth")?;
        let [from, apart] = reader.producer(fold.input.first()?, "Reshape")?.input.as_slice() else {
            return None;
        };
        let factor = factor(fold)?;
        // 0 keeps an extent.
        let &[channels, 1, 0, 0] = reader.extents(apart)?.as_slice() else { return None };
        let &[1, all, 0, 0] = reader.extents(together)?.as_slice() else { return None };
        let channels = usize::try_from(channels).ok().filter(|channels| *channels > 0)?;
        let sound = channels.checked_mul(factor * factor)? == usize::try_from(all).ok()?;
        sound.then_some(Unshuffled { from, channels, factor })
    }

    /// The convolution that gives a value, and what moves its pixels.
    pub(super) fn resampled(&self, value: &str) -> Option<(Conv<'a>, Resample)> {
        if let Some(shuffle) = self.reader.producer(value, "DepthToSpace") {
            return Some((self.conv(shuffle.input.first()?)?, Resample::Shuffle(factor(shuffle)?)));
        }
        match self.unshuffled(value) {
            Some(Unshuffled { from, factor, .. }) => Some((self.conv(from)?, Resample::Unshuffle(factor))),
            None => Some((self.conv(value)?, Resample::Keep)),
        }
    }
}

/// The side of the blocks of pixels that a node makes channels of, or the reverse.
fn factor(node: &NodeProto) -> Option<usize> {
    let factor = usize::try_from(int_attribute(node, "blocksize")?).ok()?;
    (2..=MAX_FACTOR).contains(&factor).then_some(factor)
}
