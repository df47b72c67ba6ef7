//! Puts operators of integers where a graph has QuantizeLinear and DequantizeLinear around
//! convolutions and products: tract would compute these in float.

mod attention;
mod fuse;
mod layer;
#[cfg(test)]
mod tests;

use super::operators::{Decode, Encode};
use crate::backend::reader::{Code, Reader};
use crate::onnx::edit::Edit;
use std::collections::{HashMap, HashSet};
use tract_onnx::tract_hir::internal::*;

/// Where values of the graph come from, by name.
pub(super) type Outlets = HashMap<String, OutletId>;

/// Replaces what can run on integers; the names of those nodes.
pub(super) fn lower(
    graph: &Edit,
    model: &mut InferenceModel,
    mut outlets: Outlets,
) -> TractResult<Vec<String>> {
    let graph = Reader::new(graph);
    let mut lowered = Vec::new();
    let mut given = HashSet::new();
    for node in graph.edit.nodes() {
        if node.output.iter().any(|output| given.contains(output.as_str())) {
            continue;
        }
        if let Some(layer) = graph.layer(node) {
            replace(model, &mut outlets, &[&layer.from], layer.to, layer.op)?;
            given.insert(layer.to);
            lowered.push(node.name.clone());
        } else if let Some(product) = graph.attention(node) {
            replace(model, &mut outlets, &[&product.q, &product.k], &node.output[0], Box::new(product.op))?;
            lowered.push(node.name.clone());
        } else if let Some(fused) = graph.fused(node) {
            let from: Vec<&str> = fused.from.iter().map(String::as_str).collect();
            replace(model, &mut outlets, &from, &node.output[0], fused.op)?;
        } else if let Some(Code { scale, zero, element }) = graph.coding(node)
            && let Some(output) = node.output.first()
        {
            let op: Box<dyn TypedOp> = if node.op_type == "QuantizeLinear" {
                Box::new(Encode { scale, element, zero })
            } else {
                Box::new(Decode { scale, zero })
            };
            replace(model, &mut outlets, &[&node.input[0]], output, op)?;
        }
    }
    Ok(lowered)
}

/// Gives a value's readers the output of an operator instead.
fn replace(
    model: &mut InferenceModel,
    outlets: &mut Outlets,
    from: &[&str],
    to_name: &str,
    op: Box<dyn TypedOp>,
) -> TractResult<()> {
    let Some(&to) = outlets.get(to_name) else { return Ok(()) };
    let name = format!("{}.ours", model.node(to.node).name);
    let node = model.add_node(name, expand(Wired(op)), tvec!(InferenceFact::default()))?;
    for (slot, from) in from.iter().enumerate() {
        let from = *outlets.get(*from).with_context(|| format!("nothing gives {from}"))?;
        model.add_edge(from, InletId::new(node, slot))?;
    }
    for reader in model.outlet_successors(to).to_vec() {
        model.add_edge(OutletId::new(node, 0), reader)?;
    }
    let outputs = model.output_outlets()?.iter();
    let outputs: Vec<OutletId> =
        outputs.map(|&outlet| if outlet == to { OutletId::new(node, 0) } else { outlet }).collect();
    outlets.insert(to_name.to_owned(), OutletId::new(node, 0));
    model.select_output_outlets(&outputs)
}

/// An operator of ours whose shapes are yet to be found.
#[derive(Clone, Debug)]
struct Wired(Box<dyn TypedOp>);

impl Expansion for Wired {
    fn name(&self) -> StaticName {
        self.0.name()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        solver.given_2(&inputs[0].datum_type, &inputs[0].shape, |solver, element, shape| {
            // The shapes of all outputs follow from the first input's.
            let facts = self.0.output_facts(&[&element.fact(shape)])?;
            solver.equals(&outputs[0].datum_type, facts[0].datum_type)?;
            solver.equals(&outputs[0].shape, facts[0].shape.to_tvec())
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.0.clone(), inputs)
    }
}
