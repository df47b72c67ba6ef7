//! Which values of a graph are floats, and which are shapes, indices or flags.

use std::collections::HashSet;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

/// Nodes whose outputs aren't floats, whatever they take.
const OTHERS: [&str; 14] = [
    "And",
    "ArgMax",
    "ArgMin",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "NonZero",
    "Not",
    "Shape",
    "Size",
];

/// Nodes that make floats of something else.
const MAKERS: [&str; 7] = [
    "ConstantOfShape",
    "DequantizeLinear",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "EyeLike",
];

/// Whether an element type is one of the floats that a model computes in here.
pub(crate) fn is_float(element: i32) -> bool {
    element == DataType::Float as i32 || element == DataType::Float16 as i32
}

/// Names of the values that are floats of either width: inputs, constants and what nodes give.
pub(crate) fn floats(graph: &pb::GraphProto) -> HashSet<String> {
    let constants = graph.initializer.iter().filter(|tensor| is_float(tensor.data_type));
    let mut floats: HashSet<String> = constants.map(|tensor| tensor.name.clone()).collect();
    let inputs = graph.input.iter().filter(|input| element_of(input).is_some_and(is_float));
    floats.extend(inputs.map(|input| input.name.clone()));
    for node in &graph.node {
        let takes_floats = || node.input.iter().any(|input| floats.contains(input));
        let gives_floats = match node.op_type.as_str() {
            "Cast" => target_of(node).is_some_and(is_float),
            "Constant" => {
                let tensor = node.attribute.iter().find_map(|attribute| attribute.t.as_ref());
                tensor.is_some_and(|tensor| is_float(tensor.data_type))
            }
            op if MAKERS.contains(&op) => true,
            op => !OTHERS.contains(&op) && takes_floats(),
        };
        if gives_floats {
            floats.extend(node.output.iter().filter(|output| !output.is_empty()).cloned());
        }
    }
    floats
}

/// The element type of an input or output of the model.
pub(crate) fn element_of(info: &pb::ValueInfoProto) -> Option<i32> {
    let pb::type_proto::Value::TensorType(tensor) = info.r#type.as_ref()?.value.as_ref()?;
    Some(tensor.elem_type)
}

/// The element type that a Cast gives.
pub(crate) fn target_of(node: &pb::NodeProto) -> Option<i32> {
    super::edit::int_attribute(node, "to").and_then(|to| i32::try_from(to).ok())
}
