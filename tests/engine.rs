//! Models that a file was made to break.

use ndarray::ArrayD;
use prost::Message;
use tract_onnx::pb;
use vlunet::backend::{Input, Model, Options};

/// The embedded restorer with one attribute of every node of a kind changed.
fn damaged(op_type: &str, attribute: &str, change: fn(&mut pb::AttributeProto)) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/nano/restorer.f32.onnx");
    let mut model = pb::ModelProto::decode(std::fs::read(path).unwrap().as_slice()).unwrap();
    let nodes = &mut model.graph.as_mut().unwrap().node;
    let attributes =
        nodes.iter_mut().filter(|node| node.op_type == op_type).flat_map(|node| &mut node.attribute);
    let mut changed = 0;
    for attribute in attributes.filter(|a| a.name == attribute) {
        change(attribute);
        changed += 1;
    }
    assert!(changed > 0, "no {op_type} has {attribute}");
    model.encode_to_vec()
}

/// Opens and runs a model; gives the error.
fn failure(onnx: &[u8]) -> String {
    let run = || {
        let model = Model::open(onnx, "damaged", &Options { threads: 1, ..Options::default() })?;
        let mut session = model.session(&[("image", &[1, 3, 32, 32]), ("degradation", &[1, 512])])?;
        let (image, degradation) = (ArrayD::<f32>::zeros(vec![1, 3, 32, 32]), ArrayD::zeros(vec![1, 512]));
        session
            .run(&[("image", Input::F32(image.view())), ("degradation", Input::F32(degradation.view()))])
            .map(drop)
    };
    run().unwrap_err().to_string()
}

#[test]
fn a_graph_that_breaks_the_engines_assertions_is_one_clear_line() {
    for onnx in [
        damaged("Split", "axis", |axis| axis.i = 9),
        damaged("Transpose", "perm", |perm| perm.ints = vec![0, 2, 7, 1]),
        damaged("Conv", "group", |group| group.i = 0),
        damaged("DepthToSpace", "blocksize", |size| size.i = 0),
    ] {
        let message = failure(&onnx);
        assert!(message.contains("damaged") && message.lines().count() == 1, "{message}");
    }
}

#[test]
fn inputs_are_checked_by_name_and_shape() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/nano/restorer.f32.onnx");
    let model = Model::open(&std::fs::read(path).unwrap(), "nano", &Options::default()).unwrap();
    let fails = |shapes: &[(&str, &[usize])]| model.session(shapes).err().unwrap().to_string();
    assert!(fails(&[("picture", &[1, 3, 32, 32])]).contains("picture"));
    assert!(fails(&[("image", &[1, 3, 32, 32])]).contains("degradation"));
    assert!(fails(&[("image", &[1, 4, 32, 32]), ("degradation", &[1, 512])]).contains("image"));
    assert!(fails(&[("image", &[3, 32, 32]), ("degradation", &[1, 512])]).contains("image"));
    let mut session = model.session(&[("image", &[1, 3, 32, 32]), ("degradation", &[1, 512])]).unwrap();
    let image = ArrayD::<f32>::zeros(vec![1, 3, 32, 48]);
    let message = session.run(&[("image", Input::F32(image.view()))]).err().unwrap().to_string();
    assert!(message.contains("[1, 3, 32, 48]"), "{message}");
}
