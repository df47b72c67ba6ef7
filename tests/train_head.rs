//! The VLM head in training: its numbers, its gradients, its runs, its bundle.
#![cfg(feature = "train")]

mod support;

use burn::tensor::{Device, Tensor, TensorData};
use image::{Rgb, RgbImage};
use ndarray::{Array2, Array4, ArrayD};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::path::Path;
use std::sync::Arc;
use support::{golden, max_abs_difference};
use vlunet::arch::{ClipConfig, ConvTowerConfig, Parameter, TowerConfig, VisionConfig};
use vlunet::backend::{Input, Model, Options};
use vlunet::bundle::{Builder, Bundle, Crops, Dtype, Preprocessing};
use vlunet::train::data::{Library, Pair, Set};
use vlunet::train::export::{ExportOptions, with_head};
use vlunet::train::head::text::{Tokens, text_vector};
use vlunet::train::head::{
    FrozenClip, Head, HeadFolder, HeadRecipe, HeadRun, RunOptions, State, TextOptions, TextTower,
    image_feature, image_vector, initial,
};
use vlunet::train::parameters::Parameters;
use vlunet::vlm::{Degradation, Detector, preprocess};
use vlunet::weights::{Checkpoint, Weights, parse_safetensors, read_vlm, to_safetensors};

/// A head of the shipped form, but so small that a test can train it.
fn tiny() -> ClipConfig {
    let tower = ConvTowerConfig { channels: [4, 6, 6, 8], depths: [1; 4], kernel: 3, expansion: 2 };
    let mut config = ClipConfig { image_size: 32, vision: VisionConfig::Conv(tower), ..ClipConfig::small() };
    config.text.width = 64;
    config.text.heads = 1;
    config.text.mlp_hidden = 64;
    config
}

/// Numbers of a spread around zero, by a seed.
fn noise<const D: usize>(shape: [usize; D], spread: f32, seed: u64) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let normal = || -> f32 { StandardNormal.sample(&mut rng) };
    let values: Vec<f32> =
        std::iter::repeat_with(normal).map(|x| x * spread).take(shape.iter().product()).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn relative_error(found: Vec<f32>, expected: &ArrayD<f32>) -> f32 {
    let found = ArrayD::from_shape_vec(expected.shape(), found).unwrap();
    max_abs_difference(&found, expected) / expected.iter().fold(0.0, |max: f32, x| max.max(x.abs()))
}

#[test]
fn the_exported_conv_tower_gives_the_trainers_numbers() {
    let config = ClipConfig::small();
    let device = Device::flex();
    let parameters = initial(&config.image_parameters(), 3, &device);
    let side = config.image_size;
    let image = noise([1, 3, side, side], 1.0, 1);
    let expected = numbers(image_vector(&parameters, &config, image.clone()));

    let onnx = vlunet::onnx::image_tower(&config, &parameters.to_weights().unwrap()).unwrap();
    let model = Model::open(&onnx, "the tower", &Options::default()).unwrap();
    let mut session = model.session(&[("image", &[1, 3, side, side])]).unwrap();
    let image = Array4::from_shape_vec((1, 3, side, side), numbers(image)).unwrap().into_dyn();
    let outputs = session.run(&[("image", Input::F32(image.view()))]).unwrap();
    let error = relative_error(expected, &outputs.get("degradation").unwrap().to_owned());
    println!("relative error {error:e}");
    assert!(error < 1e-5, "{error}");
}

