//! Towers of any form of the kernels, and how planes lie as single rows.

use super::flat::{Flat, Unit};
use super::{Head, Session, Tower};
use crate::arch::{ClipConfig, ConvTowerConfig, VisionConfig};
use crate::backend::fused::network::Forms;
use crate::backend::fused::recognise_tower;
use crate::backend::kernels::{float, int8};
use crate::backend::{Engine, Input, Model, Options};
use crate::onnx::edit::Edit;
use crate::onnx::image_tower;
use ndarray::{ArrayD, IxDyn};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// A small tower of odd extents, as a file.
fn small(patch_size: usize) -> (Vec<u8>, usize) {
    let conv = ConvTowerConfig { channels: [3, 14, 5, 33], depths: [2, 1, 3, 1], kernel: 3, expansion: 3 };
    let image_size = 24 * patch_size;
    let vision = VisionConfig::Conv(conv);
    let config = ClipConfig { image_size, patch_size, vision, vocabulary: 10, ..ClipConfig::small() };
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut tensor =
        |shape: &[usize]| ArrayD::from_shape_fn(IxDyn(shape), |_| random.random_range(-1.0..1.0f32));
    let parameters = config.parameters().into_iter();
    let weights = parameters.map(|parameter| (parameter.name.clone(), tensor(&parameter.shape))).collect();
    (image_tower(&config, &weights).unwrap(), image_size)
}

fn tower(onnx: &[u8]) -> Tower {
    recognise_tower(&Edit::parse(onnx).unwrap()).unwrap()
}

fn picture(side: usize) -> ArrayD<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    ArrayD::from_shape_fn(IxDyn(&[1, 3, side, side]), |_| random.random_range(-2.0..2.0f32))
}

/// The feature of a picture, with kernels of these forms, on so many threads.
fn feature(tower: &Tower, forms: Forms, threads: usize, picture: &ArrayD<f32>) -> Vec<f32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let head = Arc::new(Head::of(tower, forms).unwrap());
    let mut session = Session::new(head, Some(Arc::new(pool))).unwrap();
    session.run(picture.as_slice().unwrap()).to_vec()
}

/// How far numbers are from others, by the largest of these.
fn error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    found.iter().zip(expected).fold(0.0f32, |most, (a, b)| most.max((a - b).abs())) / largest
}

#[test]
fn towers_of_any_form_give_what_plain_ones_do() {
    for patch_size in [1, 2, 3, 4] {
        let (onnx, side) = small(patch_size);
        let picture = picture(side);
        let options = Options { threads: 1, engine: Engine::Tract, ..Options::default() };
        let plain = Model::open(&onnx, "small", &options).unwrap();
        let mut plain = plain.session(&[("image", &[1, 3, side, side])]).unwrap();
        let outputs = plain.run(&[("image", Input::F32(picture.view()))]).unwrap();
        let expected: Vec<f32> = outputs.get("degradation").unwrap().iter().copied().collect();
        for float in float::Form::available() {
            for threads in [1, 2, 5] {
                let forms = Forms { float, int: int8::Form::best() };
                let error = error(&feature(&tower(&onnx), forms, threads, &picture), &expected);
                assert!(error <= 2e-5, "patches of {patch_size}, {float:?}, {threads} threads: {error}");
            }
        }
    }
}

#[test]
fn integers_of_any_form_give_alike_features() {
    let path = format!("{}/models/nano/vlm.int8.onnx", env!("CARGO_MANIFEST_DIR"));
    let (tower, picture) = (tower(&std::fs::read(path).unwrap()), picture(224));
    let best = feature(&tower, Forms::best(), 2, &picture);
    for int in int8::Form::available() {
        let forms = Forms { float: float::Form::best(), int };
        let error = error(&feature(&tower, forms, 1, &picture), &best);
        assert!(error <= 0.02, "{int:?}: {error}");
    }
}

#[test]
fn chunks_are_all_pixels_and_rows_and_gaps_are_all_of_a_chunk() {
    for (height, width) in [(1, 1), (7, 7), (28, 28), (3, 40), (56, 56)] {
        let flat = Flat::new(2, height, width);
        let shares = flat.shares();
        assert_eq!(shares.iter().sum::<f32>(), (height * width) as f32);
        for unit in [Unit::FLOATS, Unit::BYTES] {
            for threads in 1..5 {
                let chunks = flat.chunks(threads, unit);
                let mut end = 0;
                let mut seen = Vec::new();
                for chunk in 0..chunks.count {
                    let pixels = chunks.pixels(chunk);
                    assert!(pixels.start == end && pixels.len() <= chunks.most() && !pixels.is_empty());
                    end = pixels.end;
                    for (y, columns, at) in flat.rows(&pixels) {
                        let first = pixels.start + at;
                        assert!(shares[first..first + columns.len()].iter().all(|share| *share == 1.0));
                        seen.extend(columns.map(|x| (y, x)));
                    }
                }
                assert_eq!(end, flat.pixels);
                let all = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
                assert_eq!(seen, all.collect::<Vec<_>>());
            }
        }
    }
}
