//! `vlunet-train speed`: how fast training is here.

use burn::tensor::Device;
use vlunet::arch::VluNetConfig;
use vlunet::train::speed::Trial;
use vlunet::{Error, Result};

/// Times training steps on random pictures: patches per second, and the share of the peak.
#[derive(clap::Args)]
pub struct Args {
    /// The network: full, small, nano or pico.
    #[arg(long, default_value = "nano")]
    network: String,

    /// Side of the patches.
    #[arg(long, default_value_t = 64)]
    patch: usize,

    /// Patches per step.
    #[arg(long, default_value_t = 16)]
    batch: usize,

    /// Steps that are timed.
    #[arg(long, default_value_t = 20)]
    steps: usize,

    /// Threads that share a step; all cores where not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: Option<u16>,

    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let config = VluNetConfig::preset(&args.network).ok_or_else(|| {
        Error::Input(format!("no network is called {}; there are full, small, nano, pico", args.network))
    })?;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or_else(cores, usize::from);
    let (patch, batch, steps) = (args.patch, args.batch, args.steps);
    let speed = Trial { config, patch, batch, threads, steps, device: Device::flex() }.run()?;
    if args.json {
        let json = serde_json::to_string(&speed).map_err(|e| Error::Input(e.to_string()))?;
        println!("{json}");
    } else {
        println!(
            "{} with {batch} patches of {patch}x{patch} on {threads} threads: {:.1} ms per step, {:.1} patches/s, \
             {:.1} GMAC/s, {:.0} % of the {:.1} of large matrix products",
            args.network,
            speed.step_s * 1e3,
            speed.images_per_s,
            speed.gmac_per_s,
            speed.peak_share * 100.0,
            speed.peak_gmac_per_s
        );
    }
    Ok(())
}
