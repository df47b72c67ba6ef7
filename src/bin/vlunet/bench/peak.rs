//! What the processor can do at most.

use super::Args;
use crate::output;
use serde_json::json;
use vlunet::{Result, backend};

pub fn run(args: &Args) -> Result<()> {
    let threads = args.model.backend()?.threads;
    let peak = backend::peak(threads);
    if args.json {
        return output::json(&json!({
            "threads": threads,
            "f32_gmac_per_s": peak.gmac_per_s,
            "copy_gb_per_s": peak.gb_per_s,
        }));
    }
    output::line(format!(
        "{:.1} GMAC/s of floats, {:.1} GB/s read and written, on {threads} threads",
        peak.gmac_per_s, peak.gb_per_s
    ))
}
