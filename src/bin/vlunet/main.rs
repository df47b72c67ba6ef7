//! The command line: one file per subcommand, each a thin layer over the library.

mod args;
mod bench;
mod bundle;
mod demo;
mod detect;
mod doctor;
mod engine;
mod eval;
mod export;
mod generate;
mod guide;
mod import;
mod info;
mod output;
mod quantize;
mod restore;
mod run;

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

    /// Prints no warnings.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Run(run::Args),
    Bench(bench::Args),
    Restore(restore::Args),
    Detect(detect::Args),
    Doctor(doctor::Args),
    Eval(eval::Args),
    Info(info::Args),
    Import(import::Args),
    Export(export::Args),
    Quantize(quantize::Args),
    #[command(subcommand)]
    Bundle(bundle::Command),
    #[command(subcommand)]
    Engine(engine::Command),
    Completions(generate::CompletionsArgs),
    #[command(hide = true)]
    Man(generate::ManArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli);
    // Where the engine or a decoder gives up on a file, the library makes an error of it: the
    // panic itself is for those who ask for details.
    std::panic::set_hook(Box::new(|panic| log::debug!("{panic}")));
    let outcome = std::panic::catch_unwind(|| dispatch(cli.command)).unwrap_or_else(|_| {
        Err(vlunet::Error::Input(
            "internal error, which is a bug: run again with -vv and report what it prints".into(),
        ))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough (`vlunet info | head`).
        Err(vlunet::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // Names in a file, and of files, may hold line breaks and worse; an error is one line.
            log::error!("{}", error.to_string().replace(char::is_control, " "));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> vlunet::Result<()> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Run(args) => run::run(args),
        Command::Bench(args) => bench::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Detect(args) => detect::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(&args),
        Command::Quantize(args) => quantize::run(args),
        Command::Bundle(command) => bundle::run(&command),
        Command::Engine(command) => engine::run(&command),
        Command::Completions(args) => generate::completions(&args),
        Command::Man(args) => generate::man(&args),
    }
}

/// Log lines go to standard error, as `warning: …`; `RUST_LOG` overrides the flags.
fn start_log(cli: &Cli) {
    let (ours, theirs) = match (cli.quiet, cli.verbose) {
        (true, _) => (LevelFilter::Error, LevelFilter::Off),
        (_, 0) => (LevelFilter::Warn, LevelFilter::Off),
        (_, 1) => (LevelFilter::Info, LevelFilter::Warn),
        _ => (LevelFilter::Trace, LevelFilter::Info),
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
