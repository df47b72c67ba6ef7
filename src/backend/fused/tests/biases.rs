//! Biases that quantization gives to layers that are folded into others or computed beforehand.

use super::super::program::Step;
use super::{Inputs, distance, int_forms, nano, network, program};
use crate::backend::{Engine, Input, Model, Options};
use crate::onnx::edit::Edit;
use ndarray::{Array1, ArrayView};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// nano in integers with biases on the layers whose names end so, as large as this part of what
/// the layer's weights and inputs usually sum up to.
fn biased(end: &str, part: f32) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut edit = Edit::parse(&nano("int8")).unwrap();
    let mut nodes = edit.nodes().to_vec();
    let scales = |value: &str| {
        let decoder = edit.nodes().iter().find(|node| node.output[0] == value).unwrap();
        edit.floats(&decoder.input[1]).unwrap().into_iter().collect::<Vec<f32>>()
    };
    let mut biases = Vec::new();
    for (index, node) in nodes.iter_mut().enumerate() {
        if node.op_type != "Conv" || !node.output[0].ends_with(end) {
            continue;
        }
        let (input, weights) = (scales(&node.input[0])[0], scales(&node.input[1]));
        let bias: Array1<f32> = weights
            .iter()
            .map(|scale| scale * input * 5000.0 * part * random.random_range(-1.0..1.0))
            .collect();
        node.input.truncate(2);
        node.input.push(format!("bias{index}"));
        biases.push((format!("bias{index}"), bias.into_dyn()));
    }
    assert!(!biases.is_empty());
    biases.iter().for_each(|(name, bias)| edit.set_floats(name, bias));
    edit.set_nodes(nodes);
    edit.into_bytes()
}

fn by_tract(onnx: &[u8], inputs: &Inputs) -> Vec<f32> {
    let options = Options { threads: 2, engine: Engine::Tract, ..Options::default() };
    let model = Model::open(onnx, "biased", &options).unwrap();
    let shape = [1, 3, inputs.height, inputs.width];
    let mut session = model.session(&[("image", &shape), ("degradation", &[1, 512])]).unwrap();
    let image = ArrayView::from_shape(shape, &inputs.image).unwrap().into_dyn();
    let d = ArrayView::from_shape([1, 512], &inputs.d).unwrap().into_dyn();
    let outputs = session.run(&[("image", Input::F32(image)), ("degradation", Input::F32(d))]).unwrap();
    outputs.get("restored").unwrap().iter().copied().collect()
}

/// The picture of biased layers is tract's, and would not be without the biases.
fn assert_biased(end: &str, part: f32) {
    let inputs = Inputs::new(64, 96, 2);
    let file = biased(end, part);
    let expected = by_tract(&file, &inputs);
    let mut pictures = Vec::new();
    for forms in int_forms() {
        pictures.push(inputs.run(&network(&program(&file), forms), 2));
    }
    let without = inputs.run(&network(&program(&nano("int8")), int_forms()[0]), 1);
    let [_, missed] = distance(&without, &expected);
    for picture in &pictures {
        let [_, apart] = distance(picture, &expected);
        println!("{end}: {apart} apart, {missed} without");
        assert!(3.0 * apart < missed, "{end}: {apart} apart, {missed} without biases");
    }
}

#[test]
fn a_bias_of_an_output_projection_is_added() {
    assert_biased(".attn.project_out", 5.0);
}

#[test]
fn a_bias_of_the_projection_of_phi_is_added() {
    assert_biased(".phi.project_out", 5.0);
}

#[test]
fn a_bias_of_the_projection_of_phit_is_added() {
    assert_biased(".phit.project_out", 3.0);
}

#[test]
fn biases_of_k_are_added_before_and_behind_its_depthwise_layer() {
    assert_biased(".phi.k", 4.0);
    assert_biased(".phi.k_dwconv", 4.0);
}

#[test]
fn a_bias_is_read_in_the_units_of_its_layer() {
    let program = program(&biased(".phi.project_out", 1.0));
    let biases = program.steps.iter().filter_map(|step| match step {
        Step::Gradient { phi, phit, .. } => Some((&phi.project_bias, &phit.project_bias)),
        _ => None,
    });
    for (phi, phit) in biases {
        assert!(phi.iter().any(|bias| *bias != 0.0) && phit.iter().all(|bias| *bias == 0.0));
    }
}
