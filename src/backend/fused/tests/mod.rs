//! Whole networks in fused blocks, in every form and on several threads.

mod biases;
mod integers;
mod memory;
mod networks;
mod sessions;
mod tiles;

use super::network::{Forms, Network};
use super::program::Program;
use super::recognise;
use super::session::Session;
use crate::arch::VluNetConfig;
use crate::backend::kernels;
use crate::onnx::edit::Edit;
use crate::onnx::{Size, restorer};
use crate::weights::Weights;
use ndarray::{ArrayD, IxDyn};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Numbers that let a picture through: what a layer gives is about as large as what it takes.
fn weights_of(config: &VluNetConfig, seed: u64) -> Weights {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut tensor = |name: &str, shape: &[usize]| {
        let (middle, most) = match shape {
            _ if name.ends_with("temperature") => (1.5, 0.5),
            _ if name.ends_with("norm1.body.weight") || name.ends_with("norm2.body.weight") => (1.0, 0.2),
            [_] => (0.2, 0.2),
            [_, inputs @ ..] if name.ends_with("weight") => {
                (0.0, 1.7 / (inputs.iter().product::<usize>() as f32).sqrt())
            }
            _ => (0.0, 1.0),
        };
        ArrayD::from_shape_fn(IxDyn(shape), |_| middle + most * random.random_range(-1.0..1.0f32))
    };
    let parameters = config.parameters().into_iter();
    parameters.map(|parameter| (parameter.name.clone(), tensor(&parameter.name, &parameter.shape))).collect()
}

/// A restorer with random weights, as its file has it.
fn onnx(config: &VluNetConfig, seed: u64) -> Vec<u8> {
    restorer(config, &weights_of(config, seed), Size::Symbolic).unwrap()
}

fn nano(kind: &str) -> Vec<u8> {
    std::fs::read(format!("{}/models/nano/restorer.{kind}.onnx", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn program(onnx: &[u8]) -> Program {
    recognise(&Edit::parse(onnx).unwrap()).unwrap()
}

/// A small network.
fn small(stem: usize) -> VluNetConfig {
    VluNetConfig {
        dim: 10,
        num_blocks: [1, 2, 1, 1],
        num_refinement_blocks: 2,
        heads: [1, 2, 4, 8],
        ffn_expansion_factor: 1.7,
        de_dim: 3,
        stem,
    }
}

/// What a run takes.
#[derive(Clone)]
struct Inputs {
    height: usize,
    width: usize,
    image: Vec<f32>,
    d: Vec<f32>,
}

impl Inputs {
    fn new(height: usize, width: usize, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let image = (0..3 * height * width).map(|_| random.random_range(0.0..1.0)).collect();
        let d = (0..512).map(|_| random.random_range(-0.2..0.2)).collect();
        Self { height, width, image, d }
    }

    fn session(&self, network: &Arc<Network>, threads: usize) -> Session {
        let pool = || rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let pool = (threads > 1).then(|| Arc::new(pool()));
        Session::new(Arc::clone(network), pool, self.height, self.width).unwrap()
    }

    /// What the second run of a session gives, which finds what the first left.
    fn run(&self, network: &Arc<Network>, threads: usize) -> Vec<f32> {
        let mut session = self.session(network, threads);
        session.run(&self.image, &self.d);
        session.run(&self.image, &self.d).to_vec()
    }
}

fn network(program: &Program, forms: Forms) -> Arc<Network> {
    Arc::new(Network::of(program.clone(), forms).unwrap())
}

/// All forms of floats, with the fastest of integers.
fn float_forms() -> Vec<Forms> {
    let int = kernels::int8::Form::best();
    kernels::float::Form::available().into_iter().map(|float| Forms { float, int }).collect()
}

/// All forms of integers, each with all of floats.
fn int_forms() -> Vec<Forms> {
    let with = |int| float_forms().into_iter().map(move |forms| Forms { int, ..forms });
    kernels::int8::Form::available().into_iter().flat_map(with).collect()
}

/// How far pictures are from each other, at most and on average.
fn distance(a: &[f32], b: &[f32]) -> [f32; 2] {
    assert_eq!(a.len(), b.len());
    let apart = a.iter().zip(b).map(|(a, b)| if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() });
    [apart.clone().fold(0.0, f32::max), apart.sum::<f32>() / a.len() as f32]
}
