//! The VLM head's conv tower: what is trained is what is exported.
#![cfg(feature = "train")]

mod support;

use burn::tensor::{Device, Distribution, Tensor};
use ndarray::Array2;
use support::max_abs_difference;
use vlunet::arch::{ClipConfig, ConvTowerConfig, VisionConfig};
use vlunet::backend::{Input, Model, Options};
use vlunet::train::head::{image_vector, initial};

fn tower(config: &ClipConfig) -> &ConvTowerConfig {
    let VisionConfig::Conv(tower) = &config.vision else { panic!("a conv tower") };
    tower
}

#[test]
fn the_exported_conv_tower_gives_the_trainers_numbers() {
    let config = ClipConfig::small();
    let device = Device::flex();
    let parameters = initial(&config.image_parameters(), 3, &device);
    let side = config.image_size;
    let image = Tensor::<4>::random([1, 3, side, side], Distribution::Normal(0.0, 1.0), &device);
    let expected = image_vector(&parameters, tower(&config), image.clone());
    let expected = Array2::from_shape_vec((1, 512), expected.into_data().try_into_vec().unwrap()).unwrap();

    let onnx = vlunet::onnx::image_tower(&config, &parameters.to_weights().unwrap()).unwrap();
    let model = Model::open(&onnx, "the tower", &Options::default()).unwrap();
    let mut session = model.session(&[("image", &[1, 3, side, side])]).unwrap();
    let image = image.into_data().try_into_vec::<f32>().unwrap();
    let image = ndarray::Array4::from_shape_vec((1, 3, side, side), image).unwrap().into_dyn();
    let outputs = session.run(&[("image", Input::F32(image.view()))]).unwrap();
    let found = outputs.get("degradation").unwrap().to_owned();
    let error = max_abs_difference(&found, &expected.into_dyn());
    println!("max error {error:e}");
    assert!(error < 1e-4, "{error}");
    drop(outputs);
    let mut times: Vec<_> = (0..20)
        .map(|_| {
            let start = std::time::Instant::now();
            session.run(&[("image", Input::F32(image.view()))]).unwrap();
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("median {:?}", times[10]);
}
