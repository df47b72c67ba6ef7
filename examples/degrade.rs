//! Degrades a photograph as training does, to see what a kind looks like or to have something to restore.
//!
//! ```sh
//! cargo run --example degrade -- photo.jpg rain-fine -o rainy.png --strength 0.8 --seed 3
//! ```

use clap::Parser;
use std::error::Error;
use std::path::PathBuf;
use vlunet::eval::degrade::draw::{Degrade, Kind};

/// Degrades a photograph, by a seed.
#[derive(Parser)]
struct Args {
    /// The photograph.
    photo: PathBuf,

    /// What it gets: noise, rain-light, haze, …
    #[arg(value_parser = kind)]
    kind: Kind,

    /// Where the degraded picture goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// From 0, which hardly shows, to 1.
    #[arg(long, default_value_t = 0.5)]
    strength: f32,

    /// The standard deviation of noise, in 8-bit units, instead of its strength.
    #[arg(long)]
    sigma: Option<f32>,

    /// What is random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn kind(name: &str) -> Result<Kind, String> {
    let names = || Kind::ALL.map(|kind| kind.to_string()).join(", ");
    let found = Kind::ALL.into_iter().find(|kind| kind.to_string() == name);
    found.ok_or_else(|| format!("there are {}", names()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let degrade = Degrade {
        kind: args.kind,
        sigma: args.sigma.map(|sigma| [sigma, sigma]),
        strength: [args.strength, args.strength],
    };
    degrade.check()?;
    let photo = image::open(&args.photo)?.to_rgb8();
    let drawn = degrade.draw(&photo, args.seed);
    drawn.picture.save(&args.output)?;
    println!("{}: severity {:.2}", args.output.display(), drawn.severity);
    Ok(())
}