#[test]
fn clips_towers_in_training_give_the_references_vectors() {
    let Some(path) = golden("vlm_io.safetensors") else { return };
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    // The token ids are integers, which are no weights.
    let floats = file.iter().filter(|(_, view)| view.dtype() == safetensors::Dtype::F32);
    let io: Weights = parse_safetensors(&safetensors::serialize(floats, None).unwrap(), "vlm_io").unwrap().0;
    let checkpoint = Checkpoint::open(&golden("lightning.ckpt").unwrap()).unwrap();
    let (config, weights) = read_vlm(&checkpoint).unwrap().unwrap();
    let device = Device::flex();
    let parameters = Parameters::from_weights(&config.parameters(), &weights, &device).unwrap();
    for photo in ["photo0", "photo1"] {
        let input: Vec<f32> = io.get(&format!("{photo}.clip_input")).unwrap().iter().copied().collect();
        let input = Tensor::<4>::from_data(TensorData::new(input, [1, 3, 224, 224]), &device);
        let of = |name: &str| io.get(&format!("{photo}.{name}")).unwrap();
        let feature = numbers(image_feature(&parameters, &config, input.clone()));
        let error = relative_error(feature, of("clip_image_embedding"));
        assert!(error <= 1e-4, "{photo}: CLIP's feature {error}");
        let error = relative_error(numbers(image_vector(&parameters, &config, input)), of("degradation"));
        println!("{photo}: d_I relative error {error:e}");
        assert!(error <= 1e-4, "{photo}: {error}");
    }
    let prompts = ["noise", "many noise", "large amount of noise", "haze", "rain", "blur", "low light"];
    let prompts = prompts.map(|words| format!("image with {words}"));
    let tokens = Tokens::new(prompts.iter().map(String::as_str), &config, &device).unwrap();
    let found = numbers(text_vector(&parameters, &config, &tokens));
    let error = relative_error(found, io.get("prompt_text_features").unwrap());
    println!("d_T: relative error {error:e}");
    assert!(error <= 1e-4, "{error}");
}

#[test]
fn the_conv_towers_gradients_are_those_of_finite_differences() {
    let (config, device) = (tiny(), Device::flex());
    let parameters = initial(&config.image_parameters(), 5, &device);
    let images = noise([2, 3, 32, 32], 1.0, 2);
    let target = noise([2, 512], 0.2, 3);
    // A mean of products that is smooth but for ReLU's corner.
    let loss = |parameters: &Parameters, images: Tensor<4>, target: Tensor<2>| {
        (image_vector(parameters, &config, images) * target).sum()
    };
    let tracked = parameters.tracked();
    let value = loss(&tracked, images.clone().autodiff(), target.clone().autodiff());
    let gradients = tracked.gradients(&mut value.backward());
    let mut checked = 0;
    for (name, gradient) in gradients.iter() {
        // Along its own gradient a parameter's loss must rise by the gradient's length squared.
        let length = numbers(gradient.clone().square().sum())[0].sqrt();
        if length < 1e-3 {
            continue;
        }
        let direction = gradient.clone() / length;
        let at = |step: f32| {
            let moved = parameters.map(|other, values| match other == name {
                true => values.clone() + direction.clone() * step,
                false => values.clone(),
            });
            f64::from(numbers(loss(&moved, images.clone(), target.clone()))[0])
        };
        // Short where the loss is steep, and so bends soon.
        let step = if length > 0.1 { 1e-3 / (1.0 + length) } else { 4e-3 };
        let slope = (at(step) - at(-step)) / f64::from(2.0 * step);
        let error = (slope - f64::from(length)).abs() / f64::from(length);
        println!("{name}: error {error:.4}, length {length}");
        assert!(error < 0.03, "{name}: slope {slope}, gradient {length}");
        checked += 1;
    }
    assert!(checked > 40, "only {checked} parameters have a gradient worth the name");
}

/// Flat pictures, dark ones as "low light" of bright ones, as a library and a recipe.
fn lesson(steps: u64) -> (Library, HeadRecipe) {
    let picture = |seed: u32, scale: u32| {
        RgbImage::from_fn(180, 170, |x, y| {
            let value = |channel: u32| ((x * 3 + y * (seed + 1) + channel * 40) % 256 * scale / 8) as u8;
            Rgb([value(0), value(1), value(2)])
        })
    };
    let pairs =
        (0..12).map(|seed| Pair { input: Arc::new(picture(seed, 1)), target: Arc::new(picture(seed, 8)) });
    let library = Library::of_sets([("dark".to_owned(), Set::Pairs(pairs.collect()))]);
    let recipe = format!(
        "steps = {steps}\nbatch = 8\nsamples_per_round = 8\nlooks = 2\nuses = 1\nseed = 4\n\
         weight_decay = 0.05\naverage = 0.8\ndropout = 0.1\npull = 0.5\n\
         schedule = {{ peak = 3e-3, warm_up = 2 }}\n\
         [[data]]\nset = \"dark\"\ntask = \"low-light\"\n"
    );
    (library, HeadRecipe::parse(&recipe, "the lesson").unwrap())
}

