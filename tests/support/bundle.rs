//! Bundles whose restorer is a graph of one node.
#![allow(dead_code)] // each test file uses a part

use ndarray::{Array2, ArrayD};
use prost::Message;
use semver::Version;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use vlunet::arch::{DEGRADATION_DIM, VluNetConfig};
use vlunet::bundle::{Builder, Golden, Prompt, Task};

fn value(name: &str, shape: &[i64]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    // A negative extent is any.
    let extent = |extent: i64| match extent {
        ..0 => Value::DimParam(format!("{name}{extent}")),
        _ => Value::DimValue(extent),
    };
    let dim = |n: &i64| Dimension { value: Some(extent(*n)), ..Default::default() };
    let shape = pb::TensorShapeProto { dim: shape.iter().map(dim).collect() };
    let tensor = pb::type_proto::Tensor { elem_type: DataType::Float as i32, shape: Some(shape) };
    let kind = pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..Default::default() };
    pb::ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
}

/// An ONNX file of one node, from the first input to the output.
pub fn onnx(node: &str, inputs: &[(&str, &[i64])], output: (&str, &[i64])) -> Vec<u8> {
    graph(vec![self::node(node, &[inputs[0].0], output.0)], vec![], inputs, output)
}

/// A node named after its output.
pub fn node(op_type: &str, inputs: &[&str], output: &str) -> pb::NodeProto {
    pb::NodeProto {
        op_type: op_type.into(),
        name: output.into(),
        input: inputs.iter().map(|&input| input.into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

/// A convolution of this many groups that keeps the picture's size.
pub fn conv(inputs: &[&str], output: &str, group: i64, pad: i64) -> pb::NodeProto {
    use pb::attribute_proto::AttributeType;
    let attribute = |name: &str, i: i64, ints: Vec<i64>, kind: AttributeType| pb::AttributeProto {
        name: name.into(),
        i,
        ints,
        r#type: kind as i32,
        ..Default::default()
    };
    pb::NodeProto {
        attribute: vec![
            attribute("group", group, vec![], AttributeType::Int),
            attribute("pads", 0, vec![pad; 4], AttributeType::Ints),
        ],
        ..node("Conv", inputs, output)
    }
}

/// A constant of floats.
pub fn constant(name: &str, shape: &[i64], values: impl Fn(usize) -> f32) -> pb::TensorProto {
    let elements = shape.iter().product::<i64>() as usize;
    pb::TensorProto {
        name: name.into(),
        data_type: DataType::Float as i32,
        dims: shape.to_vec(),
        raw_data: (0..elements).flat_map(|at| values(at).to_le_bytes()).collect(),
        ..Default::default()
    }
}

/// An ONNX file.
pub fn graph(
    node: Vec<pb::NodeProto>,
    initializer: Vec<pb::TensorProto>,
    inputs: &[(&str, &[i64])],
    output: (&str, &[i64]),
) -> Vec<u8> {
    let graph = pb::GraphProto {
        name: "a test".into(),
        node,
        initializer,
        input: inputs.iter().map(|(name, shape)| value(name, shape)).collect(),
        output: vec![value(output.0, output.1)],
        ..Default::default()
    };
    let model = pb::ModelProto {
        ir_version: 8,
        opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: 17 }],
        graph: Some(graph),
        ..Default::default()
    };
    model.encode_to_vec()
}

/// A restorer that gives each picture back as it is.
pub fn identity() -> Vec<u8> {
    let inputs: [(&str, &[i64]); 2] = [("image", &[1, 3, -1, -2]), ("degradation", &[1, 512])];
    onnx("Identity", &inputs, ("restored", &[1, 3, -1, -2]))
}

/// A sound bundle around a restorer, with a golden frame.
pub fn builder(restorer: Vec<u8>) -> Builder {
    let picture = ArrayD::from_elem(vec![1, 3, 16, 16], 0.5);
    Builder {
        name: "tiny".into(),
        version: Version::new(1, 2, 3),
        license: "CC0-1.0".into(),
        training_data: "none".into(),
        config: VluNetConfig::nano(),
        restorer,
        vlm: None,
        prompts: vec![
            Prompt { text: "haze".into(), task: Task::Dehaze },
            Prompt { text: "rain".into(), task: Task::Derain },
        ],
        text_features: Some(Array2::from_elem((2, DEGRADATION_DIM), 0.25)),
        golden: Some(Golden {
            image: picture.clone(),
            degradation: ArrayD::from_elem(vec![1, DEGRADATION_DIM], 0.25),
            restored: picture,
        }),
        card: None,
    }
}
