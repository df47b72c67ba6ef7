//! What a model computes in: its multiply-accumulates by operator and number format, counted in
//! its file.

use crate::backend::{self, Fact, Model};
use crate::bundle::Dtype;
use crate::onnx::edit::{Edit, int_attribute};
use crate::{Error, Result, cpu, onnx};
use prost::Message;
use std::collections::{BTreeMap, HashMap, HashSet};
use tract_onnx::pb::{ModelProto, NodeProto};

/// Operators of one kind that compute in one number format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operations {
    /// What they do: `Conv 1x1`, `Conv 3x3`, `Conv 3x3 depthwise`, `MatMul`, `MatMul of
    /// activations`, …
    pub kind: String,
    /// What they compute in on this machine.
    pub dtype: Dtype,
    /// How many there are.
    pub nodes: u64,
    /// Their multiply-accumulates for one run.
    pub macs: u64,
}

/// Counts the convolutions and matrix products of a model at these input shapes, the most
/// expensive first. Where the CPU doesn't compute in float16, such a model counts as the float32
/// that it is widened to.
///
/// # Errors
/// [`Error::Model`] where the model can't be read, or doesn't fit the shapes.
pub fn operations(onnx: &[u8], name: &str, shapes: &[(&str, &[usize])]) -> Result<Vec<Operations>> {
    let mut proto = ModelProto::decode(onnx)
        .map_err(|e| Error::Model(format!("{name} is no model that can be read: {e}")))?;
    if !cpu::computes_in_f16() {
        onnx::widen(&mut proto)?;
    }
    count(&proto, name, shapes)
}

fn count(proto: &ModelProto, name: &str, shapes: &[(&str, &[usize])]) -> Result<Vec<Operations>> {
    let facts = Model::facts(proto, name, shapes)?;
    let model =
        Model::of(proto.clone(), name, &backend::Options { threads: 1, ..backend::Options::default() })?;
    let integers: HashSet<&str> = model.integer_layers().iter().map(String::as_str).collect();
    let graph = Edit::of(proto.clone())?;
    let mut found: BTreeMap<(String, &str), Operations> = BTreeMap::new();
    for node in graph.nodes() {
        let Some((kind, macs)) = product(&graph, &facts, node)? else { continue };
        let dtype = dtype(&integers, &facts, node);
        let entry = found.entry((kind, format_name(dtype))).or_insert_with_key(|(kind, _)| Operations {
            kind: kind.clone(),
            dtype,
            nodes: 0,
            macs: 0,
        });
        entry.nodes += 1;
        entry.macs += macs;
    }
    let mut found: Vec<Operations> = found.into_values().collect();
    found.sort_by_key(|operations| std::cmp::Reverse(operations.macs));
    Ok(found)
}

fn format_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "f32",
        Dtype::F16 => "f16",
        Dtype::Int8 => "int8",
    }
}

/// What a node computes in: on integers where the engine has put a kernel for them in its place.
fn dtype(integers: &HashSet<&str>, facts: &HashMap<String, Fact>, node: &NodeProto) -> Dtype {
    let is_half = |value: &String| facts.get(value).is_some_and(|fact| fact.is_f16);
    if integers.contains(node.name.as_str()) {
        Dtype::Int8
    } else if node.output.iter().any(is_half) {
        Dtype::F16
    } else {
        Dtype::F32
    }
}

/// What kind of product a node is, and its multiply-accumulates.
fn product(graph: &Edit, facts: &HashMap<String, Fact>, node: &NodeProto) -> Result<Option<(String, u64)>> {
    if !["Conv", "ConvTranspose", "Gemm", "MatMul"].contains(&node.op_type.as_str()) {
        return Ok(None);
    }
    let label = node.output.first().map_or("", String::as_str);
    let unknown = || Error::Model(format!("the shapes at {label} can't be told"));
    let shape = |value: Option<&String>| {
        let fact = value.and_then(|value| facts.get(value)).ok_or_else(unknown)?;
        Ok::<&[usize], Error>(&fact.shape)
    };
    let (input, weight, output) =
        (shape(node.input.first())?, shape(node.input.get(1))?, shape(node.output.first())?);
    let size = |extents: &[usize]| extents.iter().map(|&extent| extent as u64).product::<u64>();
    let group = int_attribute(node, "group").unwrap_or(1);
    let counted = match (node.op_type.as_str(), weight) {
        (op @ ("Conv" | "ConvTranspose"), [outputs, _, kernel @ ..]) => {
            let sides: Vec<String> = kernel.iter().map(usize::to_string).collect();
            let grouped = match group {
                1 => "",
                group if group == *outputs as i64 => " depthwise",
                _ => " grouped",
            };
            let over = if op == "Conv" { output } else { input };
            (format!("{op} {}{grouped}", sides.join("x")), size(over) * size(&weight[1..]))
        }
        (op, _) => {
            let turned = op == "Gemm" && int_attribute(node, "transA") == Some(1);
            let summed = if turned { input.first() } else { input.last() };
            let is_weight = graph.is_constant(&node.input[1]) || weight.len() == 2;
            let kind = if is_weight { op.to_owned() } else { format!("{op} of activations") };
            (kind, size(output) * summed.copied().unwrap_or(0) as u64)
        }
    };
    Ok(Some(counted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use crate::quantize::halve;

    const SHAPES: [(&str, &[usize]); 2] = [("image", &[1, 3, 48, 64]), ("degradation", &[1, 512])];

    fn nano(dtype: Option<Dtype>) -> ModelProto {
        let bundle = Bundle::find(concat!(env!("CARGO_MANIFEST_DIR"), "/models/nano")).unwrap();
        let onnx = match dtype {
            Some(Dtype::F16) => halve(&bundle, &backend::Options::default()).unwrap().restorer.onnx,
            _ => bundle.read(&bundle.variant(Some(Dtype::F32)).unwrap().restorer).unwrap().into_owned(),
        };
        ModelProto::decode(onnx.as_slice()).unwrap()
    }

    fn total(operations: &[Operations], dtype: Dtype) -> u64 {
        operations.iter().filter(|found| found.dtype == dtype).map(|found| found.macs).sum()
    }

    #[test]
    fn the_file_costs_what_the_configuration_says() {
        let config = crate::arch::VluNetConfig::nano();
        let found = count(&nano(None), "nano", &SHAPES).unwrap();
        assert_eq!(total(&found, Dtype::F32), config.cost(48, 64).macs(), "{found:#?}");
        assert!(found.iter().any(|o| o.kind == "Conv 3x3 depthwise"), "{found:#?}");
    }

    #[test]
    fn a_model_in_float16_computes_all_but_the_attention_maps_in_it() {
        let found = count(&nano(Some(Dtype::F16)), "nano", &SHAPES).unwrap();
        let (half, float) = (total(&found, Dtype::F16), total(&found, Dtype::F32));
        assert!(half > 9 * float && float > 0, "{found:#?}");
        assert!(
            found.iter().all(|o| o.dtype == Dtype::F16 || o.kind == "MatMul of activations"),
            "{found:#?}"
        );
        // Widened, it is a float32 model.
        let onnx = nano(Some(Dtype::F16)).encode_to_vec();
        let found = operations(&onnx, "nano", &SHAPES).unwrap();
        assert_eq!(total(&found, Dtype::F16) == 0, !cpu::computes_in_f16());
    }
}
