//! The reference implementation's numbers, from the same weights.

mod support;

use ndarray::{ArrayD, Ix4};
use support::{golden, max_abs_difference};
use vlunet::arch::VluNetConfig;
use vlunet::backend::{Input, Model, Options};
use vlunet::onnx::{self, Size};
use vlunet::weights::{Checkpoint, Weights, parse_safetensors, read_restorer};

/// Runs a restorer on one golden case; returns its outputs by name.
fn run(onnx: &[u8], image: &ArrayD<f32>, degradation: &ArrayD<f32>, outputs: &[&str]) -> Vec<ArrayD<f32>> {
    let model = Model::open(onnx, "restorer", &Options::default()).unwrap();
    let shapes = [("image", image.shape()), ("degradation", degradation.shape())];
    let mut session = model.session(&shapes).unwrap();
    let outcome = session
        .run(&[("image", Input::F32(image.view())), ("degradation", Input::F32(degradation.view()))])
        .unwrap();
    outputs.iter().map(|name| outcome.get(name).unwrap().to_owned()).collect()
}

fn golden_io() -> Option<Weights> {
    let bytes = std::fs::read(golden("restorer_io.safetensors")?).unwrap();
    Some(parse_safetensors(&bytes, "restorer_io").unwrap().0)
}

#[test]
fn restored_pictures_equal_the_references_from_both_file_formats() {
    let Some(io) = golden_io() else { return };
    for file in ["vlunet.safetensors", "lightning.ckpt"] {
        let checkpoint = Checkpoint::open(&golden(file).unwrap()).unwrap();
        let (config, weights) = read_restorer(&checkpoint).unwrap();
        let symbolic = onnx::restorer(&config, &weights, Size::Symbolic).unwrap();
        for case in ["case0", "case1"] {
            let image = io.get(&format!("{case}.image")).unwrap();
            let d = io.get(&format!("{case}.degradation")).unwrap();
            let expected = io.get(&format!("{case}.restored")).unwrap();
            let (_, _, height, width) = image.view().into_dimensionality::<Ix4>().unwrap().dim();
            let fixed = onnx::restorer(&config, &weights, Size::Fixed { height, width }).unwrap();
            for (form, onnx) in [("symbolic", &symbolic), ("fixed", &fixed)] {
                let error = max_abs_difference(&run(onnx, image, d, &["restored"])[0], expected);
                println!("{file} {case} {form}: max abs error {error:e}");
                assert!(error <= 1e-4, "{file} {case} {form}: {error}");
            }
        }
    }
}

#[test]
fn features_equal_the_references_after_every_stage() {
    let Some(io) = golden_io() else { return };
    let checkpoint = Checkpoint::open(&golden("vlunet.safetensors").unwrap()).unwrap();
    let (config, weights) = read_restorer(&checkpoint).unwrap();
    let expected: Vec<(&str, &ArrayD<f32>)> =
        io.iter().filter_map(|(name, tensor)| Some((name.strip_prefix("case0.after.")?, tensor))).collect();
    let taps: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    assert!(taps.len() >= 10);
    let onnx = onnx::restorer_with_taps(&config, &weights, Size::Symbolic, &taps).unwrap();
    let model = Model::open(&onnx, "restorer", &Options::default()).unwrap();
    let names: Vec<&str> = model.outputs().iter().skip(1).map(String::as_str).collect();
    let features = run(&onnx, io.get("case0.image").unwrap(), io.get("case0.degradation").unwrap(), &names);
    for ((name, expected), feature) in expected.iter().zip(&features) {
        let error = max_abs_difference(feature, expected);
        println!("{name}: max abs error {error:e}");
        assert!(error <= 1e-4, "{name}: {error}");
    }
}

#[test]
fn the_same_weights_give_the_same_bytes() {
    let Some(path) = golden("vlunet.safetensors") else { return };
    let build = || {
        let (config, weights) = read_restorer(&Checkpoint::open(&path).unwrap()).unwrap();
        onnx::restorer(&config, &weights, Size::Symbolic).unwrap()
    };
    assert_eq!(build(), build());
}

#[test]
fn a_graph_gives_back_the_weights_it_was_made_of() {
    let Some(path) = golden("vlunet.safetensors") else { return };
    let (config, weights) = read_restorer(&Checkpoint::open(&path).unwrap()).unwrap();
    let onnx = onnx::restorer(&config, &weights, Size::Symbolic).unwrap();
    assert_eq!(onnx::restorer_weights(&config, &onnx).unwrap(), weights);

    let larger = VluNetConfig { de_dim: config.de_dim + 1, ..config.clone() };
    let message = onnx::restorer_weights(&larger, &onnx).unwrap_err().to_string();
    assert!(message.contains("gradient_descent"), "{message}");
}
