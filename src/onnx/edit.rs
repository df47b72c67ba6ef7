//! A graph that is made, to be looked through and rewritten.

use crate::{Error, Result};
use ndarray::{ArrayD, IxDyn};
use prost::Message;
use std::collections::HashMap;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

/// Extents and elements of a constant, so that a hostile file can't ask for more memory than
/// it has bytes.
const MAX_ELEMENTS: usize = 1 << 30;

/// An ONNX model in parts.
#[derive(Clone, Debug)]
pub struct Edit {
    model: pb::ModelProto,
    graph: pb::GraphProto,
    /// Constants by their names.
    constants: HashMap<String, usize>,
}

impl Edit {
    /// Takes a model apart.
    ///
    /// # Errors
    /// [`Error::Model`] where the bytes are none.
    pub fn parse(onnx: &[u8]) -> Result<Self> {
        let model = pb::ModelProto::decode(onnx).map_err(|e| Error::Model(format!("no ONNX model: {e}")))?;
        Self::of(model)
    }

    /// A model that was read already.
    ///
    /// # Errors
    /// [`Error::Model`] where it has no graph.
    pub(crate) fn of(mut model: pb::ModelProto) -> Result<Self> {
        let graph = model.graph.take().ok_or_else(|| Error::Model("an ONNX model without a graph".into()))?;
        let constants = graph.initializer.iter().enumerate().map(|(at, tensor)| (tensor.name.clone(), at));
        Ok(Self { constants: constants.collect(), model, graph })
    }

