//! A restorer gives the same pictures in fused blocks as operator by operator.

use ndarray::{Array4, ArrayD};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use vlunet::backend::{Engine, Input, Model, Options};

fn model(dtype: &str, engine: Engine, threads: usize) -> Model {
    let path = format!("{}/models/nano/restorer.{dtype}.onnx", env!("CARGO_MANIFEST_DIR"));
    Model::open(&std::fs::read(path).unwrap(), "nano", &Options { threads, engine, ..Options::default() })
        .unwrap()
}

/// A number of 0..1.
fn uniform(random: &mut ChaCha8Rng) -> f32 {
    (random.next_u32() >> 8) as f32 / (1 << 24) as f32
}

/// A noisy picture of smooth waves, and a degradation.
fn inputs(height: usize, width: usize, seed: u64) -> (ArrayD<f32>, ArrayD<f32>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let [fx, fy] = [uniform(&mut random) * 0.2, uniform(&mut random) * 0.2];
    let image = Array4::from_shape_fn((1, 3, height, width), |(_, c, y, x)| {
        let wave = (x as f32 * fx + y as f32 * fy + c as f32).sin() * 0.3 + 0.5;
        (wave + 0.2 * (uniform(&mut random) - 0.5)).clamp(0.0, 1.0)
    });
    let d = ArrayD::from_shape_fn(vec![1, 512], |_| 2.0 * uniform(&mut random) - 1.0);
    (image.into_dyn(), d)
}

fn run(model: &Model, image: &ArrayD<f32>, d: &ArrayD<f32>) -> ArrayD<f32> {
    let mut session = model.session(&[("image", image.shape()), ("degradation", d.shape())]).unwrap();
    let inputs = [("image", Input::F32(image.view())), ("degradation", Input::F32(d.view()))];
    // The second run finds what the first left.
    session.run(&inputs).unwrap();
    session.run(&inputs).unwrap().get("restored").unwrap().to_owned()
}

const SIZES: [(usize, usize); 6] = [(16, 16), (16, 400), (48, 80), (208, 16), (176, 336), (96, 1008)];

#[test]
fn floats_are_those_of_plain_tract_at_any_size_and_on_any_number_of_threads() {
    let plain = model("f32", Engine::Tract, 2);
    assert!(!plain.is_fused());
    for threads in [1, 2, 3] {
        let fused = model("f32", Engine::Auto, threads);
        assert!(fused.is_fused());
        for (index, (height, width)) in SIZES.into_iter().enumerate() {
            let (image, d) = inputs(height, width, index as u64);
            let (found, expected) = (run(&fused, &image, &d), run(&plain, &image, &d));
            let error = (&found - &expected).iter().fold(0.0f32, |most, x| most.max(x.abs()));
            println!("{width}x{height} on {threads}: {error:e}");
            assert!(error <= 1e-4, "{width}x{height} on {threads} threads: {error}");
        }
    }
}

#[test]
fn a_session_follows_a_change_of_the_degradation() {
    let fused = model("f32", Engine::Auto, 2);
    let (image, first) = inputs(64, 96, 1);
    let (_, second) = inputs(64, 96, 2);
    let mut session = fused.session(&[("image", image.shape()), ("degradation", first.shape())]).unwrap();
    for d in [&first, &second, &second, &first] {
        let inputs = [("image", Input::F32(image.view())), ("degradation", Input::F32(d.view()))];
        let found = session.run(&inputs).unwrap().get("restored").unwrap().to_owned();
        assert_eq!(found, run(&fused, &image, d));
    }
}

#[test]
fn integers_are_those_of_plain_tract_but_for_rounding() {
    let (fused, plain) = (model("int8", Engine::Auto, 2), model("int8", Engine::Tract, 2));
    assert!(fused.is_fused() && !plain.is_fused());
    for (index, (height, width)) in SIZES.into_iter().enumerate() {
        let (image, d) = inputs(height, width, 10 + index as u64);
        let (found, expected) = (run(&fused, &image, &d), run(&plain, &image, &d));
        let difference = &found - &expected;
        let mean = difference.iter().map(|x| x.abs()).sum::<f32>() / difference.len() as f32;
        let most = difference.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        println!("{width}x{height}: mean {:.2} of 255, at most {:.1}", 255.0 * mean, 255.0 * most);
        assert!(mean <= 1.5 / 255.0 && most <= 25.0 / 255.0, "{width}x{height}: {mean}, {most}");
    }
}
