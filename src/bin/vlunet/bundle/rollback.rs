//! `vlunet bundle rollback`

use super::SlotArgs;
use crate::output;
use vlunet::Result;

/// Goes back to the last good version of a model.
///
/// The version that is left is not installed again unless forced. Where no other is kept, the
/// model that the program came with follows.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    slot: SlotArgs,
}

pub fn run(args: &Args) -> Result<()> {
    let (from, to) = args.slot.open()?.roll_back()?;
    let to = to.as_deref().unwrap_or("none: the model that the program came with is used after a restart");
    output::line(format!("{} {from} -> {to}", args.slot.name))
}
