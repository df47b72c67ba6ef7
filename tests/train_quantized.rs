//! Quantization-aware training: the network in training is the int8 model, from its bundle over a
//! run to the bundle that is exported.
#![cfg(feature = "train")]

#[path = "support/program.rs"]
mod program;
#[path = "support/training.rs"]
mod training;

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{ArrayD, Axis};
use program::Workplace;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use std::sync::Arc;
use vlunet::arch::VluNetConfig;
use vlunet::backend::{self, Engine, Input, Model};
use vlunet::bundle::{Builder, Bundle, Dtype, NewVariant};
use vlunet::onnx;
use vlunet::quantize::{Options, Ranges, float_form, quantize};
use vlunet::train::head::Head;
use vlunet::train::network::{Rounding, VluNet, initial};
use vlunet::train::parameters::Parameters;
use vlunet::train::quantized::Quantized;
use vlunet::train::recipe::Recipe;
use vlunet::weights::Weights;

fn drawn(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    ArrayD::from_shape_simple_fn(shape, || rng.random_range(-1.0..1.0))
}

/// The recipe's network with no branch shut, and the embedded model's head, as a bundle.
fn float_bundle() -> Bundle {
    let config = Recipe::parse(training::RECIPE).unwrap().config().unwrap();
    let start = initial(&config, &[], 3, &Device::flex()).to_weights().unwrap();
    let stirred = start
        .iter()
        .enumerate()
        .map(|(at, (name, tensor))| (name.to_owned(), tensor + &(drawn(tensor.shape(), at as u64) * 0.03)));
    let weights: Weights = stirred.collect();
    let mut builder = Builder {
        name: "tiny".into(),
        version: semver::Version::new(1, 0, 0),
        license: "none".into(),
        training_data: "none".into(),
        restorer: onnx::restorer(&config, &weights, onnx::Size::Symbolic).unwrap(),
        config,
        vlm: None,
        prompts: Vec::new(),
        text_features: None,
        golden: None,
        card: None,
    };
    Head::of_bundle(&Bundle::find("nano").unwrap()).unwrap().add_to(&mut builder);
    builder.into_bundle().unwrap()
}

/// Adds an int8 variant at `path`.
fn quantized(bundle: &Bundle, pictures: &Path, options: &Options, path: &Path) {
    let models = quantize(bundle, pictures, options, &|_| {}).unwrap();
    let (restorer, vlm) = (models.restorer.onnx, models.vlm.map(|vlm| vlm.onnx));
    NewVariant { dtype: Dtype::Int8, restorer, vlm }.add_to(bundle, path).unwrap();
}

fn options() -> Options {
    Options { pictures: 2, side: 64, correct_bias: false, ..Options::default() }
}

/// A folder with what the trainer takes, and pictures to calibrate with.
fn workplace() -> Workplace {
    let workplace = training::workplace();
    for index in 0..2 {
        training::picture(&workplace, &format!("calibration/{index}.png"), 70 + index, 66);
    }
    workplace
}

/// A picture of hills with noise, and d of a bundle's first prompt.
fn scene(bundle: &Bundle) -> (ArrayD<f32>, ArrayD<f32>) {
    let noise = drawn(&[3 * 64 * 96], 1) * 0.1;
    let hills = noise.iter().zip(0..).map(|(noise, at)| 0.5 + 0.3 * (at as f32 * 0.021).sin() + noise);
    let image = ArrayD::from_shape_vec(vec![1, 3, 64, 96], hills.collect()).unwrap();
    let prompts = bundle.prompts().unwrap();
    (image, prompts.text_features().unwrap().row(0).to_owned().insert_axis(Axis(0)).into_dyn())
}

fn restorer(bundle: &Bundle, dtype: Dtype) -> Vec<u8> {
    bundle.read(&bundle.variant(Some(dtype)).unwrap().restorer).unwrap().into_owned()
}

