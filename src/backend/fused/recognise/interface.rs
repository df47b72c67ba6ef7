//! What goes into a restorer and comes out of it.

use crate::onnx::edit::Edit;
use tract_onnx::pb::ValueInfoProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::pb::type_proto;

/// Inputs and output of a graph, by name.
pub(super) struct Interface<'a> {
    /// `[1, 3, H, W]`.
    pub(super) image: &'a str,
    /// H and W, where the file fixes them.
    pub(super) size: Option<[usize; 2]>,
    /// `[1, length]`.
    pub(super) degradation: &'a str,
    pub(super) length: usize,
    pub(super) restored: &'a str,
}

impl<'a> Interface<'a> {
    /// Of a graph that takes a picture and a degradation, and gives a picture.
    pub(super) fn of(edit: &'a Edit) -> Option<Self> {
        let graph = edit.proto();
        let ([image, degradation], [restored]) = (graph.input.as_slice(), graph.output.as_slice()) else {
            return None;
        };
        let (&[Some(1), Some(3), height, width], &[Some(1), Some(length)]) =
            (extents(image)?.as_slice(), extents(degradation)?.as_slice())
        else {
            return None;
        };
        let size = match (height, width) {
            (Some(height), Some(width)) => Some([height, width]),
            (None, None) => None,
            // A picture of one fixed side.
            _ => return None,
        };
        kind(restored)?;
        let [image, degradation, restored] = [image, degradation, restored].map(|info| info.name.as_str());
        Some(Self { image, size, degradation, length, restored })
    }
}

/// The type of a value of floats.
pub(super) fn kind(info: &ValueInfoProto) -> Option<&type_proto::Tensor> {
    let Some(type_proto::Value::TensorType(tensor)) = &info.r#type.as_ref()?.value else { return None };
    (tensor.elem_type == DataType::Float as i32).then_some(tensor)
}

/// The extents of a value of floats, none for what a symbol stands for.
pub(super) fn extents(info: &ValueInfoProto) -> Option<Vec<Option<usize>>> {
    let dims = &kind(info)?.shape.as_ref()?.dim;
    let extent = |dim: &tract_onnx::pb::tensor_shape_proto::Dimension| match &dim.value {
        Some(dimension::Value::DimValue(extent)) => {
            usize::try_from(*extent).ok().filter(|extent| *extent > 0).map(Some)
        }
        Some(dimension::Value::DimParam(_)) | None => Some(None),
    };
    dims.iter().map(extent).collect()
}
