//! The operators that a network is written in. Of any other, or one of other attributes, nothing
//! is known.

use crate::onnx::edit::Edit;
use std::collections::HashSet;
use std::ops::RangeInclusive;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto};

/// The operator set that they are from.
const OPSET: i64 = 17;

/// What an attribute has to be; where it is any, whoever reads the node looks at it.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Int(i64),
    AnyInt,
    Ints(&'static [i64]),
    AnyInts,
    AnyFloat,
    Text(&'static [u8]),
}

pub(super) type Attributes = &'static [(&'static str, Wanted)];

/// An operator as a network uses it.
pub(super) struct Operator {
    pub(super) inputs: RangeInclusive<usize>,
    pub(super) outputs: RangeInclusive<usize>,
    /// Attributes that it must have.
    pub(super) must: Attributes,
    /// Those that it may have; what they must be is what they are where they lack.
    pub(super) may: Attributes,
}

/// A network's operators, by their types.
pub(super) type Operators = fn(&str) -> Option<Operator>;

/// Whether a graph is made of a network's operators only, each of whose inputs is given before, by one
/// node alone, and each of whose outputs is wanted.
pub(super) fn are_known(edit: &Edit, operators: Operators) -> bool {
    let graph = edit.proto();
    let nodes = edit.nodes();
    let taken: HashSet<&str> = nodes.iter().flat_map(|node| &node.input).map(String::as_str).collect();
    let mut given: HashSet<&str> = edit.constants().collect();
    let once = given.len() == graph.initializer.len()
        && graph.input.iter().all(|input| given.insert(&input.name))
        // The empty name stands for an input that is left out.
        && given.insert("");
    edit.opset() == Some(OPSET)
        && graph.sparse_initializer.is_empty()
        && graph.quantization_annotation.is_empty()
        && once
        && nodes.iter().all(|node| {
            is_known(node, operators)
                && node.input.iter().all(|input| given.contains(input.as_str()))
                && node.output.iter().all(|output| {
                    given.insert(output) && (taken.contains(output.as_str()) || edit.is_output(output))
                })
        })
}

fn is_known(node: &NodeProto, operators: Operators) -> bool {
    let Some(Operator { inputs, outputs, must, may }) = operators(&node.op_type) else { return false };
    let has = |name: &str| node.attribute.iter().any(|attribute| attribute.name == name);
    let wanted = |attribute: &AttributeProto| {
        let mut wanted = must.iter().chain(may).filter(|(name, _)| *name == attribute.name);
        wanted.next().is_some_and(|(_, wanted)| is(attribute, *wanted))
    };
    node.domain.is_empty()
        && inputs.contains(&node.input.len())
        && outputs.contains(&node.output.len())
        && must.iter().all(|(name, _)| has(name))
        && node.attribute.iter().all(wanted)
}

fn is(attribute: &AttributeProto, wanted: Wanted) -> bool {
    let (kind, same) = match wanted {
        Wanted::Int(wanted) => (AttributeType::Int, attribute.i == wanted),
        Wanted::AnyInt => (AttributeType::Int, true),
        Wanted::Ints(wanted) => (AttributeType::Ints, attribute.ints == wanted),
        Wanted::AnyInts => (AttributeType::Ints, true),
        Wanted::AnyFloat => (AttributeType::Float, true),
        Wanted::Text(wanted) => (AttributeType::String, attribute.s == wanted),
    };
    same && attribute.r#type == kind as i32 && attribute.ref_attr_name.is_empty()
}

/// Those of a restorer.
pub(super) fn of_restorer(op_type: &str) -> Option<Operator> {
    use Wanted::{AnyFloat, AnyInt, AnyInts, Int, Ints, Text};
    let (inputs, must, may): (_, Attributes, Attributes) = match op_type {
        "Add" | "Sub" | "Mul" | "Div" | "Max" | "MatMul" => (2..=2, &[], &[]),
        "Erf" | "Shape" => (1..=1, &[], &[]),
        "Slice" => (3..=3, &[], &[]),
        "Split" => (1..=1, &[("axis", Int(1))], &[]),
        "Concat" => (2..=2, &[("axis", AnyInt)], &[]),
        "Reshape" => (2..=2, &[], &[("allowzero", Int(0))]),
        "Transpose" => (1..=1, &[("perm", AnyInts)], &[]),
        "Softmax" => (1..=1, &[], &[("axis", Int(-1))]),
        "ReduceL2" => (1..=1, &[("axes", Ints(&[-1]))], &[("keepdims", Int(1))]),
        "QuantizeLinear" => (3..=3, &[], &[("axis", AnyInt)]),
        "DequantizeLinear" => (2..=3, &[], &[("axis", AnyInt)]),
        "SpaceToDepth" => (1..=1, &[("blocksize", AnyInt)], &[]),
        "DepthToSpace" => (1..=1, &[("blocksize", AnyInt), ("mode", Text(b"CRD"))], &[]),
        "LayerNormalization" => {
            (3..=3, &[("epsilon", AnyFloat)], &[("axis", Int(-1)), ("stash_type", Int(1))])
        }
        "Resize" => {
            let may: Attributes = &[("coordinate_transformation_mode", Text(b"half_pixel"))];
            (4..=4, &[("mode", Text(b"linear"))], may)
        }
        "Conv" => (
            2..=3,
            &[("pads", AnyInts)],
            &[
                ("group", AnyInt),
                ("kernel_shape", AnyInts),
                ("strides", Ints(&[1, 1])),
                ("dilations", Ints(&[1, 1])),
                ("auto_pad", Text(b"NOTSET")),
            ],
        ),
        _ => return None,
    };
    // Equal parts: two, or q, k and v.
    let outputs = if op_type == "Split" { 2..=3 } else { 1..=1 };
    Some(Operator { inputs, outputs, must, may })
}