/// What the model's file makes of a picture, operator by operator: fused blocks leave some of its
/// roundings out.
fn restored(onnx: &[u8], (image, d): &(ArrayD<f32>, ArrayD<f32>)) -> ArrayD<f32> {
    let options = backend::Options { engine: Engine::Tract, ..Default::default() };
    let model = Model::open(onnx, "restorer", &options).unwrap();
    let mut session = model.session(&[("image", image.shape()), ("degradation", d.shape())]).unwrap();
    let inputs = [("image", Input::F32(image.view())), ("degradation", Input::F32(d.view()))];
    session.run(&inputs).unwrap().get("restored").unwrap().to_owned()
}

/// What the network in training makes of it.
fn fake_quantized(
    config: &VluNetConfig,
    rounding: Arc<Rounding>,
    parameters: &Parameters,
    (image, d): &(ArrayD<f32>, ArrayD<f32>),
) -> ArrayD<f32> {
    let tensor = |array: &ArrayD<f32>| {
        TensorData::new(array.iter().copied().collect::<Vec<f32>>(), array.shape().to_vec())
    };
    let network = VluNet::new(config.clone()).rounded(rounding);
    let (device, shape) = (Device::flex(), image.shape().to_vec());
    let d = Tensor::<2>::from_data(tensor(d), &device);
    let picture = network.restore(parameters, Tensor::<4>::from_data(tensor(image), &device), &d);
    ArrayD::from_shape_vec(shape, picture.into_data().try_into_vec::<f32>().unwrap()).unwrap()
}

fn root_mean_square(values: &ArrayD<f32>) -> f32 {
    (values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32).sqrt()
}

/// That the network in training gives the int8 model's picture, and not the float model's.
///
/// A sum in another order sends a value to the next step, now and then, and others after it: the
/// two are as near to each other as the network is to itself where the picture is moved by a
/// thousandth of a grey level. In nano that is four fifths of what int8 does to the picture, which a
/// trainer that rounded nothing would differ by; that each layer rounds in its place is tested below.
fn assert_same(bundle: &Bundle, quantized: &Quantized, parameters: &Parameters) {
    let (scene, config) = (scene(bundle), &bundle.manifest().config);
    let int8 = restored(&restorer(bundle, Dtype::Int8), &scene);
    let float = restored(&restorer(bundle, Dtype::F32), &scene);
    let trained = fake_quantized(config, quantized.rounding(), parameters, &scene);
    let moved = (scene.0.mapv(|x| x + 4e-6), scene.1.clone());
    let moved = fake_quantized(config, quantized.rounding(), parameters, &moved);
    let [rounding, error, moved] =
        [&int8 - &float, &int8 - &trained, &moved - &trained].map(|error| root_mean_square(&error));
    println!("{rounding} by int8, {error} between trainer and engine, {moved} by moving the picture");
    // As near as it gets, or else nearer than a trainer would be that rounded nothing.
    let near = (0.8 * rounding).max(1.1 * moved);
    assert!(
        rounding > 1e-4 && error < near && error < 0.95 * rounding,
        "{error} between trainer and engine, {rounding} by int8, {moved} by moving the picture"
    );
    assert!(error < 1.5 * moved + 1e-5, "{error} between trainer and engine, {moved} by moving the picture");
}

#[test]
fn the_network_in_training_rounds_as_the_int8_model_does() {
    let workplace = workplace();
    let ways = [("plain", false, false), ("unsigned", false, true), ("sums", true, false)];
    for (network, float) in [("nano", Bundle::find("nano").unwrap()), ("tiny", float_bundle())] {
        for (way, round_sums, unsigned) in ways {
            let options = Options { round_sums, unsigned, ..options() };
            let path = workplace.path(&format!("{network}-{way}"));
            quantized(&float, &workplace.path("calibration"), &options, &path);
            let [bundle, source] = [(); 2].map(|()| Bundle::open(&path).unwrap());
            let config = bundle.manifest().config.clone();
            let source = Quantized::open(source, &config).unwrap();
            let parameters = source.initial(&config, None, &Device::flex()).unwrap();
            print!("{network}, {way}: ");
            assert_same(&bundle, &source, &parameters);
        }
    }
}