fn folder_with_text(path: &Path, config: &ClipConfig) -> HeadFolder {
    let folder = HeadFolder::new(path);
    let device = Device::flex();
    let mut tower = TextTower::new(config, None, &device);
    let text = tower.initial(1);
    let prompts =
        ["noise", "many noise", "large amount of noise", "haze", "rain", "blur", "low light", "clear"];
    let features = tower.vector_numbers(&text, &prompts).unwrap();
    folder.write_text(&text.to_weights().unwrap(), &features).unwrap();
    folder
}

/// Trains in `folder` until `until`, of a run of `steps`.
fn train(folder: &HeadFolder, config: &ClipConfig, steps: u64, until: u64) -> State {
    let (library, recipe) = lesson(steps);
    let mut done = 0;
    let from = State::load(&folder.state(), &Device::flex()).map_or(0, |state| state.step);
    let keep_going = || {
        done += 1;
        from + done < until
    };
    let run = HeadRun {
        config: config.clone(),
        clip: None,
        recipe,
        folder: folder.clone(),
        options: RunOptions { test_every: 1000, ..RunOptions::default() },
        device: Device::flex(),
    };
    run.train_images(&library, keep_going, |_| {}).unwrap()
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_very_same_weights() {
    let config = tiny();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let whole = train(&folder_with_text(whole.path(), &config), &config, 7, 7);
    let folder = folder_with_text(parts.path(), &config);
    assert_eq!(train(&folder, &config, 7, 3).step, 3);
    let parts = train(&folder, &config, 7, 7);
    assert_eq!((whole.step, parts.step), (7, 7));
    for (one, other) in [(&whole.parameters, &parts.parameters), (&whole.average, &parts.average)] {
        assert_eq!(one.to_weights().unwrap().sha256(), other.to_weights().unwrap().sha256());
    }
}

#[test]
fn a_trained_head_tells_dark_from_clear_in_the_bundle_that_ships_it() {
    let config = tiny();
    let run = tempfile::tempdir().unwrap();
    let folder = folder_with_text(run.path(), &config);
    train(&folder, &config, 60, 60);
    let mut head = Head::open(&folder).unwrap();
    assert_eq!((head.steps, &head.manifest.config), (Some(60), &config));
    assert!(head.manifest.text_share > 0.0);
    // The tower's own vector, which is what is compared below.
    head.manifest.text_share = 0.0;

    // The embedded network's restorer, with this head in front of it.
    let embedded = Bundle::find("nano").unwrap();
    let restorer = &embedded.variant(None).unwrap().restorer;
    let mut builder = Builder {
        name: "taught".into(),
        version: semver::Version::new(1, 0, 0),
        license: "none".into(),
        training_data: "stripes".into(),
        config: embedded.manifest().config.clone(),
        restorer: embedded.read(restorer).unwrap().into_owned(),
        vlm: None,
        prompts: Vec::new(),
        text_features: None,
        golden: None,
        card: None,
    };
    head.add_to(&mut builder);
    let path = run.path().join("bundle");
    builder.write(&path).unwrap();
    let bundle = Bundle::open(&path).unwrap();
    bundle.verify().unwrap();

    let mut detector = Detector::open(&bundle, None, &Options::default()).unwrap();
    let state = State::load(&folder.state(), &Device::flex()).unwrap();
    let (library, _) = lesson(1);
    let Set::Pairs(pairs) = library.set("dark").unwrap() else { panic!("pairs") };
    for (picture, label) in [(&pairs[3].input, "image with low light"), (&pairs[3].target, "a clear photo")] {
        let planes = vlunet::frame::from_rgb8(picture);
        let detection = detector.detect(planes.view()).unwrap();
        assert_eq!(detection.label(), label);
        // What the bundle's engine says is what the trainer's averaged weights say.
        let input = preprocess(planes.view(), 32, &Preprocessing::clip()).unwrap().remove(0);
        let input = TensorData::new(input.iter().copied().collect::<Vec<f32>>(), [1, 3, 32, 32]);
        let input = Tensor::<4>::from_data(input, &Device::flex());
        let expected = numbers(image_vector(&state.average, &config, input));
        let found = Array2::from_shape_vec((1, 512), detection.degradation.as_slice().to_vec()).unwrap();
        assert!(relative_error(expected, &found.into_dyn()) < 1e-4);
    }
    // A task that a user names is steered by its text.
    let features = bundle.prompts().unwrap().text_features().unwrap().row(6).to_vec();
    assert_eq!(Degradation::for_task(&bundle, "low-light").unwrap().as_slice(), features);
}

#[test]
fn on_a_users_clip_the_adapters_learn_and_the_towers_stay_as_they_are() {
    let mut config = tiny();
    config.patch_size = 16;
    config.vision = VisionConfig::Vit(TowerConfig { width: 64, layers: 1, heads: 1, mlp_hidden: 64 });
    let device = Device::flex();
    let is_clip = |parameter: &Parameter| parameter.name.starts_with("clip_model.");
    let table: Vec<Parameter> = config.parameters().into_iter().filter(is_clip).collect();
    let users = initial(&table, 8, &device).to_weights().unwrap();
    let run = tempfile::tempdir().unwrap();
    let file = run.path().join("users.safetensors");
    let bare = users.iter().map(|(name, tensor)| (name.replace("clip_model.", ""), tensor.clone()));
    std::fs::write(&file, to_safetensors(&bare.collect(), None).unwrap()).unwrap();

    let clip = FrozenClip::open(&file, &device).unwrap();
    assert_eq!(clip.config(), &config);
    let (library, recipe) = lesson(40);
    let run = HeadRun {
        config: config.clone(),
        clip: Some(clip),
        recipe: HeadRecipe { uses: 10, ..recipe },
        folder: HeadFolder::new(run.path()),
        options: RunOptions { log_every: 4, test_every: 1000, ..RunOptions::default() },
        device,
    };
    let text = run.train_texts(&TextOptions { steps: 120, ..TextOptions::default() }).unwrap();
    assert!(text.accuracy > 0.3, "chance is a sixth: {}", text.accuracy);
    let mut losses = Vec::new();
    run.train_images(&library, || true, |line| losses.push(line.loss)).unwrap();
    assert!(losses.last().unwrap() < &(0.7 * losses[0]), "{losses:?}");

    let mut with_adapter =
        State::load(&run.folder.state(), &run.device).unwrap().average.to_weights().unwrap();
    assert!(with_adapter.iter().all(|(name, _)| name.starts_with("image_adapter.")));
    users.iter().for_each(|(name, tensor)| with_adapter.insert(name, tensor.clone()));
    let head = Head::open(&run.folder).unwrap();
    assert_eq!(head.onnx, vlunet::onnx::image_tower(&config, &with_adapter).unwrap());
    assert_eq!(head.manifest.preprocessing.crops, Crops::Centre);
    let Set::Pairs(pairs) = library.set("dark").unwrap() else { panic!("pairs") };
    let mut detector = head.detector(&Options::default()).unwrap();
    let mut label =
        |picture| detector.detect(vlunet::frame::from_rgb8(picture).view()).unwrap().label().to_owned();
    assert_eq!(label(&pairs[3].input), "image with low light");
    assert_eq!(label(&pairs[3].target), "a clear photo");
}

#[test]
fn a_vit_without_clips_weights_and_a_checkpoint_of_another_head_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = tiny();
    let run = |config: &ClipConfig| {
        let (library, recipe) = lesson(2);
        let (config, device) = (config.clone(), Device::flex());
        let folder = HeadFolder::new(folder.path());
        let run = HeadRun { config, clip: None, recipe, folder, options: RunOptions::default(), device };
        run.train_images(&library, || true, |_| {}).map(|_| ()).unwrap_err().to_string()
    };
    assert!(run(&config).contains("text_features.safetensors"), "no text side yet");
    train(&folder_with_text(folder.path(), &config), &config, 2, 2);
    let error = run(&ClipConfig::small());
    assert!(error.contains("image.safetensors is of another head") && !error.contains('\n'), "{error}");
    assert!(run(&ClipConfig::vit_b_32()).contains("give CLIP's weights"));
}

