//! A model in float16 as one in float32, for machines that don't compute in float16.

use super::element::{element_of, floats, is_float, target_of};
use crate::{Error, Result};
use half::f16;
use std::collections::HashMap;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

const WIDE: i32 = DataType::Float as i32;
const NARROW: i32 = DataType::Float16 as i32;

/// Turns all float16 of a model into float32: constants, inputs and outputs; casts between the two
/// go. What it gives is that of float32 with constants rounded to float16. False where there is
/// no float16.
///
/// # Errors
/// [`Error::Model`] where a constant has fewer or more bytes than its shape takes.
pub(crate) fn widen(model: &mut pb::ModelProto) -> Result<bool> {
    let Some(graph) = &mut model.graph else { return Ok(false) };
    let casts_narrow = |node: &pb::NodeProto| node.op_type == "Cast" && target_of(node) == Some(NARROW);
    let is_narrow = graph.initializer.iter().any(|tensor| tensor.data_type == NARROW)
        || graph.node.iter().any(casts_narrow)
        || graph.input.iter().any(|input| element_of(input) == Some(NARROW));
    if !is_narrow {
        return Ok(false);
    }
    let floats = floats(graph);
    graph.initializer.iter_mut().try_for_each(constant)?;
    let infos = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
    for info in infos {
        if let Some(pb::type_proto::Value::TensorType(tensor)) =
            info.r#type.as_mut().and_then(|kind| kind.value.as_mut())
            && tensor.elem_type == NARROW
        {
            tensor.elem_type = WIDE;
        }
    }
    let outputs: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    // What a cast gave, by what it took.
    let mut same: HashMap<String, String> = HashMap::new();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        for input in &mut node.input {
            if let Some(source) = same.get(input) {
                input.clone_from(source);
            }
        }
        node.attribute.iter_mut().filter_map(|attribute| attribute.t.as_mut()).try_for_each(constant)?;
        if node.op_type == "Cast" && target_of(&node).is_some_and(is_float) {
            if let ([input], [output]) = (node.input.as_slice(), node.output.as_slice())
                && floats.contains(input)
            {
                if !outputs.contains(output) {
                    same.insert(output.clone(), input.clone());
                    continue;
                }
                node.op_type = "Identity".into();
                node.attribute.clear();
            }
            for attribute in node.attribute.iter_mut().filter(|attribute| attribute.name == "to") {
                attribute.i = WIDE.into();
            }
        }
        nodes.push(node);
    }
    graph.node = nodes;
    Ok(true)
}

/// Turns a constant of float16 into one of float32.
fn constant(tensor: &mut pb::TensorProto) -> Result<()> {
    if tensor.data_type != NARROW {
        return Ok(());
    }
    let wrong = || Error::Model(format!("the constant {} has not the bytes of its shape", tensor.name));
    let mut extents = tensor.dims.iter().map(|&extent| usize::try_from(extent).ok());
    let elements = extents.try_fold(1usize, |product, extent| product.checked_mul(extent?));
    // The file format has two places for them: bytes, or the bits as integers.
    let bits: Vec<u16> = if tensor.int32_data.is_empty() {
        tensor.raw_data.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect()
    } else {
        let bits = tensor.int32_data.iter().map(|&bits| u16::try_from(bits));
        bits.collect::<Result<_, _>>().map_err(|_| wrong())?
    };
    let is_whole = tensor.raw_data.len().is_multiple_of(2) && elements == Some(bits.len());
    if !is_whole {
        return Err(wrong());
    }
    tensor.raw_data = bits.into_iter().flat_map(|bits| f16::from_bits(bits).to_f32().to_le_bytes()).collect();
    tensor.int32_data.clear();
    tensor.data_type = WIDE;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half_constant(name: &str, values: &[f32]) -> pb::TensorProto {
        pb::TensorProto {
            name: name.into(),
            data_type: NARROW,
            dims: vec![values.len() as i64],
            raw_data: values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn constants_keep_their_values_in_either_place() {
        let values = [0.0, -1.5, 65504.0, f32::INFINITY, 6e-8];
        let mut bytes = half_constant("w", &values);
        let mut integers = pb::TensorProto {
            int32_data: values.iter().map(|value| f16::from_f32(*value).to_bits().into()).collect(),
            raw_data: Vec::new(),
            ..bytes.clone()
        };
        constant(&mut bytes).unwrap();
        constant(&mut integers).unwrap();
        assert_eq!(bytes, integers);
        let (numbers, _) = bytes.raw_data.as_chunks::<4>();
        let widened: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        assert_eq!(widened, values.map(|value| f16::from_f32(value).to_f32()));
    }

    #[test]
    fn a_constant_that_is_cut_off_is_named() {
        let mut tensor = half_constant("stem.weight", &[1.0, 2.0]);
        tensor.raw_data.pop();
        let model = pb::ModelProto {
            graph: Some(pb::GraphProto { initializer: vec![tensor], ..Default::default() }),
            ..Default::default()
        };
        let error = widen(&mut model.clone()).unwrap_err().to_string();
        assert!(error.contains("stem.weight"), "{error}");
    }
}
