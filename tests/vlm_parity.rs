//! The VLM head's numbers, against the reference implementation's.

mod support;

use ndarray::{Array2, ArrayD};
use support::{golden, max_abs_difference};
use vlunet::backend::{Input, Model, Options};
use vlunet::bundle::{Bundle, Preprocessing};
use vlunet::import::{ImportOptions, import};
use vlunet::picture::{Limits, Picture};
use vlunet::vlm::{Detector, preprocess, tokenize};
use vlunet::weights::{Checkpoint, Weights, parse_safetensors, read_vlm};
use vlunet::{onnx, weights};

const PROMPTS: [&str; 7] = [
    "image with noise",
    "image with many noise",
    "image with large amount of noise",
    "image with haze",
    "image with rain",
    "image with blur",
    "image with low light",
];

fn reference() -> Option<Weights> {
    let bytes = std::fs::read(golden("vlm_io.safetensors")?).unwrap();
    // The token ids are integers, which are no weights: see `token_ids`.
    let floats = without_integers(&bytes);
    Some(floats)
}

fn without_integers(bytes: &[u8]) -> Weights {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let floats = file.iter().filter(|(_, view)| view.dtype() == safetensors::Dtype::F32);
    let bytes = safetensors::serialize(floats, None).unwrap();
    parse_safetensors(&bytes, "vlm_io").unwrap().0
}

fn relative_error(found: &ArrayD<f32>, expected: &ArrayD<f32>) -> f32 {
    max_abs_difference(found, expected) / expected.iter().fold(0.0, |max: f32, x| max.max(x.abs()))
}

fn options() -> ImportOptions {
    ImportOptions {
        name: "golden".into(),
        version: semver::Version::new(1, 0, 0),
        license: "none".into(),
        training_data: "random numbers".into(),
        backend: Options::default(),
    }
}

#[test]
fn token_ids_equal_the_references() {
    let Some(path) = golden("vlm_io.safetensors") else { return };
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let ids = file.tensor("prompt_token_ids").unwrap();
    let ids: Vec<i64> =
        ids.data().as_chunks().0.iter().map(|id| i64::from(i32::from_le_bytes(*id))).collect();
    for (prompt, ids) in PROMPTS.iter().zip(ids.chunks(77)) {
        assert_eq!(tokenize(prompt, 77).unwrap(), ids, "{prompt}");
    }
}

#[test]
fn preprocessing_equals_torchvisions() {
    let Some(io) = reference() else { return };
    for photo in ["photo0", "photo1"] {
        let picture = Picture::open(&golden(&format!("{photo}.png")).unwrap(), &Limits::default()).unwrap();
        let constants = Preprocessing::clip();
        let input = preprocess(picture.planes.view(), 224, &constants).unwrap().remove(0);
        let expected = io.get(&format!("{photo}.clip_input")).unwrap();
        // Back to 0..=1, in which the tolerance is given.
        let scale = |index: usize| constants.std[index / (224 * 224)];
        let errors = input.iter().zip(expected).enumerate().map(|(i, (a, b))| (a - b).abs() * scale(i));
        let (max, sum) = errors.fold((0.0_f32, 0.0_f64), |(max, sum), e| (max.max(e), sum + f64::from(e)));
        let mean = sum / input.len() as f64;
        println!("{photo}: preprocessing max {max:e}, mean {mean:e}");
        assert!(max <= 1.0 / 255.0 && mean <= 1e-3, "{photo}: {max} {mean}");
    }
}

