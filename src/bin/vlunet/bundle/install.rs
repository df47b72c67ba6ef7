//! `vlunet bundle install`

use super::{KeyArgs, StoreArgs};
use crate::args::{DtypeArg, Size};
use crate::output;
use humantime::Duration as Span;
use std::path::PathBuf;
use std::time::Duration;
use vlunet::update::{self, Options, Report, Step};
use vlunet::{Result, backend, restore};

/// Installs a signed bundle for `vlunet run`.
///
/// Its signature and every file are checked; it is unpacked aside, restores its golden frame on
/// this machine, and is switched to at once. A loop that runs takes it over by itself. The loop
/// then has to run well with it for a while, or goes back to the last good one.
#[derive(clap::Args)]
pub struct Args {
    /// The bundle: a .vlu file or a folder.
    #[arg(value_name = "PATH")]
    path: PathBuf,

    #[command(flatten)]
    how: HowArgs,
}

/// How a bundle is installed.
#[derive(clap::Args)]
pub(super) struct HowArgs {
    #[command(flatten)]
    pub(super) keys: KeyArgs,

    #[command(flatten)]
    pub(super) store: StoreArgs,

    /// Installs it although it is older than a version that was confirmed here, or failed before.
    #[arg(long)]
    force: bool,

    /// How long the loop must run well with it, all in all; 0s confirms it at once.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    probation: Span,

    /// The longest time for a frame in the self-test, in milliseconds; twice what the current model
    /// takes where not given.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..))]
    max_ms: Option<u32>,

    /// The size of that frame.
    #[arg(long, value_name = "WxH", default_value = "320x180")]
    size: Size,

    /// The number format that is tested; the bundle's best where not given.
    #[arg(long, value_enum)]
    dtype: Option<DtypeArg>,

    /// Threads of the test; all cores where not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: Option<u16>,
}

impl HowArgs {
    pub(super) fn options(&self) -> Options {
        let backend = backend::Options::default();
        let backend =
            self.threads.map_or(backend, |threads| backend::Options { threads: threads.into(), ..backend });
        Options {
            force: self.force,
            probation: *self.probation,
            max_time: self.max_ms.map(|ms| Duration::from_millis(ms.into())),
            size: (self.size.width, self.size.height),
            restore: restore::Options {
                dtype: self.dtype.map(Into::into),
                backend,
                ..restore::Options::default()
            },
        }
    }
}

pub fn run(args: &Args) -> Result<()> {
    let (keys, store) = (args.how.keys.load()?, args.how.store.open());
    let report = update::install(&args.path, &store, &keys, &args.how.options(), &mut tell)?;
    output::line(said(&report, &args.how.options()))
}

/// Notes a step in the log.
pub(super) fn tell(step: Step) {
    log::info!("{step}");
}

/// What an installation did, in a line.
pub(super) fn said(report: &Report, options: &Options) -> String {
    let Report { model, entry, key, already, tested, first } = report;
    if *already {
        return format!("{model} {entry} is the current version already: nothing is changed");
    }
    let tested = tested.map_or(String::new(), |(difference, time)| {
        format!(", golden frame within {difference:.1e}, {:.1} ms a frame", time.as_secs_f64() * 1e3)
    });
    let next = match options.probation {
        none if none.is_zero() => "confirmed".to_owned(),
        time => format!("on probation for {}", humantime::format_duration(time)),
    };
    // A loop watches what it runs from, which is another folder before the first installation.
    let hint =
        if *first { "; a loop that runs takes it over after SIGHUP (systemctl reload vlunet)" } else { "" };
    format!("{model} {entry}: signed with {key}{tested}; installed, {next}{hint}")
}
