//! `vlunet quantize`: what it makes of a small bundle, and that bad input is one clear line.

#[path = "support/bundle.rs"]
mod bundle;
#[path = "support/program.rs"]
mod program;

use bundle::{constant, conv, graph, node};
use image::{Rgb, RgbImage};
use program::Workplace;
use vlunet::bundle::{Bundle, VlmManifest};

/// A restorer of two convolutions of three channels, one after the other, whose weights are
/// given, and one of three groups, which no rule quantizes.
fn restorer(first: impl Fn(usize) -> f32, second: impl Fn(usize) -> f32) -> Vec<u8> {
    let weights = vec![
        constant("first.weight", &[3, 3, 3, 3], first),
        constant("second.weight", &[3, 3, 1, 1], second),
        constant("apart.weight", &[6, 1, 1, 1], |at| 0.1 * at as f32 - 0.2),
        constant("together.weight", &[3, 6, 1, 1], |at| 0.02 * (at % 5) as f32 - 0.03),
    ];
    let nodes = vec![
        conv(&["image", "first.weight"], "first", 1, 1),
        conv(&["first", "second.weight"], "second", 1, 0),
        conv(&["second", "apart.weight"], "apart", 3, 0),
        conv(&["apart", "together.weight"], "together", 1, 0),
        node("Add", &["image", "together"], "restored"),
    ];
    let inputs: [(&str, &[i64]); 2] = [("image", &[1, 3, -1, -2]), ("degradation", &[1, 512])];
    graph(nodes, weights, &inputs, ("restored", &[1, 3, -1, -2]))
}

fn sound() -> Vec<u8> {
    restorer(first_weight, second_weight)
}

fn first_weight(at: usize) -> f32 {
    0.05 * ((at * 7) % 11) as f32 - 0.25
}

fn second_weight(at: usize) -> f32 {
    0.3 * ((at * 5) % 7) as f32 - 0.9
}

/// A head that looks at the mean colour.
fn head() -> (VlmManifest, Vec<u8>) {
    let manifest = Bundle::find("nano").unwrap().manifest().vlm.clone().unwrap();
    let side = manifest.config.image_size as i64;
    let nodes = vec![
        node("GlobalAveragePool", &["image"], "mean"),
        node("Flatten", &["mean"], "row"),
        node("MatMul", &["row", "seen.weight"], "degradation"),
    ];
    let weights = vec![constant("seen.weight", &[3, 512], |at| 0.01 * (at % 97) as f32 - 0.4)];
    (manifest, graph(nodes, weights, &[("image", &[1, 3, side, side])], ("degradation", &[1, 512])))
}

/// A folder with a bundle, `model`, around a restorer.
fn with(restorer: Vec<u8>) -> Workplace {
    let workplace = Workplace::new();
    let mut builder = bundle::builder(restorer);
    builder.vlm = Some(head());
    builder.golden = None;
    builder.write(&workplace.path("model")).unwrap();
    workplace
}

/// Adds pictures of this size that are as bright as `brightest` at most.
fn add_pictures(workplace: &Workplace, folder: &str, side: u32, brightest: u32) {
    std::fs::create_dir_all(workplace.path(folder)).unwrap();
    for seed in 0..4 {
        let value = |x: u32, y: u32| ((x * x + 3 * y * y + seed * 7919 * x * y) % (brightest + 1)) as u8;
        let colour = |x: u32, y: u32| Rgb([value(x, y), value(y, x), value(x + y, x)]);
        let path = workplace.path(&format!("{folder}/{seed}.png"));
        RgbImage::from_fn(side, side, colour).save(path).unwrap();
    }
}

const QUANTIZE: [&str; 6] = ["quantize", "model", "--calib", "photos", "--pictures", "8"];

fn with_pictures(restorer: Vec<u8>) -> Workplace {
    let workplace = with(restorer);
    add_pictures(&workplace, "photos", 130, 255);
    workplace
}

