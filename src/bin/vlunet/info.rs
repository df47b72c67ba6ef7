//! `vlunet info`: what a model is and what it costs.

mod ops;

use crate::args::{DtypeArg, Size};
use crate::output;
use ops::Counted;
use serde_json::json;
use std::path::Path;
use vlunet::arch::VluNetConfig;
use vlunet::backend::{self, Model};
use vlunet::bundle::{Bundle, Dtype, is_archive};
use vlunet::weights::Checkpoint;
use vlunet::{Error, Result};

/// Tells what a model is: parameters, multiply-accumulates and bytes moved, stage by stage.
#[derive(clap::Args)]
pub struct Args {
    /// A bundle, a checkpoint (.ckpt, .pth, .safetensors), or a configuration by name: full,
    /// small, nano, pico.
    #[arg(value_name = "MODEL", default_value = "nano")]
    model: String,

    /// The size of the picture to restore.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "640x360")]
    size: Size,

    /// Counts the multiply-accumulates of a bundle's model files by what they compute in.
    #[arg(long)]
    ops: bool,

    /// Number format of the model whose operations are counted; the bundle's best where not
    /// given.
    #[arg(long, value_enum, requires = "ops")]
    dtype: Option<DtypeArg>,

    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let (title, config, bundle) = find(&args.model)?;
    let counted = match &bundle {
        Some(bundle) if args.ops || args.json => {
            Some(Counted::of(bundle, args.dtype.map(Dtype::from), args.size)?)
        }
        None if args.ops => {
            return Err(Error::Input(format!("{title} is no bundle, whose model files --ops counts")));
        }
        _ => None,
    };
    let Size { width, height } = args.size;
    let session = match &bundle {
        Some(bundle) => session_memory(bundle, args)?,
        None => None,
    };
    let cost = config.cost(height as usize, width as usize);
    if args.json {
        let stages: Vec<_> = cost
            .stages
            .iter()
            .map(|stage| {
                json!({
                    "name": stage.name,
                    "parameters": stage.parameters,
                    "macs": stage.macs,
                    "bytes_moved": stage.bytes_moved,
                })
            })
            .collect();
        let by_dtype = counted.as_ref().map(Counted::macs_by_dtype);
        let mut facts = json!({
            "model": title,
            "config": config,
            "size": format!("{width}x{height}"),
            "parameters": cost.parameters(),
            "macs": cost.macs(),
            "macs_per_pixel": cost.macs_per_pixel(),
            "macs_by_dtype": by_dtype.unwrap_or_else(|| json!({ "f32": cost.macs() })),
            "bytes_moved": cost.bytes_moved(),
            "session_bytes": session.as_ref().map(|(_, bytes)| bytes),
            "stages": stages,
        });
        for (name, value) in counted.iter().filter(|_| args.ops).flat_map(Counted::fields) {
            facts[name] = value;
        }
        return output::json(&facts);
    }
    output::line(format!("{title} at {width}x{height}"))?;
    output::line(format!(
        "{} parameters, {:.1} kMAC per pixel, inputs padded to multiples of {}",
        thousands(cost.parameters()),
        cost.macs_per_pixel() / 1e3,
        config.multiple()
    ))?;
    if let Some((dtype, bytes)) = session {
        let size = bytesize::ByteSize(bytes as u64);
        output::line(format!("{size} of memory for this size, beside the weights, in {dtype} on all cores"))?;
    }
    if let Some(counted) = counted {
        return counted.show();
    }
    let mut table = output::table(&["stage", "parameters", "MMAC", "share", "MB moved"], false);
    let megas = |value: u64| format!("{:.1}", value as f64 / 1e6);
    for stage in &cost.stages {
        let share = 100.0 * stage.macs as f64 / cost.macs().max(1) as f64;
        table.add_row([
            stage.name.clone(),
            thousands(stage.parameters),
            megas(stage.macs),
            format!("{share:.1} %"),
            megas(stage.bytes_moved),
        ]);
    }
    table.add_row([
        "total".into(),
        thousands(cost.parameters()),
        megas(cost.macs()),
        "100.0 %".into(),
        megas(cost.bytes_moved()),
    ]);
    output::line(table)
}

/// The number format that runs, and the bytes that a session of the picture's size holds.
fn session_memory(bundle: &Bundle, args: &Args) -> Result<Option<(Dtype, usize)>> {
    let variant = bundle.variant(args.dtype.map(Dtype::from))?;
    let entry = &variant.restorer;
    let model = Model::open(&bundle.read(entry)?, &entry.file, &backend::Options::default())?;
    let side = |pixels: u32| (pixels as usize).next_multiple_of(bundle.manifest().config.multiple());
    let bytes = model.session_memory(side(args.size.height), side(args.size.width));
    Ok(bytes.map(|bytes| (variant.dtype, bytes)))
}

/// What to call a model, its configuration, and its bundle where it is one.
fn find(model: &str) -> Result<(String, VluNetConfig, Option<Bundle>)> {
    let path = Path::new(model);
    if path.is_file() && !is_archive(path) {
        return Ok((model.into(), vlunet::weights::restorer_config(&Checkpoint::open(path)?)?, None));
    }
    match Bundle::find(model) {
        Ok(bundle) => {
            let manifest = bundle.manifest();
            let title = format!("{} {}", bundle.origin(), manifest.version);
            Ok((title, manifest.config.clone(), Some(bundle)))
        }
        Err(error) if path.exists() => Err(error),
        Err(_) => VluNetConfig::preset(model)
            .map(|config| (format!("configuration {model}"), config, None))
            .ok_or_else(|| {
                Error::Input(format!(
                    "{model} is no bundle, checkpoint or configuration (full, small, nano, pico)"
                ))
            }),
    }
}

/// 1234567 as `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
