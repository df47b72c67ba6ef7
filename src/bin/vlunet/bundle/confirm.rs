//! `vlunet bundle confirm`

use super::StoreArgs;
use crate::output;
use vlunet::Result;

/// Confirms the current version of a model by hand, before its probation is over.
#[derive(clap::Args)]
pub struct Args {
    /// The model's name, as `vlunet bundle list` gives it.
    name: String,

    #[command(flatten)]
    store: StoreArgs,
}

pub fn run(args: &Args) -> Result<()> {
    let entry = args.store.open().slot(&args.name)?.confirm()?;
    output::line(format!("{} {entry}: confirmed", args.name))
}
