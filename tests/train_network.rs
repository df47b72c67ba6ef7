//! The trainer's networks give the reference's numbers, and right gradients.
#![cfg(feature = "train")]

mod support;

use burn::tensor::{Device, Tensor, TensorData};
use support::{golden, max_abs_difference};
use vlunet::train::network::VluNet;
use vlunet::train::parameters::Parameters;
use vlunet::weights::{Checkpoint, read_restorer, read_safetensors};

#[test]
fn the_restorer_in_training_gives_the_references_numbers() {
    let Some(path) = golden("vlunet.safetensors") else { return };
    let (config, weights) = read_restorer(&Checkpoint::open(&path).unwrap()).unwrap();
    let (io, _) = read_safetensors(&golden("restorer_io.safetensors").unwrap(), 1 << 28).unwrap();
    for device in [Device::flex(), Device::flex().autodiff()] {
        let parameters = Parameters::from_weights(&config.parameters(), &weights, &device).unwrap();
        let network = VluNet::new(config.clone());
        for case in ["case0", "case1"] {
            let tensor = |name: &str| {
                let array = io.get(&format!("{case}.{name}")).unwrap();
                TensorData::new(array.iter().copied().collect::<Vec<f32>>(), array.shape().to_vec())
            };
            let image = Tensor::<4>::from_data(tensor("image"), &device);
            let d = Tensor::<2>::from_data(tensor("degradation"), &device);
            let restored = network.restore(&parameters, image, &d);
            let shape = restored.dims().to_vec();
            let restored = restored.into_data().try_into_vec::<f32>().unwrap();
            let restored = ndarray::ArrayD::from_shape_vec(shape, restored).unwrap();
            let error = max_abs_difference(&restored, io.get(&format!("{case}.restored")).unwrap());
            println!("{case}: max error {error:e}");
            assert!(error < 1e-4, "{case}: {error}");
        }
    }
}