#[test]
fn a_run_begins_with_the_head_of_a_bundle() {
    let head = Head::of_bundle(&Bundle::find("nano").unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_, recipe) = lesson(2);
    let config = head.manifest.config.clone();
    let run = HeadRun {
        config: config.clone(),
        clip: None,
        recipe,
        folder: HeadFolder::new(folder.path()),
        options: RunOptions::default(),
        device: Device::flex(),
    };
    run.begin_with(&head).unwrap();
    let state = State::load(&run.folder.state(), &run.device).unwrap();
    assert_eq!(state.step, 0);
    // What it would export is what it began with, to the byte.
    let begun = Head::open(&run.folder).unwrap();
    assert_eq!(begun.onnx, head.onnx);
    assert_eq!(begun.text_features, head.text_features);
    assert_eq!(begun.prompts, head.prompts);

    let of_tiny = HeadRun { config: tiny(), ..run.clone() };
    assert!(of_tiny.begin_with(&head).unwrap_err().to_string().contains("clip_model."), "another tower");
    let mut clip = head.clone();
    clip.manifest.config.vision = ClipConfig::vit_b_32().vision;
    assert!(run.begin_with(&clip).unwrap_err().to_string().contains("--clip"));
    let mut other = head;
    other.prompts.swap(0, 1);
    assert!(run.begin_with(&other).unwrap_err().to_string().contains("other prompts"));
}

