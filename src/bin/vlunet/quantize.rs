//! `vlunet quantize`: a bundle's models in int8 and float16.

use crate::output;
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use vlunet::bundle::{Builder, Bundle, DEFAULT_BUNDLE, Dtype, NewVariant};
use vlunet::quantize::{
    Agreement, Analysis, Float, Half, Halved, Int8, Observer, Options, Quantized, analyse, halve, quantize,
};
use vlunet::{Error, Result, backend};

/// Adds int8 models to a bundle, with ranges calibrated on your pictures, or float16 ones.
///
/// The pictures are clean ones: each is degraded in another way, as the model will meet them.
/// Layers that can't be quantized stay in float and are named. Float16 takes no pictures.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  vlunet quantize models/mine --calib photos/ -o models/mine-int8
  vlunet quantize models/mine --calib photos/ --dtype int8,f16 -o models/mine-all
  vlunet eval --model models/mine-int8 --dtype int8 --data cbsd68/ --noise 25")]
pub struct Args {
    /// The bundle, with its float32 models: a folder, a .vlu file, or the name of the embedded one.
    #[arg(value_name = "BUNDLE", default_value = DEFAULT_BUNDLE)]
    bundle: String,

    /// Number formats to add.
    #[arg(long, value_enum, value_name = "DTYPE", value_delimiter = ',', default_value = "int8")]
    dtype: Vec<Target>,

    /// A folder of clean pictures of 128x128 pixels at least, and of the kind that the model will
    /// be used for; int8 takes it.
    #[arg(long, value_name = "DIR")]
    calib: Option<PathBuf>,

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

    /// Draws the analysis as bars by layer.
    #[arg(long, value_name = "FILE.svg", requires = "analyse", value_parser = svg)]
    picture: Option<PathBuf>,

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

/// A number format to make.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// 8-bit integers.
    Int8,
    /// 16-bit floats.
    F16,
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
    let wants = |target: Target| args.dtype.contains(&target);
    let calib = match &args.calib {
        Some(folder) => Some(folder.as_path()),
        None if wants(Target::Int8) || args.analyse || args.budget.is_some() => {
            return Err(Error::Input(
                "int8 takes a folder of clean pictures to calibrate with: give --calib DIR, or --dtype f16 alone"
                    .into(),
            ));
        }
        None => None,
    };
    let mut options = args.options();
    if let Some(calib) = calib.filter(|_| args.analyse || args.budget.is_some()) {
        let progress = output::progress(150, args.json);
        let tick = |what: &str| {
            progress.set_message(what.to_owned());
            progress.inc(1);
        };
        let analysis = analyse(&bundle, calib, &options, args.budget.unwrap_or(0.1), &tick)?;
        progress.finish_and_clear();
        args.picture.as_deref().map_or(Ok(()), |path| analysis.draw(path))?;
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
    let mut variants = Vec::new();
    if let Some(calib) = calib.filter(|_| wants(Target::Int8)) {
        variants.push(int8(&bundle, calib, &options)?);
    }
    if wants(Target::F16) {
        variants.push(f16(&bundle, &options)?);
    }
    for old in &bundle.manifest().variants {
        if variants.iter().any(|new| new.dtype == old.dtype) {
            let (origin, dtype) = (bundle.origin(), old.dtype);
            output::line(format!("{origin} has an {dtype} variant already: the new one takes its place"))?;
        }
    }
    NewVariant::add_all(variants, &bundle, path)?;
    output::line(format!("{} -> {}", bundle.origin(), path.display()))
}

impl Args {
    fn options(&self) -> Options {
        let threads =
            self.threads.map(|threads| backend::Options { threads: threads.into(), ..Default::default() });
        Options {
            observer: match self.observer {
                ObserverArg::MinMax => Observer::MinMax,
                ObserverArg::Percentile => Observer::Percentile,
                ObserverArg::Entropy => Observer::Entropy,
                ObserverArg::Mse => Observer::Mse,
            },
            pictures: self.pictures.into(),
            equalise: !self.no_equalise,
            correct_bias: !self.no_bias_correction,
            unsigned: self.unsigned,
            round_sums: self.round_sums,
            float: Float {
                layers: self.keep.iter().cloned().collect(),
                outputs: self.keep_output.iter().cloned().collect(),
            },
            backend: threads.unwrap_or_default(),
            ..Options::default()
        }
    }
}

fn int8(bundle: &Bundle, calib: &Path, options: &Options) -> Result<NewVariant> {
    // Each picture is seen before and after equalising, by the restorer and, as one or two
    // squares, by the head.
    let progress = output::progress(4 * options.pictures, false);
    let Quantized { restorer, vlm, agreement } = quantize(bundle, calib, options, &|what| {
        progress.set_message(what.to_owned());
        progress.inc(1);
    })?;
    progress.finish_and_clear();
    let models = [("restorer", Some(&restorer), Some(agreement.0)), ("VLM head", vlm.as_ref(), agreement.1)];
    for (name, model, agreement) in models {
        let (Some(Int8 { onnx, layers, kept }), Some(agreement)) = (model, agreement) else { continue };
        output::line(format!(
            "{name}: {} layers in int8, {:.2} MB{}",
            layers.len(),
            onnx.len() as f64 / 1e6,
            closeness(agreement)
        ))?;
        for (layer, reason) in kept {
            output::line(format!("  {layer} stays in float: {reason}"))?;
        }
        agreement.doubts(calib).iter().for_each(|doubt| log::warn!("{name}: {doubt}"));
    }
    Ok(NewVariant { dtype: Dtype::Int8, restorer: restorer.onnx, vlm: vlm.map(|vlm| vlm.onnx) })
}

fn f16(bundle: &Bundle, options: &Options) -> Result<NewVariant> {
    let Halved { restorer, vlm, agreement } = halve(bundle, &options.backend)?;
    let models = [("restorer", Some(&restorer), Some(agreement.0)), ("VLM head", vlm.as_ref(), agreement.1)];
    for (name, model, agreement) in models {
        let (Some(Half { onnx, nodes, kept, large }), Some(agreement)) = (model, agreement) else { continue };
        output::line(format!(
            "{name}: {nodes} nodes in float16, {} in float32, {:.2} MB{}",
            kept.values().sum::<usize>(),
            onnx.len() as f64 / 1e6,
            closeness(agreement)
        ))?;
        for (value, highest) in large {
            output::line(format!("  {value} stays in float32: it gets as large as {highest:.0}"))?;
        }
    }
    Ok(NewVariant { dtype: Dtype::F16, restorer: restorer.onnx, vlm: vlm.map(|vlm| vlm.onnx) })
}

fn closeness(agreement: Agreement) -> String {
    let part = |db: Option<f64>, what: &str| db.map(|db| format!(", {db:.1} dB to float32 on {what}"));
    let parts =
        [part(agreement.pictures_db, "these pictures"), part(agreement.golden_db, "the golden frame")];
    parts.into_iter().flatten().collect()
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

fn svg(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.extension().is_none_or(|extension| extension != "svg") {
        return Err("the picture is an SVG, whose name ends in .svg".into());
    }
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => Err(format!("there is no folder {}", folder.display())),
        None => Ok(path),
    }
}
