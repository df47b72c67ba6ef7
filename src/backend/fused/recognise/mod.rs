//! Reads a restorer's graph into a [`Program`].
//!
//! A graph is known by how it hangs together and by its constants, never by names. From the output
//! backwards each value that is wanted is matched to a block; what the block takes is wanted then.
//! A pattern checks every input of its nodes, and no node of the graph is without a reader, so all
//! of them are in a block. Where anything is not as it is known, there is no program.

mod attention;
mod blocks;
mod extents;
mod interface;
mod layers;
mod operators;
#[cfg(test)]
mod tests;
mod tower;

pub(crate) use tower::recognise_tower;

use super::program::{Program, Resample, Step, Value};
use crate::onnx::edit::{Edit, int_attribute};
use blocks::{Descent, Sides, Unshuffled};
use extents::Known;
use interface::Interface;
use layers::Graph;
use std::collections::HashMap;
use tract_onnx::pb::NodeProto;

/// The program of a restorer in float32 or int8, of symbolic or fixed size; none where the graph
/// does anything else than a program says.
pub(crate) fn recognise(edit: &Edit) -> Option<Program> {
    if !operators::are_known(edit, operators::of_restorer) {
        return None;
    }
    let interface = Interface::of(edit)?;
    let mut blocks =
        Blocks { graph: Graph::new(edit), interface: &interface, numbers: HashMap::new(), known: Vec::new() };
    let (image, restored) = (blocks.value(interface.image), blocks.value(interface.restored));
    let mut steps = Vec::new();
    // Nodes stand in the order in which they run: backwards, each is met after its readers.
    for node in edit.nodes().iter().rev() {
        if let [output] = node.output.as_slice()
            && let Some(&to) = blocks.numbers.get(output.as_str())
        {
            steps.push(blocks.step(node, output, to)?);
        }
    }
    steps.reverse();
    let convolutions = edit.nodes().iter().filter(|node| node.op_type == "Conv").count();
    // One that belongs to two blocks would run twice.
    if steps.iter().map(layers_of).sum::<usize>() != convolutions {
        return None;
    }
    let values = extents::find(&steps, image, blocks.numbers.len(), &blocks.known, interface.size)?;
    let whole = values.get(restored) == values.get(image);
    whole.then_some(Program { values, steps, image, restored })
}

/// A graph, and the values that are wanted of it so far.
struct Blocks<'a, 'b> {
    graph: Graph<'a>,
    interface: &'b Interface<'a>,
    numbers: HashMap<&'a str, Value>,
    /// What the graph says of values' extents.
    known: Vec<Known>,
}

impl<'a> Blocks<'a, '_> {
    /// The number of a value, which is wanted from now on.
    fn value(&mut self, name: &'a str) -> Value {
        let next = self.numbers.len();
        *self.numbers.entry(name).or_insert(next)
    }

    /// The step whose last node gives the value `to`, which is called `name`.
    fn step(&mut self, node: &'a NodeProto, name: &'a str, to: Value) -> Option<Step> {
        match node.op_type.as_str() {
            "Add" => self.add(node, to),
            "Sub" => self.gradient(node, to),
            "Concat" if int_attribute(node, "axis") == Some(1) => {
                let parts = node.input.iter().map(|part| self.value(part)).collect();
                Some(Step::Concat { parts, to })
            }
            _ => self.conv(name, to, None).or_else(|| self.unshuffle(name, to)),
        }
    }

    fn add(&mut self, node: &'a NodeProto, to: Value) -> Option<Step> {
        let [x, branch] = node.input.as_slice() else { return None };
        if let Some(found) = self.graph.attention(branch) {
            let (norm, from) = self.graph.norm(found.from)?;
            if from != x || found.prompt.is_some() {
                return None;
            }
            let attention = self.graph.read_attention(&found)?;
            return Some(Step::Attend { x: self.value(x), to, norm, attention });
        }
        if let Some((norm, gdfn, from)) = self.graph.feed(branch) {
            return (from == x).then(|| Step::Feed { x: self.value(x), to, norm, gdfn });
        }
        self.conv(branch, to, Some(x))
    }

    fn gradient(&mut self, node: &'a NodeProto, to: Value) -> Option<Step> {
        let Descent { x, y, phi, phit, r } = self.graph.descent(node)?;
        let (prompt, sides) = self.graph.prompt(phi.prompt?, x, self.interface)?;
        let [phi, phit] = [self.graph.read_attention(&phi)?, self.graph.read_attention(&phit)?];
        let (x, y) = (self.value(x), self.value(y));
        if let Sides::Fixed(sides) = sides {
            self.known.push(Known::Sides { of: x, sides });
        }
        Some(Step::Gradient { x, y, to, prompt, phi, phit, r })
    }

    fn conv(&mut self, value: &'a str, to: Value, add: Option<&'a str>) -> Option<Step> {
        let (conv, resample) = self.graph.resampled(value)?;
        let kind = self.graph.dense(conv)?;
        let layer = self.graph.layer(conv, kind)?;
        if let Resample::Unshuffle(_) = resample {
            let channels = self.graph.unshuffled(value)?.channels;
            if channels != layer.outputs {
                return None;
            }
        }
        let (from, add) = (self.value(conv.from), add.map(|add| self.value(add)));
        Some(Step::Conv { from, to, layer, resample, add })
    }

    fn unshuffle(&mut self, value: &'a str, to: Value) -> Option<Step> {
        let Unshuffled { from, channels, factor } = self.graph.unshuffled(value)?;
        let from = self.value(from);
        self.known.push(Known::Channels { of: from, channels });
        Some(Step::Unshuffle { from, to, factor })
    }
}

/// The convolutions of a step.
fn layers_of(step: &Step) -> usize {
    match step {
        Step::Unshuffle { .. } | Step::Concat { .. } => 0,
        Step::Conv { .. } => 1,
        Step::Attend { .. } | Step::Feed { .. } => 3,
        Step::Gradient { .. } => 8,
    }
}
