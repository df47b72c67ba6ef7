//! A graph under construction: nodes and constants, each under a name of its own.

use ndarray::ArrayD;
use prost::Message;
use std::collections::HashSet;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

/// The operator set of all our graphs: the first with LayerNormalization, and one that every
/// engine of the last years reads.
const OPSET: i64 = 17;

/// The ONNX file format that came with opset 17.
const IR_VERSION: i64 = 8;

/// A tensor in a graph, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value(String);

/// One extent of an input or output.
#[derive(Clone, Copy)]
pub(super) enum Dim {
    Fixed(usize),
    Symbol(&'static str),
    Unknown,
}

/// An attribute of a node.
pub(super) enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Float(f32),
    Text(&'static str),
}

/// The graph. Names are taken as given; [`Graph::node`] makes a repeated one unique.
#[derive(Default)]
pub(super) struct Graph {
    proto: pb::GraphProto,
    names: HashSet<String>,
}

impl Graph {
    pub(super) fn new(name: &str) -> Self {
        Self { proto: pb::GraphProto { name: name.into(), ..Default::default() }, names: HashSet::new() }
    }

    pub(super) fn input(&mut self, name: &str, element: DataType, shape: &[Dim]) -> Value {
        self.names.insert(name.into());
        self.proto.input.push(value_info(name, element, shape));
        Value(name.into())
    }

    /// The value of that name, if there is one.
    pub(super) fn find(&self, name: &str) -> Option<Value> {
        self.names.contains(name).then(|| Value(name.into()))
    }

    /// Stands for an optional input that is left out.
    pub(super) fn absent(&self) -> Value {
        Value(String::new())
    }

    pub(super) fn output(&mut self, value: &Value, shape: &[Dim]) {
        self.proto.output.push(value_info(&value.0, DataType::Float, shape));
    }

    /// A constant tensor of floats.
    pub(super) fn floats(&mut self, name: &str, tensor: &ArrayD<f32>) -> Value {
        let bytes = tensor.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, DataType::Float, tensor.shape(), bytes)
    }

    /// A constant float that broadcasts.
    pub(super) fn scalar(&mut self, name: &str, value: f32) -> Value {
        self.constant(name, DataType::Float, &[], value.to_le_bytes().to_vec())
    }

    /// A constant vector of integers.
    pub(super) fn ints(&mut self, name: &str, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, DataType::Int64, &[values.len()], bytes)
    }

    /// A constant under that name; one that exists already is used again.
    fn constant(&mut self, name: &str, element: DataType, shape: &[usize], raw_data: Vec<u8>) -> Value {
        if self.names.insert(name.into()) {
            self.proto.initializer.push(pb::TensorProto {
                name: name.into(),
                data_type: element as i32,
                dims: shape.iter().map(|&extent| extent as i64).collect(),
                raw_data,
                ..Default::default()
            });
        }
        Value(name.into())
    }

    /// A node with one output, which takes the node's name.
    pub(super) fn node(
        &mut self,
        op_type: &str,
        name: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
    ) -> Value {
        let [output] = self.node_with_outputs(op_type, name, inputs, attributes, [""]);
        output
    }

    /// A node with several outputs, named `name` plus their suffixes.
    pub(super) fn node_with_outputs<const N: usize>(
        &mut self,
        op_type: &str,
        name: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
        suffixes: [&str; N],
    ) -> [Value; N] {
        let mut name = name.to_owned();
        while !self.names.insert(name.clone()) {
            name.push('\'');
        }
        let outputs = suffixes.map(|suffix| Value(format!("{name}{suffix}")));
        self.proto.node.push(pb::NodeProto {
            op_type: op_type.into(),
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: outputs.iter().map(|value| value.0.clone()).collect(),
            attribute: attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
            name,
            ..Default::default()
        });
        outputs
    }

    /// The bytes of the model file.
    pub(super) fn finish(self, metadata: &[(&str, String)]) -> Vec<u8> {
        let model = pb::ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: OPSET }],
            producer_name: "vlunet".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self.proto),
            metadata_props: metadata
                .iter()
                .map(|(key, value)| pb::StringStringEntryProto { key: (*key).into(), value: value.clone() })
                .collect(),
            ..Default::default()
        };
        model.encode_to_vec()
    }
}

fn value_info(name: &str, element: DataType, shape: &[Dim]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let dimension = |dim: &Dim| Dimension {
        value: match dim {
            Dim::Fixed(extent) => Some(Value::DimValue(*extent as i64)),
            Dim::Symbol(name) => Some(Value::DimParam((*name).into())),
            Dim::Unknown => None,
        },
        ..Default::default()
    };
    let tensor = pb::type_proto::Tensor {
        elem_type: element as i32,
        shape: Some(pb::TensorShapeProto { dim: shape.iter().map(dimension).collect() }),
    };
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn attribute(name: &str, value: &Attribute<'_>) -> pb::AttributeProto {
    use pb::attribute_proto::AttributeType;
    let mut proto = pb::AttributeProto { name: name.into(), ..Default::default() };
    let kind = match value {
        Attribute::Int(value) => {
            proto.i = *value;
            AttributeType::Int
        }
        Attribute::Ints(values) => {
            proto.ints = values.to_vec();
            AttributeType::Ints
        }
        Attribute::Float(value) => {
            proto.f = *value;
            AttributeType::Float
        }
        Attribute::Text(text) => {
            proto.s = text.as_bytes().to_vec();
            AttributeType::String
        }
    };
    proto.r#type = kind as i32;
    proto
}