#[test]
fn the_image_tower_gives_the_references_vector() {
    let Some(io) = reference() else { return };
    let checkpoint = Checkpoint::open(&golden("lightning.ckpt").unwrap()).unwrap();
    let (config, weights) = read_vlm(&checkpoint).unwrap().unwrap();
    let onnx = onnx::image_tower(&config, &weights).unwrap();
    let model = Model::open(&onnx, "vlm", &Options::default()).unwrap();
    let mut session = model.session(&[("image", &[1, 3, 224, 224])]).unwrap();
    for photo in ["photo0", "photo1"] {
        let input = io.get(&format!("{photo}.clip_input")).unwrap();
        let outputs = session.run(&[("image", Input::F32(input.view()))]).unwrap();
        let found = outputs.get("degradation").unwrap().to_owned();
        let error = relative_error(&found, io.get(&format!("{photo}.degradation")).unwrap());
        println!("{photo}: d_I relative error {error:e}");
        assert!(error <= 1e-4, "{photo}: {error}");
    }
}

#[test]
fn an_imported_checkpoint_detects_as_the_reference_does() {
    let Some(io) = reference() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("golden");
    import(&golden("lightning.ckpt").unwrap(), &options()).unwrap().write(&path).unwrap();
    let bundle = Bundle::open(&path).unwrap();
    bundle.verify().unwrap();

    let features: Array2<f32> = bundle.prompts().unwrap().text_features().unwrap().clone();
    let error = relative_error(&features.into_dyn(), io.get("prompt_text_features").unwrap());
    println!("text features: relative error {error:e}");
    assert!(error <= 1e-4, "{error}");

    let mut detector = Detector::open(&bundle, None, &Options::default()).unwrap();
    for photo in ["photo0", "photo1"] {
        let picture = Picture::open(&golden(&format!("{photo}.png")).unwrap(), &Limits::default()).unwrap();
        let detection = detector.detect(picture.planes.view()).unwrap();
        let logits: Vec<f32> = detection.scores.iter().map(|score| score.logit).collect();
        let expected = io.get(&format!("{photo}.logits")).unwrap();
        let found = ArrayD::from_shape_vec(vec![1, 7], logits).unwrap();
        let error = relative_error(&found, expected);
        println!("{photo}: logits relative error {error:e}, label {}", detection.label());
        assert!(error <= 1e-3, "{photo}: {error}");
        let total: f32 = detection.scores.iter().map(|score| score.probability).sum();
        assert!((total - 1.0).abs() < 1e-5);
    }
    // A bundle survives being packed into one file.
    let packed = Bundle::from_archive(&bundle.to_archive().unwrap(), "packed").unwrap();
    assert_eq!(packed.manifest(), bundle.manifest());
    packed.verify().unwrap();
}

#[test]
fn a_checkpoint_without_a_vlm_head_has_none() {
    let Some(path) = golden("vlunet.safetensors") else { return };
    assert!(weights::read_vlm(&Checkpoint::open(&path).unwrap()).unwrap().is_none());
}

#[test]
fn clip_is_read_without_adapters_wherever_it_is_found() {
    let Some(path) = golden("lightning.ckpt") else { return };
    let (whole, of_head) = read_vlm(&Checkpoint::open(&path).unwrap()).unwrap().unwrap();
    let (config, clip) = weights::read_clip(&Checkpoint::open(&path).unwrap()).unwrap();
    assert_eq!(config, whole);
    assert!(clip.iter().all(|(name, tensor)| of_head.get(name).unwrap() == tensor));
    assert_eq!(clip.len() + 24, of_head.len(), "two adapters of twelve tensors");

    // As open_clip publishes it: no prefix, and a mask that is no parameter.
    let strip = |(name, tensor): (&str, &ArrayD<f32>)| {
        (name.trim_start_matches("clip_model.").to_owned(), tensor.clone())
    };
    let mut bare: Weights = clip.iter().map(strip).collect();
    bare.insert("attn_mask", ArrayD::zeros(vec![77, 77]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("open_clip.safetensors");
    std::fs::write(&path, weights::to_safetensors(&bare, None).unwrap()).unwrap();
    let (config, found) = weights::read_clip(&Checkpoint::open(&path).unwrap()).unwrap();
    assert_eq!((config, found.sha256()), (whole, clip.sha256()));

    let Some(restorer) = golden("vlunet.safetensors") else { return };
    assert!(weights::read_clip(&Checkpoint::open(&restorer).unwrap()).is_err());
}
