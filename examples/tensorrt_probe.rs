//! Says which TensorRT is here and whether it can be used, and tries the parts that need no engine:
//!
//! ```text
//! cargo run --features tensorrt --example tensorrt_probe
//! ```
//!
//! `VLUNET_TENSORRT_LIB` names a library or its folder in place of the system's.

use std::process::ExitCode;
use vlunet::backend::tensorrt::{self, Engine, Library};

fn main() -> ExitCode {
    env_logger::init();
    match Library::open() {
        Ok(library) => {
            let kind = if library.is_lean() { "lean" } else { "full" };
            println!("TensorRT {} ({kind}): {}", library.version(), library.path().display());
        }
        Err(why) => println!("TensorRT: {why}"),
    }
    let device = match tensorrt::probe() {
        Ok(device) => device,
        Err(why) => {
            println!("GPU: {why}");
            return ExitCode::SUCCESS;
        }
    };
    let ([major, minor], [cuda, point]) = (device.compute_capability(), device.cuda());
    let memory = device.memory() >> 20;
    println!("GPU: {}, compute capability {major}.{minor}, {memory} MiB, CUDA {cuda}.{point}", device.name());
    match device.dla_cores() {
        Ok(cores) => println!("DLA cores: {cores}"),
        Err(error) => {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    }
    for junk in [&b""[..], &b"no plan"[..], &[0; 4096][..]] {
        match Engine::load(&device, junk, None) {
            Err(error) => println!("{} bytes of junk: {error}", junk.len()),
            Ok(_) => {
                println!("{} bytes of junk were taken for a plan", junk.len());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