/// Whether a layer is of a level that is made as others are.
fn is_repeated(layer: &str) -> bool {
    ["encoder_level2", "encoder_level3", "decoder_", "refinement"]
        .iter()
        .any(|level| layer.starts_with(level))
}

#[test]
fn each_layer_alone_rounds_where_the_int8_model_does() {
    let (workplace, float) = (workplace(), float_bundle());
    let path = workplace.path("int8");
    let options = Options { round_sums: true, unsigned: true, ..options() };
    quantized(&float, &workplace.path("calibration"), &options, &path);
    let bundle = Bundle::open(&path).unwrap();
    let (scene, config) = (scene(&bundle), bundle.manifest().config.clone());
    let int8 = restorer(&bundle, Dtype::Int8);
    let float = float_form(&restorer(&bundle, Dtype::F32), &int8).unwrap();
    let ranges = Ranges::read(&int8).unwrap();
    let source = Quantized::open(Bundle::open(&path).unwrap(), &config).unwrap();
    let parameters = source.initial(&config, None, &Device::flex()).unwrap();
    let (mut none, mut heard) = (None, 0);
    // The first is without any, as the prompts are integers in any case.
    let layers: Vec<&String> = ranges.layers.keys().filter(|name| !is_repeated(name)).collect();
    for layer in std::iter::once(None).chain(layers.iter().copied().map(Some)) {
        let mut alone = ranges.clone();
        alone.layers.retain(|name, _| Some(name) == layer);
        let ends = alone.layers.values().flat_map(|ends| [Some(&ends.input), ends.output.as_ref()]);
        let values: Vec<String> = ends.flatten().cloned().collect();
        alone.values.retain(|value, _| values.contains(value));
        let engine = restored(&alone.quantize(&float).unwrap().onnx, &scene);
        let trained = fake_quantized(&config, Arc::new(Rounding::new(alone)), &parameters, &scene);
        let none = none.get_or_insert_with(|| engine.clone());
        let [rounding, error] = [&engine - &*none, &engine - &trained].map(|error| root_mean_square(&error));
        // A value at the edge of a step may take the other one; a wrong place costs all of it.
        assert!(error < 0.2 * rounding + 2e-6, "{layer:?}: {error}, and {rounding} by rounding");
        heard += usize::from(rounding > 1e-5);
    }
    assert!(heard > layers.len() / 2, "{heard} of {} layers say something", layers.len());
}

