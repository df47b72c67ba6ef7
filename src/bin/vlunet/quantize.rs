//! `vlunet quantize`: a bundle's models in int8.

use crate::output;
use clap::ValueEnum;
use std::path::PathBuf;
use vlunet::bundle::{Builder, Bundle, DEFAULT_BUNDLE, Dtype, NewVariant};
use vlunet::quantize::{Analysis, Float, Int8, Observer, Options, analyse, quantize};
use vlunet::{Result, backend};

/// Adds int8 models to a bundle, with ranges calibrated on your pictures.
///
/// The pictures are clean ones: each is degraded in another way, as the model will meet them.
/// Layers that can't be quantized stay in float and are named.
#[derive(clap::Args)]
#[command(after_help = "Example:
  vlunet quantize models/mine --calib photos/ -o models/mine-int8
  vlunet eval --model models/mine-int8 --dtype int8 --data cbsd68/ --noise 25")]
pub struct Args {
    /// The bundle, with its float32 models: a folder, a .vlu file, or the name of the embedded one.
    #[arg(value_name = "BUNDLE", default_value = DEFAULT_BUNDLE)]
    bundle: String,

    /// A folder of clean pictures of 128x128 pixels at least, and of the kind that the model will
    /// be used for.
    #[arg(long, value_name = "DIR")]
    calib: PathBuf,

    /// The bundle to make: a new folder, or a file if its name ends in .vlu.
    #[arg(short, long, value_name = "BUNDLE", required_unless_present = "analyse")]
    output: Option<PathBuf>,

    /// How the ranges of activations are chosen.
    #[arg(long, value_enum, default_value_t = ObserverArg::Percentile)]
    observer: ObserverArg,

    /// Squares of pictures to calibrate with.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pictures: u16,

    /// Measures what each layer of the restorer loses by itself, in dB of PSNR.
    #[arg(long)]
    analyse: bool,

    /// Leaves the fewest layers in float that keep the loss below so many dB, the costliest first.
    #[arg(long, value_name = "DB", value_parser = decibels)]
    budget: Option<f64>,

    /// Prints the analysis as JSON.
    #[arg(long, requires = "analyse")]
    json: bool,

    /// A layer that stays in float, once for each.
    #[arg(long, value_name = "LAYER")]
    keep: Vec<String>,

    /// A layer that takes integers and gives floats, once for each.
    #[arg(long, value_name = "LAYER")]
    keep_output: Vec<String>,

    /// Leaves the scales of channels as they are.
    #[arg(long)]
    no_equalise: bool,

    /// Leaves biases as they are.
    #[arg(long)]
    no_bias_correction: bool,

    /// Makes activations that are never negative uint8; TensorRT takes int8 alone.
    #[arg(long)]
    unsigned: bool,

    /// Rounds what goes into sums, too: it costs quality, and lets ONNX Runtime, which runs a layer
    /// on integers only if it gives some, do so with all.
    #[arg(long)]
    round_sums: bool,

    /// Threads; all cores where not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: Option<u16>,
}

/// How ranges are chosen, on the command line.
#[derive(Clone, Copy, ValueEnum)]
enum ObserverArg {
    /// The largest value.
    MinMax,
    /// 99.99 % of the values.
    Percentile,
    /// The least loss of information.
    Entropy,
    /// The least squared error.
    Mse,
}

pub fn run(args: Args) -> Result<()> {
    args.output.as_deref().map_or(Ok(()), Builder::check_output)?;
    let bundle = Bundle::find(&args.bundle)?;
    let mut options = Options {
        observer: match args.observer {
            ObserverArg::MinMax => Observer::MinMax,
            ObserverArg::Percentile => Observer::Percentile,
            ObserverArg::Entropy => Observer::Entropy,
            ObserverArg::Mse => Observer::Mse,
        },
        pictures: args.pictures.into(),
        equalise: !args.no_equalise,
        correct_bias: !args.no_bias_correction,
        unsigned: args.unsigned,
        round_sums: args.round_sums,
        float: Float {
            layers: args.keep.into_iter().collect(),
            outputs: args.keep_output.into_iter().collect(),
        },
        backend: args.threads.map(|threads| backend::Options { threads: threads.into() }).unwrap_or_default(),
        ..Options::default()
    };
    if args.analyse || args.budget.is_some() {
        let progress = output::progress(150, args.json);
        let tick = |what: &str| {
            progress.set_message(what.to_owned());
            progress.inc(1);
        };
        let analysis = analyse(&bundle, &args.calib, &options, args.budget.unwrap_or(0.1), &tick)?;
        progress.finish_and_clear();
        if args.json {
            output::json(&analysis)?
        } else {
            show(&analysis)?
        }
        if args.budget.is_some() {
            options.float = analysis.float;
        }
    }
    let Some(path) = &args.output else { return Ok(()) };
    // Each picture is seen before and after equalising, by the restorer and, as one or two
    // squares, by the head.
    let progress = output::progress(4 * options.pictures, false);
    let quantized = quantize(&bundle, &args.calib, &options, &|what| {
        progress.set_message(what.to_owned());
        progress.inc(1);
    })?;
    progress.finish_and_clear();
    report("restorer", &quantized.restorer)?;
    if let Some(vlm) = &quantized.vlm {
        report("VLM head", vlm)?;
    }
    let variant = NewVariant {
        dtype: Dtype::Int8,
        restorer: quantized.restorer.onnx,
        vlm: quantized.vlm.map(|vlm| vlm.onnx),
    };
    variant.add_to(&bundle, path)?;
    output::line(format!("{} -> {}", bundle.origin(), path.display()))
}

fn report(name: &str, model: &Int8) -> Result<()> {
    let Int8 { onnx, layers, kept } = model;
    output::line(format!("{name}: {} layers in int8, {:.2} MB", layers.len(), onnx.len() as f64 / 1e6))?;
    for (layer, reason) in kept {
        output::line(format!("  {layer} stays in float: {reason}"))?;
    }
    Ok(())
}

fn show(analysis: &Analysis) -> Result<()> {
    let Analysis { float_db, int8_db, layers, float, reached_db } = analysis;
    let mut table = output::table(&["layer", "kind", "loss alone, dB"], false);
    for layer in layers {
        table.add_row([layer.layer.clone(), layer.kind.to_owned(), format!("{:.3}", layer.drop_db)]);
    }
    output::line(table)?;
    output::line(format!("float32 {float_db:.2} dB, all in int8 {int8_db:.2} dB"))?;
    output::line(format!("with what follows in float {reached_db:.2} dB"))?;
    for layer in &float.layers {
        output::line(format!("  {layer}"))?;
    }
    for layer in &float.outputs {
        output::line(format!("  {layer}: its output alone"))?;
    }
    Ok(())
}

fn decibels(text: &str) -> Result<f64, String> {
    match text.trim_end_matches("dB").trim_end().parse() {
        Ok(loss) if (0.0..=20.0).contains(&loss) => Ok(loss),
        _ => Err("a loss reads like 0.1 or 0.1dB, and is 0 to 20".into()),
    }
}
