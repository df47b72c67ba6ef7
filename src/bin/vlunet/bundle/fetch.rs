//! `vlunet bundle fetch`

use super::install::{HowArgs, said, tell};
use crate::args::Memory;
use crate::output;
use humantime::Duration as Span;
use vlunet::Result;
use vlunet::update::fetch::{self, Limits, Outcome, Patience};

/// Fetches a signed bundle from a server, and installs it.
///
/// Any HTTPS server or object store will do. What breaks off is gone on with, now and at the next
/// call; a bundle that was installed or refused is not fetched again. http: works too: the
/// signature is what counts.
#[derive(clap::Args)]
pub struct Args {
    /// The .vlu file's address.
    #[arg(value_name = "URL")]
    url: String,

    /// The largest file that is fetched.
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    max_size: Memory,

    /// How long a silent server is waited for.
    #[arg(long, value_name = "TIME", default_value = "60s")]
    timeout: Span,

    /// Attempts in a row that bring nothing before it is given up until the next call.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,

    #[command(flatten)]
    how: HowArgs,
}

pub fn run(args: &Args) -> Result<()> {
    let patience = Patience {
        connect: (*args.timeout).min(Patience::default().connect),
        silence: *args.timeout,
        attempts: args.attempts,
        ..Patience::default()
    };
    let limits = Limits { bytes: args.max_size.bytes(), patience };
    let (keys, store, options) = (args.how.keys.load()?, args.how.store.open(), args.how.options());
    match fetch::fetch(&args.url, &store, &keys, &options, &limits, &mut tell)? {
        Outcome::Unchanged => {
            output::line("the server still has what was installed from it: nothing is changed")
        }
        Outcome::Installed(report) => output::line(said(&report, &options)),
    }
}