#[test]
fn a_run_learns_weights_and_scales_and_gives_a_bundle_in_float32_and_int8() {
    let workplace = workplace();
    quantized(&float_bundle(), &workplace.path("calibration"), &options(), &workplace.path("base"));
    let fit = |run: &'static str, flags: &[&'static str]| {
        let common = ["fit", "--run", run, "--head", "head.safetensors", "--data", "data"];
        let said = workplace.run(&[&common, flags].concat());
        assert!(said.code == Some(0) && said.errors().is_empty(), "{said:?}");
    };
    fit("whole", &["tiny.toml", "--qat", "base"]);
    // Stopped and resumed, with its bundle gone from where it was.
    fit("run", &["tiny.toml", "--qat", "base", "--stop-after", "3"]);
    std::fs::rename(workplace.path("base"), workplace.path("moved")).unwrap();
    fit("run", &["--resume"]);
    fit("run", &["--resume", "--qat", "moved"]);
    let (weights, _) = training::checkpoint(&workplace, "run");
    assert!(weights == training::checkpoint(&workplace, "whole").0, "the weights differ");

    let export = ["export", "run", "-o", "out", "--license", "none", "--data", "none", "--head", "moved"];
    let said = workplace.run(&export);
    assert!(said.code == Some(0) && said.errors().is_empty(), "{said:?}");
    let [base, out] = ["moved", "out"].map(|name| Bundle::open(&workplace.path(name)).unwrap());
    out.verify().unwrap();
    let model = |bundle: &Bundle| {
        let variant = bundle.variant(Some(Dtype::Int8)).unwrap();
        let vlm = variant.vlm.as_ref().map(|vlm| bundle.read(vlm).unwrap().into_owned());
        (Ranges::read(&bundle.read(&variant.restorer).unwrap()).unwrap(), vlm)
    };
    let ((before, head), (after, head_after)) = (model(&base), model(&out));
    assert!(head.is_some() && head == head_after, "the head is the same, and so is its int8 form");
    assert_eq!(before.layers, after.layers);
    let moved: Vec<f32> = before
        .values
        .iter()
        .map(|(value, range)| {
            let scale = weights.get(&format!("average/{value}.log_scale")).unwrap()[[0].as_slice()].exp();
            assert_eq!(after.values[value].scale, scale, "{value}");
            (scale / range.scale - 1.0).abs()
        })
        .collect();
    let most = moved.iter().copied().fold(0.0, f32::max);
    assert!(most > 1e-4 && most < 0.1, "scales moved by {most}");

    // The bundle's int8 model is what the run has trained.
    let config = out.manifest().config.clone();
    let source = Quantized::open(Bundle::open(&workplace.path("out")).unwrap(), &config).unwrap();
    let own = weights
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("average/")?.to_owned(), tensor.clone())));
    let parameters =
        Parameters::from_weights(&source.table(&config), &own.collect(), &Device::flex()).unwrap();
    assert_same(&out, &source, &parameters);
}

#[test]
fn what_does_not_go_with_a_quantized_bundle_is_one_clear_line() {
    let workplace = workplace();
    quantized(&float_bundle(), &workplace.path("calibration"), &options(), &workplace.path("base"));
    let other = Options { pictures: 1, ..options() };
    quantized(&float_bundle(), &workplace.path("calibration"), &other, &workplace.path("other"));
    let fit = |run: &'static str, flags: &[&'static str]| {
        [&["fit", "--run", run, "--head", "head.safetensors", "--data", "data"], flags].concat()
    };
    let start = |run, flags: &[&'static str]| {
        let said = workplace.run(&fit(run, &[&["tiny.toml", "--stop-after", "1"], flags].concat()));
        assert_eq!(said.code, Some(0), "{said:?}");
    };
    let wide = training::RECIPE.replace("dim = 10", "dim = 12");
    workplace.write("wide.toml", wide);
    workplace.write("float.vlu", float_bundle().to_archive().unwrap());
    workplace.refuse(&fit("run", &["tiny.toml", "--qat", "float.vlu"]), &["float.vlu", "no int8 variant"]);
    workplace.refuse(&fit("run", &["wide.toml", "--qat", "base"]), &["base", "another configuration"]);
    workplace.refuse(&fit("run", &["tiny.toml", "--qat", "gone"]), &["gone"]);
    start("plain", &[]);
    start("run", &["--qat", "base"]);
    workplace.refuse(&fit("plain", &["--resume", "--qat", "base"]), &["plain", "not quantization-aware"]);
    workplace.refuse(&fit("run", &["--resume", "--qat", "other"]), &["run", "another quantized bundle"]);
    // The plain run's weights are random ones, which the ranges know nothing of.
    workplace.refuse(
        &fit("third", &["tiny.toml", "--qat", "base", "--from", "plain"]),
        &["not what base was quantized from", "--from"],
    );
    // One run goes on from another's weights and scales, and without its rounding, too.
    start("fourth", &["--qat", "base", "--from", "run"]);
    start("fifth", &["--from", "run"]);
    std::fs::remove_file(workplace.path("run/quantized.vlu")).unwrap();
    workplace.refuse(&fit("run", &["--resume"]), &["run/checkpoint.safetensors", "quantized.vlu", "gone"]);
}
