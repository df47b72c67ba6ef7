//! `vlunet-train pack`: a training set as one file.

use crate::output;
use bytesize::ByteSize;
use std::path::PathBuf;
use vlunet::train::data::{Packing, pack};
use vlunet::{Error, Result};

/// Packs training pictures into one .tar shard, to take along to another machine.
///
/// The pictures become JPEG at the best quality from 95 down to 70 that fits, and smaller where
/// none does. `fit --data` takes the shard as it takes the folder.
#[derive(clap::Args)]
#[command(after_help = "Example:
  vlunet-train pack pictures -o train.tar
  vlunet-train fit models/recipes/nano.toml --data train.tar --run runs/nano --head nano")]
pub struct Args {
    /// The pictures: a folder of sets, or a .tar shard.
    #[arg(value_name = "DIR|TAR")]
    data: PathBuf,

    /// The shard to write.
    #[arg(short, long, value_name = "FILE.tar")]
    output: PathBuf,

    /// Most bytes of the shard.
    #[arg(long, value_name = "SIZE", default_value = "45MB")]
    max_bytes: ByteSize,

    /// Makes pictures with a longer side smaller.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(64..=32768))]
    largest_side: Option<u32>,

    /// Ends at the first picture that can't be used, instead of leaving it out.
    #[arg(long)]
    strict: bool,
}

pub fn run(args: &Args) -> Result<()> {
    if !args.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tar")) {
        return Err(Error::Input(format!("{}: a shard's name ends in .tar", args.output.display())));
    }
    let packing =
        Packing { max_bytes: args.max_bytes.as_u64(), largest_side: args.largest_side, strict: args.strict };
    let bar = output::progress(0).with_message("pictures");
    let packed = pack(&args.data, &args.output, &packing, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let packed = packed?;
    let sets: Vec<String> = packed.sets.iter().map(|(set, count)| format!("{set} {count}")).collect();
    let mut how = format!("JPEG of quality {}", packed.quality);
    if packed.shrink < 1.0 {
        how += &format!(", sides shortened to {:.0} %", packed.shrink * 100.0);
    }
    if packed.left_out > 0 {
        how += &format!(", {} left out", packed.left_out);
    }
    output::line(format!(
        "{} -> {} ({}; {how}; {})",
        args.data.display(),
        args.output.display(),
        ByteSize(packed.bytes).display().si(),
        sets.join(", ")
    ))
}