#[test]
fn a_new_head_leaves_a_restorer_as_it_is_in_every_number_format() {
    let nano = Bundle::find("nano").unwrap();
    let mut head = Head::of_bundle(&nano).unwrap();
    head.manifest.temperature = 3.0;
    head.others.retain(|(dtype, _)| *dtype != Dtype::F16);
    let options = ExportOptions {
        name: "both".into(),
        version: semver::Version::new(1, 2, 3),
        license: "CC0-1.0".into(),
        data: "none".into(),
        metrics: Some("Enough.".into()),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both");
    with_head(&nano, head.clone(), &options).unwrap().write(&path).unwrap();

    let both = Bundle::open(&path).unwrap();
    both.verify().unwrap();
    assert_eq!(both.manifest().vlm, Some(head.manifest.clone()));
    assert_eq!(both.manifest().config, nano.manifest().config);
    for variant in &nano.manifest().variants {
        let own = both.variant(Some(variant.dtype)).unwrap();
        assert_eq!(own.restorer, variant.restorer, "{}", variant.dtype);
        let vlm = both.read(own.vlm.as_ref().unwrap()).unwrap();
        let expected = head.others.iter().find(|(dtype, _)| *dtype == variant.dtype);
        assert_eq!(*vlm, *expected.map_or(&head.onnx, |(_, onnx)| onnx), "{}", variant.dtype);
    }
    let card = both.read(both.manifest().card.as_ref().unwrap()).unwrap();
    let card = String::from_utf8_lossy(&card);
    assert!(card.contains("Enough.") && card.contains(&format!("that of nano {}", nano.manifest().version)));
    assert_eq!(card.matches("What it reaches").count(), 1, "{card}");
}
