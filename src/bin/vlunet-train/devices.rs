//! `vlunet-train devices`: what there is to train on.

use vlunet::Result;
use vlunet::train::devices::{gpus, model};

/// Lists the devices that --device can name.
#[derive(clap::Args)]
pub struct Args {}

pub fn run(Args {}: &Args) -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("cpu     {threads} threads");
    match gpus() {
        Ok(gpus) => {
            for (index, gpu) in gpus.iter().enumerate() {
                println!("cuda:{index}  {}", model(gpu).as_deref().unwrap_or("NVIDIA GPU"));
            }
        }
        Err(why) => println!("cuda    none: {why}"),
    }
    Ok(())
}
