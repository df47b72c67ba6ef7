//! Back from a graph to its weights, to go on training a bundle or to learn from it.

use crate::arch::{ClipConfig, Parameter, VluNetConfig};
use crate::weights::Weights;
use crate::{Error, Result};
use ndarray::{ArrayD, IxDyn};
use prost::Message;
use std::collections::HashMap;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, TensorProto};

/// The weights of a float32 graph that [`restorer()`](super::restorer()) has made of a network
/// of this configuration: the inverse of it.
///
/// # Errors
/// [`Error::Model`] where the bytes are no ONNX model, [`Error::Weights`] where a tensor is
/// missing, of another size, or not in float32.
pub fn restorer_weights(config: &VluNetConfig, onnx: &[u8]) -> Result<Weights> {
    config.validate()?;
    read(&config.parameters(), onnx)
}

/// The weights of a float32 graph that [`image_tower()`](super::image_tower()) has made of a conv
/// tower and its adapter.
///
/// # Errors
/// As [`restorer_weights`].
pub fn image_tower_weights(config: &ClipConfig, onnx: &[u8]) -> Result<Weights> {
    config.validate()?;
    read(&config.image_parameters(), onnx)
}

fn read(table: &[Parameter], onnx: &[u8]) -> Result<Weights> {
    let model = ModelProto::decode(onnx).map_err(|e| Error::Model(format!("no ONNX model: {e}")))?;
    let graph = model.graph.ok_or_else(|| Error::Model("an ONNX model without a graph".into()))?;
    let constants: HashMap<&str, &TensorProto> =
        graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let used = table.iter().filter(|parameter| parameter.used);
    used.map(|parameter| Ok((parameter.name.clone(), tensor(parameter, &constants)?))).collect()
}

fn tensor(parameter: &Parameter, constants: &HashMap<&str, &TensorProto>) -> Result<ArrayD<f32>> {
    let (name, shape) = (&parameter.name, &parameter.shape);
    // Linear layers stand in the graph with their matrix transposed.
    let turned = constants.get(format!("{name}.t").as_str());
    let found = constants.get(name.as_str()).or(turned);
    let found = found.ok_or_else(|| Error::Weights(format!("the model has no {name}")))?;
    if found.data_type != DataType::Float as i32 || found.raw_data.len() != 4 * parameter.elements() {
        return Err(Error::Weights(format!("{name} of the model is not {shape:?} in float32")));
    }
    let (numbers, _) = found.raw_data.as_chunks::<4>();
    let values: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let wrong = |e: ndarray::ShapeError| Error::Weights(format!("{name}: {e}"));
    match (constants.contains_key(name.as_str()), shape.as_slice()) {
        (false, &[rows, columns]) => {
            let matrix = ArrayD::from_shape_vec(IxDyn(&[columns, rows]), values).map_err(wrong)?;
            Ok(matrix.t().as_standard_layout().into_owned())
        }
        _ => ArrayD::from_shape_vec(shape.clone(), values).map_err(wrong),
    }
}
