//! `vlunet-train devices`: what there is to train on.

use vlunet::Result;
use vlunet::train::devices::{gpus, model};
use vlunet::train::parity::parity;

/// Lists the devices that --device can name.
#[derive(clap::Args)]
pub struct Args {
    /// Compares each GPU's loss and gradients with the CPU's, and times a step.
    #[arg(long)]
    check: bool,

    /// Patches of 64×64 in a step of the check.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
}

pub fn run(args: &Args) -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("cpu     {threads} threads");
    let gpus = match gpus() {
        Ok(gpus) => gpus,
        Err(why) => {
            println!("cuda    none: {why}");
            return Ok(());
        }
    };
    for (index, gpu) in gpus.iter().enumerate() {
        println!("cuda:{index}  {}", model(gpu).as_deref().unwrap_or("NVIDIA GPU"));
        if args.check {
            let batch = usize::from(args.batch);
            let parity = parity(gpu, batch)?;
            println!(
                "        loss within {:.1e} and gradients within {:.1e} of the CPU's; {:.1} ms per \
                 step of nano, {:.0} patches/s",
                parity.loss,
                parity.gradients,
                parity.step.as_secs_f64() * 1e3,
                batch as f64 / parity.step.as_secs_f64()
            );
        }
    }
    Ok(())
}
