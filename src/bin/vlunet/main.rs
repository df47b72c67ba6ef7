//! The command line: one file per subcommand, each a thin layer over the library.

mod args;
mod bundle;
mod demo;
mod detect;
mod eval;
mod export;
mod guide;
mod import;
mod info;
mod output;
mod restore;

use clap::{Parser, Subcommand};
use log::LevelFilter;
use std::io::Write;
use std::process::ExitCode;

/// Restores pictures taken in noise, rain, haze, blur or low light, with VLU-Net.
///
/// The program carries a small model (nano); `vlunet demo` shows what it does.
#[derive(Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Says more of what it does; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Says nothing but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Restore(restore::Args),
    Detect(detect::Args),
    Eval(eval::Args),
    Info(info::Args),
    Import(import::Args),
    Export(export::Args),
    #[command(subcommand)]
    Bundle(bundle::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli);
    let outcome = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Detect(args) => detect::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(&args),
        Command::Bundle(command) => bundle::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough (`vlunet info | head`).
        Err(vlunet::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Log lines go to standard error, as `warning: …`; `RUST_LOG` overrides the flags.
fn start_log(cli: &Cli) {
    let (ours, theirs) = match (cli.quiet, cli.verbose) {
        (true, _) => (LevelFilter::Error, LevelFilter::Off),
        (_, 0) => (LevelFilter::Warn, LevelFilter::Off),
        (_, 1) => (LevelFilter::Info, LevelFilter::Warn),
        _ => (LevelFilter::Trace, LevelFilter::Debug),
    };
    env_logger::Builder::new()
        .filter_level(theirs)
        .filter_module("vlunet", ours)
        .parse_default_env()
        .format(|line, record| {
            let level = match record.level() {
                log::Level::Error => "error",
                log::Level::Warn => "warning",
                log::Level::Info => "info",
                log::Level::Debug => "debug",
                log::Level::Trace => "trace",
            };
            writeln!(line, "{level}: {}", record.args())
        })
        .init();
}
