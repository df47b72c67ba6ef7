//! The trainer's command line: one file per subcommand, each a thin layer over the library.

mod exam;
mod export;
mod fit;
mod head;
mod output;
mod pack;
mod speed;
mod synthesise;

use clap::{Parser, Subcommand};
use log::LevelFilter;
use std::io::Write;
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

    /// Says more of what it does; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    Head(head::Args),
    Exam(exam::Args),
    Fit(fit::Args),
    Pack(pack::Args),
    Synthesise(synthesise::Args),
    Export(export::Args),
    Speed(speed::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    // The library makes an error of what the framework or a decoder panics at: the panic itself
    // is for those who ask for details.
    std::panic::set_hook(Box::new(|panic| log::debug!("{panic}")));
    let outcome = std::panic::catch_unwind(|| dispatch(&cli.command)).unwrap_or_else(|_| {
        Err(vlunet::Error::Input(
            "internal error, which is a bug: run again with -vv and report what it prints".into(),
        ))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Names in a file, and of files, may hold line breaks and worse; an error is one line.
            log::error!("{}", error.to_string().replace(char::is_control, " "));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &Command) -> vlunet::Result<()> {
    match command {
        Command::Head(args) => head::run(args),
        Command::Exam(args) => exam::run(args),
        Command::Fit(args) => fit::run(args),
        Command::Pack(args) => pack::run(args),
        Command::Synthesise(args) => synthesise::run(args),
        Command::Export(args) => export::run(args),
        Command::Speed(args) => speed::run(args),
    }
}

/// Log lines go to standard error, as `warning: …`; `RUST_LOG` overrides the flag.
fn start_log(verbose: u8) {
    let (ours, theirs) = match verbose {
        0 => (LevelFilter::Warn, LevelFilter::Off),
        1 => (LevelFilter::Info, LevelFilter::Warn),
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