#[test]
fn a_bundle_gets_both_formats_and_says_what_is_in_them() {
    let workplace = with_pictures(sound());
    let args = [&QUANTIZE[..], &["--dtype", "int8,f16", "-o", "out"]].concat();
    let text = workplace.succeed(&args);
    // The convolution of groups has no rule, and is named.
    for part in
        ["3 layers in int8", "apart stays in float: there is no rule", "nodes in float16", "model -> out"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    workplace.succeed(&["bundle", "verify", "--model", "out", "--dtype", "int8"]);
    let manifest = std::fs::read_to_string(workplace.path("out/manifest.toml")).unwrap();
    let places = ["f32", "int8", "f16"].map(|dtype| manifest.find(&format!("dtype = \"{dtype}\"")).unwrap());
    assert!(places.is_sorted(), "{manifest}");

    let info = workplace.json(&["info", "./out", "--ops", "--json", "--size", "64x48", "--dtype", "int8"]);
    let pixels = 64 * 48;
    assert_eq!(
        info["macs_by_dtype"],
        serde_json::json!({ "int8": (81 + 9 + 18) * pixels, "f32": 6 * pixels })
    );
    assert_eq!(info["vlm"]["macs_by_dtype"], serde_json::json!({ "int8": 3 * 512 }));
    assert!(info["parameters"].as_u64() > Some(0) && info["stages"].is_array());
    // The best variant is counted where none is named.
    let best = workplace.json(&["info", "./out", "--json", "--size", "64x48"]);
    assert_eq!(best["macs_by_dtype"], info["macs_by_dtype"]);
    let table = workplace.succeed(&["info", "./out", "--ops", "--size", "64x48", "--dtype", "f32"]);
    assert!(table.contains("Conv 3x3") && table.contains("100.0 %") && !table.contains("int8"), "{table}");
    workplace.refuse(&["info", "pico", "--ops"], &["pico is no bundle"]);

    // The same once more takes the place of what is there, and gives the same bytes.
    let again =
        ["quantize", "out", "--calib", "photos", "--pictures", "8", "--dtype", "int8,f16", "-o", "again"];
    let text = workplace.succeed(&again);
    assert!(text.contains("has an int8 variant already") && text.contains("has an f16 variant"), "{text}");
    for file in ["restorer.int8.onnx", "restorer.f16.onnx", "vlm.int8.onnx", "vlm.f16.onnx"] {
        let [a, b] = ["out", "again"].map(|folder| std::fs::read(workplace.path(folder).join(file)).unwrap());
        assert!(a == b, "{file}");
    }
}

#[test]
fn float16_takes_no_pictures_and_says_when_it_runs_as_float32() {
    let workplace = with(sound());
    let run = workplace.run(&["quantize", "model", "--dtype", "f16", "-o", "half.vlu"]);
    assert!(run.code == Some(0) && run.stdout.contains("nodes in float16"), "{run:?}");
    workplace.picture("a.png");
    let args = ["restore", "a.png", "-o", "b.png", "--task", "haze", "--model", "half.vlu"];
    // What is chosen is what this machine runs best, and needs no word.
    workplace.succeed(&args);
    let run = workplace.run(&[&args[..], &["--dtype", "f16"]].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    let widened = run.stderr.contains("doesn't compute in float16");
    assert_eq!(widened, !vlunet::cpu::computes_in_f16(), "{run:?}");
    assert_eq!(run.stderr.lines().count(), usize::from(widened), "{run:?}");
}

#[test]
fn weights_that_float16_has_no_number_for_are_named() {
    let workplace = with(restorer(first_weight, |at| if at == 4 { 1e6 } else { 0.5 }));
    let args = ["quantize", "model", "--dtype", "f16", "-o", "out"];
    workplace.refuse(&args, &["second.weight", "1000000", "65504"]);
}

#[test]
fn pictures_to_calibrate_with_are_missing_or_too_small() {
    let workplace = with(sound());
    workplace.refuse(&["quantize", "model", "-o", "out"], &["--calib", "int8", "--dtype f16"]);
    workplace.refuse(&["quantize", "model", "--analyse", "--dtype", "f16"], &["--calib"]);
    workplace.refuse(&["quantize", "model", "--dtype", "f64", "-o", "out"], &["f64"]);
    let args = [&QUANTIZE[..], &["-o", "out"]].concat();
    workplace.refuse(&args, &["photos"]);
    workplace.write("photos/note.txt", "no picture");
    workplace.refuse(&args, &["photos", "no pictures"]);
    add_pictures(&workplace, "photos", 127, 255);
    workplace.refuse(&args, &["photos", "none of its 4 pictures", "128x128"]);
    workplace.write("photos/broken.png", [137, 80, 78, 71, 13, 10, 26, 10, 0]);
    workplace.refuse(&args, &["broken.png"]);
}

#[test]
fn a_model_that_is_quantized_already_is_refused() {
    let workplace = with_pictures(sound());
    workplace.succeed(&[&QUANTIZE[..], &["-o", "out.vlu"]].concat());
    let quantized = Bundle::open(&workplace.path("out.vlu")).unwrap();
    let int8 = quantized.variant(Some(vlunet::bundle::Dtype::Int8)).unwrap();
    let onnx = quantized.read(&int8.restorer).unwrap().into_owned();
    let workplace = with_pictures(onnx);
    for dtype in ["int8", "f16"] {
        let args = [&QUANTIZE[..], &["--dtype", dtype, "-o", "out"]].concat();
        workplace.refuse(&args, &["quantized already", "float32"]);
    }
}

#[test]
fn layers_that_give_nothing_or_no_numbers_are_named() {
    let broken = with_pictures(restorer(first_weight, |at| if at == 4 { f32::NAN } else { 0.5 }));
    let args = [&QUANTIZE[..], &["-o", "out"]].concat();
    broken.refuse(&args, &["second", "NaN"]);
    broken.refuse(&["quantize", "model", "--dtype", "f16", "-o", "out"], &["second.weight", "NaN"]);
    // One channel that is always zero is no trouble; a layer of nothing else stays in float.
    let channel = with_pictures(restorer(|at| if at < 27 { 0.0 } else { first_weight(at) }, second_weight));
    assert!(channel.succeed(&args).contains("3 layers in int8"));
    channel.succeed(&["bundle", "verify", "--model", "out", "--dtype", "int8"]);
    let layer = with_pictures(restorer(first_weight, |_| 0.0));
    let text = layer.succeed(&args);
    assert!(text.contains("second stays in float: nothing but zeros"), "{text}");
}

#[test]
fn pictures_of_another_kind_are_told_by_the_golden_frame() {
    let workplace = Workplace::new();
    // What it adds to a picture is large, so that clipping it shows.
    let mut builder = bundle::builder(restorer(|_| 1.0, |_| 0.9));
    builder.vlm = Some(head());
    builder.write(&workplace.path("model")).unwrap();
    add_pictures(&workplace, "photos", 130, 255);
    add_pictures(&workplace, "night", 130, 20);
    add_pictures(&workplace, "blank", 130, 3);
    let args = |folder| ["quantize", "model", "--calib", folder, "--pictures", "1", "-o", "out.vlu"];
    let run = workplace.run(&args("photos"));
    assert!(run.code == Some(0) && !run.stderr.contains("restorer:"), "{run:?}");
    let run = workplace.run(&args("night"));
    assert_eq!(run.code, Some(0), "{run:?}");
    let doubt = run.stderr.lines().find(|line| line.contains("restorer:")).unwrap_or_default();
    assert!(doubt.contains("night") && doubt.contains("golden frame"), "{run:?}");
    std::fs::remove_file(workplace.path("out.vlu")).unwrap();
    workplace.refuse(&args("blank"), &["blank", "of the kind that the model is for"]);
}

#[test]
fn an_analysis_is_drawn_as_bars() {
    let workplace = with_pictures(sound());
    let args = [&QUANTIZE[..], &["--analyse", "--json", "--picture"]].concat();
    let text = workplace.succeed(&[&args[..], &["bars.svg"]].concat());
    let analysis: serde_json::Value = serde_json::from_str(&text).unwrap();
    let svg = std::fs::read_to_string(workplace.path("bars.svg")).unwrap();
    for layer in analysis["layers"].as_array().unwrap() {
        assert!(svg.contains(layer["layer"].as_str().unwrap()), "{layer}");
    }
    assert!(svg.contains("spatial") && svg.contains("pointwise") && svg.contains("PSNR lost"));
    workplace.refuse(&[&args[..], &["bars.png"]].concat(), &["bars.png", ".svg"]);
    workplace.refuse(&[&args[..], &["none/bars.svg"]].concat(), &["none"]);
}

#[test]
fn a_format_that_this_program_does_not_know_is_named() {
    let workplace = with_pictures(sound());
    workplace.succeed(&[&QUANTIZE[..], &["-o", "out"]].concat());
    let manifest = std::fs::read_to_string(workplace.path("out/manifest.toml")).unwrap();
    workplace.write("out/manifest.toml", manifest.replace("dtype = \"int8\"", "dtype = \"int4\""));
    let parts = ["out", "manifest.toml, line", "int4", "int8"];
    workplace.refuse(&["bundle", "verify", "--model", "out"], &parts);
    workplace.write("out/manifest.toml", manifest.replace("dtype = \"int8\"", "dtype = \"f32\""));
    workplace.refuse(&["bundle", "verify", "--model", "out"], &["out", "two f32 variants"]);
}