    /// The bytes of the model file; the same graph gives the same bytes.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.model.graph = Some(self.graph);
        self.model.encode_to_vec()
    }

    /// The graph as it is.
    pub(crate) fn proto(&self) -> &pb::GraphProto {
        &self.graph
    }

    /// The version of the standard operators, where it uses no others.
    pub(crate) fn opset(&self) -> Option<i64> {
        let [set] = self.model.opset_import.as_slice() else { return None };
        set.domain.is_empty().then_some(set.version)
    }

    /// Its nodes, in the order in which they run.
    pub(crate) fn nodes(&self) -> &[pb::NodeProto] {
        &self.graph.node
    }

    /// Other nodes.
    pub(crate) fn set_nodes(&mut self, nodes: Vec<pb::NodeProto>) {
        self.graph.node = nodes;
    }

    /// Whether there is a constant of that name.
    pub(crate) fn is_constant(&self, name: &str) -> bool {
        self.constants.contains_key(name)
    }

    /// Whether the model has an output of that name.
    pub(crate) fn is_output(&self, name: &str) -> bool {
        self.graph.output.iter().any(|output| output.name == name)
    }

    /// A constant of floats.
    ///
    /// # Errors
    /// [`Error::Model`] where there is none of that name, or it isn't of float32.
    pub(crate) fn floats(&self, name: &str) -> Result<ArrayD<f32>> {
        let (shape, raw_data) = self.raw(name, DataType::Float, 4)?;
        let (numbers, _) = raw_data.as_chunks::<4>();
        let values = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| Error::Model(format!("{name}: {e}")))
    }

    /// The constants' names, in their order.
    pub(crate) fn constants(&self) -> impl Iterator<Item = &str> {
        self.graph.initializer.iter().map(|tensor| tensor.name.as_str())
    }

    /// The type of a constant's elements.
    pub(crate) fn element(&self, name: &str) -> Option<DataType> {
        let tensor = &self.graph.initializer[*self.constants.get(name)?];
        DataType::try_from(tensor.data_type).ok()
    }

    /// A constant of int8.
    ///
    /// # Errors
    /// [`Error::Model`] where there is none of that name, or it isn't of int8.
    pub(crate) fn int8s(&self, name: &str) -> Result<ArrayD<i8>> {
        let (shape, raw_data) = self.raw(name, DataType::Int8, 1)?;
        let values = raw_data.iter().map(|byte| i8::from_le_bytes([*byte])).collect();
        ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| Error::Model(format!("{name}: {e}")))
    }

    /// Extents and bytes of a constant whose elements are of that type and `width` bytes.
    fn raw(&self, name: &str, element: DataType, width: usize) -> Result<(Vec<usize>, &[u8])> {
        let missing = || Error::Model(format!("the graph has no constant {name}"));
        let tensor = &self.graph.initializer[*self.constants.get(name).ok_or_else(missing)?];
        let shape: Vec<usize> =
            tensor.dims.iter().map(|&extent| usize::try_from(extent).unwrap_or(0)).collect();
        let elements = shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        let fits =
            elements.is_some_and(|count| count <= MAX_ELEMENTS && tensor.raw_data.len() == width * count);
        if tensor.data_type != element as i32 || !fits {
            return Err(Error::Model(format!("the constant {name} is not of {}", element.as_str_name())));
        }
        Ok((shape, &tensor.raw_data))
    }

    /// The shape of a constant.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let tensor = &self.graph.initializer[*self.constants.get(name)?];
        tensor.dims.iter().map(|&extent| usize::try_from(extent).ok()).collect()
    }

    /// A constant of int8 (true) or uint8, as bytes; none where it is of something else.
    pub(crate) fn bytes(&self, name: &str) -> Option<(&[u8], bool)> {
        let element = self.element(name).filter(|kind| matches!(kind, DataType::Int8 | DataType::Uint8))?;
        let (_, bytes) = self.raw(name, element, 1).ok()?;
        Some((bytes, element == DataType::Int8))
    }

    /// A constant of int32; none where it is of something else.
    pub(crate) fn int32s(&self, name: &str) -> Option<Vec<i32>> {
        let (_, bytes) = self.raw(name, DataType::Int32, 4).ok()?;
        let (numbers, _) = bytes.as_chunks::<4>();
        Some(numbers.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect())
    }

    /// A constant of int64; none where it is of something else.
    pub(crate) fn int64s(&self, name: &str) -> Option<Vec<i64>> {
        let (_, bytes) = self.raw(name, DataType::Int64, 8).ok()?;
        let (numbers, _) = bytes.as_chunks::<8>();
        Some(numbers.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
    }

    /// Adds or replaces a constant of floats.
    pub(crate) fn set_floats(&mut self, name: &str, tensor: &ArrayD<f32>) {
        let bytes = tensor.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.set_constant(name, DataType::Float, tensor.shape(), bytes);
    }

    /// Adds or replaces a constant.
    pub(crate) fn set_constant(&mut self, name: &str, element: DataType, shape: &[usize], raw_data: Vec<u8>) {
        let tensor = pb::TensorProto {
            name: name.into(),
            data_type: element as i32,
            dims: shape.iter().map(|&extent| extent as i64).collect(),
            raw_data,
            ..Default::default()
        };
        match self.constants.get(name) {
            Some(&at) => self.graph.initializer[at] = tensor,
            None => {
                self.constants.insert(name.into(), self.graph.initializer.len());
                self.graph.initializer.push(tensor);
            }
        }
    }

    /// Lets go of constants that no node takes.
    pub(crate) fn drop_unused_constants(&mut self) {
        let used: std::collections::HashSet<&String> =
            self.graph.node.iter().flat_map(|node| &node.input).collect();
        self.graph.initializer.retain(|tensor| used.contains(&tensor.name));
        let constants = self.graph.initializer.iter().enumerate();
        self.constants = constants.map(|(at, tensor)| (tensor.name.clone(), at)).collect();
    }

    /// Gives values of the graph out as well, as floats of any shape.
    pub(crate) fn tap(&mut self, names: &[String]) {
        let untapped = names.iter().filter(|name| !self.is_output(name)).cloned().collect::<Vec<_>>();
        self.graph.output.extend(untapped.into_iter().map(|name| {
            let tensor = pb::type_proto::Tensor { elem_type: DataType::Float as i32, shape: None };
            let kind = pb::type_proto::Value::TensorType(tensor);
            let kind = pb::TypeProto { value: Some(kind), ..Default::default() };
            pb::ValueInfoProto { name, r#type: Some(kind), ..Default::default() }
        }));
    }

    /// The nodes that take a value.
    pub(crate) fn consumers<'a>(&'a self, value: &'a str) -> impl Iterator<Item = &'a pb::NodeProto> {
        self.graph.node.iter().filter(move |node| node.input.iter().any(|input| input == value))
    }
}

/// An integer attribute of a node.
pub(crate) fn int_attribute(node: &pb::NodeProto, name: &str) -> Option<i64> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.i)
}

/// A number attribute of a node.
pub(crate) fn float_attribute(node: &pb::NodeProto, name: &str) -> Option<f32> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.f)
}

/// Integers of a node's attribute.
pub(crate) fn ints_attribute<'a>(node: &'a pb::NodeProto, name: &str) -> Option<&'a [i64]> {
    let attribute = node.attribute.iter().find(|attribute| attribute.name == name)?;
    Some(attribute.ints.as_slice())
}

/// A node of one output, and of no name: its output's stands for it.
pub(crate) fn node(op_type: &str, output: &str, inputs: &[&str], axis: Option<i64>) -> pb::NodeProto {
    use pb::attribute_proto::AttributeType;
    let axis = axis.map(|axis| pb::AttributeProto {
        name: "axis".into(),
        i: axis,
        r#type: AttributeType::Int as i32,
        ..Default::default()
    });
    pb::NodeProto {
        op_type: op_type.into(),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![output.into()],
        attribute: axis.into_iter().collect(),
        ..Default::default()
    }
}
