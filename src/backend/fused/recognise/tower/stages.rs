//! The stages of a tower, and the statistics of each.

use super::super::super::program::{Code, Layer, Weights};
use super::super::super::tower::{Block, Patches, Stage};
use super::super::layers::Graph;
use super::steps::Statistics;
use crate::onnx::edit::{int_attribute, ints_attribute};
use tract_onnx::pb::NodeProto;

/// `[1, C, H, W]` to `[1, H, W, C]`, and back.
const TO_ROWS: [i64; 4] = [0, 2, 3, 1];
const TO_PLANES: [i64; 4] = [0, 3, 1, 2];

/// What patches are of is no larger than this.
const MAX_PATCH: usize = 32;

impl<'a> Graph<'a> {
    /// The stages that statistics are of, from the picture on.
    pub(super) fn stages(&self, statistics: Statistics<'a>, image: &str) -> Option<Vec<Stage>> {
        let Statistics { parts, count } = statistics;
        let (pairs, []) = parts.as_chunks::<2>() else { return None };
        let mut stages = Vec::new();
        let mut before: Option<&str> = None;
        for [mean, spread] in pairs {
            let (x, epsilon) = self.summed(mean, spread)?;
            let (blocks, rows) = self.blocks(x)?;
            let conv = self.turned(rows, TO_ROWS)?;
            let (patches, from) = self.patches(conv)?;
            let norm = match before {
                None => {
                    if from != image {
                        return None;
                    }
                    None
                }
                Some(before) => {
                    let (norm, x) = self.layer_norm(self.turned(from, TO_PLANES)?)?;
                    if x != before {
                        return None;
                    }
                    Some(norm)
                }
            };
            stages.push(Stage { norm, patches, blocks, epsilon });
            before = Some(x);
        }
        let all = stages
            .iter()
            .try_fold(0usize, |sum, stage| sum.checked_add(stage.patches.layer.outputs.checked_mul(2)?))?;
        (!stages.is_empty() && all == count).then_some(stages)
    }

    /// What mean and ln(variance + ε) are of.
    fn summed(&self, mean: &'a str, spread: &str) -> Option<(&'a str, f32)> {
        let reader = &self.reader;
        let x = reader.producer(mean, "ReduceMean")?.input.first()?;
        let shifted = reader.producer(spread, "Log")?.input.first()?;
        let [variance, epsilon] = reader.producer(shifted, "Add")?.input.as_slice() else { return None };
        let squared = reader.producer(variance, "ReduceMean")?.input.first()?;
        let [centred, same] = reader.producer(squared, "Mul")?.input.as_slice() else { return None };
        let [of, from] = reader.producer(centred, "Sub")?.input.as_slice() else { return None };
        // A constant of more axes would give the statistics more.
        let few = reader.edit.shape(epsilon)?.len() <= 4;
        let epsilon = reader.scalar(epsilon).filter(|epsilon| *epsilon > 0.0 && epsilon.is_finite())?;
        (few && centred == same && of == x && from == mean).then_some((x, epsilon))
    }

    /// The blocks that give a value, and what the first of them takes.
    fn blocks(&self, mut x: &'a str) -> Option<(Vec<Block>, &'a str)> {
        let mut blocks = Vec::new();
        while let Some(add) = self.reader.producer(x, "Add") {
            let [from, branch] = add.input.as_slice() else { return None };
            blocks.push(self.separable(branch, from)?);
            x = from;
        }
        blocks.reverse();
        Some((blocks, x))
    }

    /// project·ReLU(expand·norm(depthwise(x))).
    fn separable(&self, branch: &str, x: &str) -> Option<Block> {
        let project = self.product(branch)?;
        let relu = self.reader.producer(project.from, "Relu")?;
        let expand = self.product(relu.input.first()?)?;
        let (norm, rows) = self.layer_norm(expand.from)?;
        let (depthwise, planes) = self.depthwise(self.turned(rows, TO_ROWS)?)?;
        let codes = [code_of(&depthwise.weights), expand.code, project.code].map(|code| code.is_some());
        let sound = self.turned(planes, TO_PLANES)? == x
            && [expand.inputs, norm.gain.len(), project.outputs] == [depthwise.outputs; 3]
            && project.inputs == expand.outputs
            && matches!(codes, [true, true, true] | [false, false, false]);
        let output = project.code;
        let (expand, project) = (expand.layer(output)?, project.layer(None)?);
        sound.then_some(Block { depthwise, norm, expand, project })
    }

    /// What is transposed so to give a value.
    fn turned(&self, value: &str, order: [i64; 4]) -> Option<&'a str> {
        let transpose = self.reader.producer(value, "Transpose")?;
        let from = transpose.input.first()?;
        (ints_attribute(transpose, "perm")? == order).then_some(from)
    }

    /// The convolution of patches that gives a value, and what it takes.
    fn patches(&self, value: &str) -> Option<(Patches, &'a str)> {
        let node = self.reader.producer(value, "Conv")?;
        let (layer, from, [side, _]) = self.convolution(node)?;
        let sides = [i64::try_from(side).ok()?; 2];
        let sound = (1..=MAX_PATCH).contains(&side)
            && int_attribute(node, "group").unwrap_or(1) == 1
            && ints_attribute(node, "strides").unwrap_or(&[1, 1]) == sides
            && ints_attribute(node, "pads").is_none_or(|pads| pads == [0; 4]);
        let bias = match (node.input.get(2), &layer.weights) {
            (Some(bias), Weights::Float(_)) => {
                self.vector(bias).filter(|bias| bias.len() == layer.outputs)?
            }
            _ => Vec::new(),
        };
        sound.then_some((Patches { side, layer, bias }, from))
    }

    /// The depthwise convolution of 3×3 that gives a value, and what it takes.
    fn depthwise(&self, value: &str) -> Option<(Layer, &'a str)> {
        let node = self.reader.producer(value, "Conv")?;
        let (layer, from, sides) = self.convolution(node)?;
        let sound = sides == [3, 3]
            && layer.inputs == 1
            && (node.input.len() == 2 || matches!(layer.weights, Weights::Int { .. }))
            && int_attribute(node, "group").unwrap_or(1) == i64::try_from(layer.outputs).ok()?
            && ints_attribute(node, "strides").is_none_or(|strides| strides == [1, 1])
            && ints_attribute(node, "pads")? == [1; 4];
        sound.then_some((layer, from))
    }

    /// A convolution's numbers, what it takes, and its kernel's sides, which are alike.
    fn convolution(&self, node: &'a NodeProto) -> Option<(Layer, &'a str, [usize; 2])> {
        let (from, code) = self.uncoded(node.input.first()?)?;
        let weight = node.input.get(1)?;
        let (weights, shape) = match code {
            Some(code) => self.integers(node, weight, code)?,
            None => (Weights::Float(self.floats(weight)?), self.reader.edit.shape(weight)?),
        };
        let &[outputs, inputs, height, width] = shape.as_slice() else { return None };
        let said =
            |kernel: &[i64]| kernel.iter().map(|&extent| usize::try_from(extent).ok()).eq([Some(height); 2]);
        let sound = height == width && ints_attribute(node, "kernel_shape").is_none_or(said);
        let layer = Layer { outputs, inputs, taps: height.checked_mul(width)?, weights, output: None };
        sound.then_some((layer, from, [height, width]))
    }
}

/// How a layer's inputs are coded, if they are.
fn code_of(weights: &Weights) -> Option<Code> {
    match weights {
        Weights::Float(_) => None,
        Weights::Int { input, .. } => Some(*input),
    }
}
