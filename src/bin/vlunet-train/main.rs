//! The trainer's command line: one file per subcommand, each a thin layer over the library.

mod devices;
mod exam;
mod export;
mod fit;
mod head;
mod speed;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

// A third of a training step would go into handing memory back and taking it again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains VLU-Net's restorer and VLM head, and makes bundles of them.
#[derive(Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Devices(devices::Args),
    Head(head::Args),
    Exam(exam::Args),
    Fit(fit::Args),
    Export(export::Args),
    Speed(speed::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    env_logger::Builder::new().filter_module("vlunet", log::LevelFilter::Warn).parse_default_env().init();
    let outcome = match &cli.command {
        Command::Devices(args) => devices::run(args),
        Command::Head(args) => head::run(args),
        Command::Exam(args) => exam::run(args),
        Command::Fit(args) => fit::run(args),
        Command::Export(args) => export::run(args),
        Command::Speed(args) => speed::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
