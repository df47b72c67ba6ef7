//! Trains the image side of the VLM head.
use burn::tensor::Device;
use std::path::PathBuf;
use vlunet::arch::ClipConfig;
use vlunet::train::data::{Library, Opening};
use vlunet::train::head::{HeadFolder, HeadRecipe, RunOptions, train_images};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    env_logger::init();
    let folder = PathBuf::from(std::env::args().nth(1).unwrap());
    let recipe = HeadRecipe::read(std::env::args().nth(2).unwrap().as_ref()).unwrap();
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let library = Library::open("/work/shared/data/train".as_ref(), &Opening::default()).unwrap();
    println!("library read");
    let (config, device) = (ClipConfig::small(), Device::flex());
    let folder = HeadFolder::new(folder);
    train_images(&config, &recipe, &library, &folder, &RunOptions::default(), &device, || true, |line| {
        println!("{}", serde_json::to_string(line).unwrap());
    })
    .unwrap();
}
