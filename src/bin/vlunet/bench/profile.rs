//! Where the restorer's time goes.

use super::Args;
use super::model::Subject;
use crate::output;
use serde_json::json;
use std::time::{Duration, Instant};
use vlunet::plot::{Bar, bars};
use vlunet::restore::{Options, Restorer};
use vlunet::{Error, Result, backend};

/// A block, by the median of its times.
struct Share {
    name: String,
    kind: &'static str,
    macs: u64,
    ms: f64,
}

pub fn run(args: &Args) -> Result<()> {
    let Subject { bundle, backend, picture, degradation } = Subject::new(args)?;
    let options = Options { dtype: args.model.dtype(), backend, ..Options::default() };
    let mut restorer = Restorer::open(&bundle, &options)?;
    let (mut runs, mut times) = (Vec::new(), Vec::new());
    let (start, length) = (Instant::now(), Duration::from(args.duration));
    while runs.len() < 5 || start.elapsed() < length {
        let before = Instant::now();
        restorer.restore(picture.view(), &degradation)?;
        times.push(before.elapsed().as_secs_f64() * 1e3);
        runs.push(restorer.profile());
    }
    let Some(blocks) = runs.last().filter(|blocks| !blocks.is_empty()) else {
        return Err(Error::Input(
            "this model or picture doesn't run in fused blocks, which a profile tells apart".into(),
        ));
    };
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(0.0)
    };
    let shares: Vec<Share> = blocks
        .iter()
        .enumerate()
        .map(|(at, block)| {
            let times = runs.iter().filter_map(|run| run.get(at)).map(|block| block.time.as_secs_f64() * 1e3);
            Share {
                name: block.name.clone(),
                kind: block.kind,
                macs: block.macs,
                ms: median(times.collect()),
            }
        })
        .collect();
    let (whole, peak) = (median(times), backend::peak(backend.threads));
    if let Some(path) = &args.picture {
        let drawn: Vec<Bar> = shares
            .iter()
            .map(|share| Bar { name: share.name.clone(), kind: share.kind.into(), value: share.ms })
            .collect();
        bars(path, "Time of each block of the restorer", "ms", &drawn)?;
    }
    let rate = |share: &Share| share.macs as f64 / 1e6 / share.ms.max(1e-9);
    if args.json {
        let blocks: Vec<_> = shares
            .iter()
            .map(|share| json!({ "name": share.name, "macs": share.macs, "median_ms": share.ms, "gmac_per_s": rate(share) }))
            .collect();
        return output::json(&json!({
            "median_ms": whole,
            "threads": backend.threads,
            "f32_peak_gmac_per_s": peak.gmac_per_s,
            "copy_gb_per_s": peak.gb_per_s,
            "blocks": blocks,
        }));
    }
    let mut table = output::table(&["block", "ms", "share", "MMAC", "GMAC/s", "of f32 peak"], false);
    for share in shares.iter().filter(|share| share.ms > 0.0) {
        table.add_row([
            share.name.clone(),
            format!("{:.2}", share.ms),
            format!("{:.1} %", 100.0 * share.ms / whole),
            format!("{:.1}", share.macs as f64 / 1e6),
            format!("{:.1}", rate(share)),
            format!("{:.0} %", 100.0 * rate(share) / peak.gmac_per_s),
        ]);
    }
    let blocks: f64 = shares.iter().map(|share| share.ms).sum();
    table.add_row([
        "around the blocks".into(),
        format!("{:.2}", whole - blocks),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
    ]);
    output::line(format!(
        "{whole:.1} ms on {} threads; at most {:.1} GMAC/s of floats, {:.1} GB/s copied",
        backend.threads, peak.gmac_per_s, peak.gb_per_s
    ))?;
    output::line(table)
}
