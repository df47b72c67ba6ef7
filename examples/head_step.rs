//! Times steps of the image tower.
use burn::tensor::{Device, Distribution, Tensor};
use std::time::Instant;
use vlunet::arch::{ClipConfig, VisionConfig};
use vlunet::train::head::{image_vector, initial};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let config = ClipConfig::small();
    let VisionConfig::Conv(tower) = &config.vision else { return };
    let device = Device::flex();
    let parameters = initial(&config.image_parameters(), 1, &device);
    let batch = 32;
    let images = Tensor::<4>::random([batch, 3, 224, 224], Distribution::Normal(0.0, 1.0), &device);
    for _ in 0..3 {
        let start = Instant::now();
        let d = image_vector(&parameters, tower, images.clone());
        let _ = d.into_data();
        let forward = start.elapsed();
        let tracked = parameters.tracked();
        let start = Instant::now();
        let d = image_vector(&tracked, tower, images.clone().autodiff());
        let loss = d.square().mean();
        let mid = start.elapsed();
        let gradients = tracked.gradients(&mut loss.backward());
        let _ = gradients.values("clip_model.visual.conv1.weight").clone().into_data();
        println!("forward {forward:?}, tracked {mid:?}, step {:?}", start.elapsed());
    }
}
