//! `vlunet bundle confirm`

use super::SlotArgs;
use crate::output;
use vlunet::Result;

/// Confirms the current version of a model by hand, before its probation is over.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    slot: SlotArgs,
}

pub fn run(args: &Args) -> Result<()> {
    let entry = args.slot.open()?.confirm()?;
    output::line(format!("{} {entry}: confirmed", args.slot.name))
}
