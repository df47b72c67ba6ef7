//! The smallest run that there is.
#![allow(dead_code)] // each test file uses a part

use super::program::Workplace;
use image::{Rgb, RgbImage};
use ndarray::ArrayD;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use vlunet::weights::{Weights, read_safetensors, to_safetensors};

/// Six steps with the smallest network.
pub const RECIPE: &str = r#"network = { dim = 10, num_blocks = [1, 1, 1, 1], num_refinement_blocks = 1, heads = [1, 2, 4, 8], ffn_expansion_factor = 2.0, de_dim = 2, stem = 4 }
steps = 6
seed = 3
rate = { peak = 1e-3, warm_up = 2 }
rounds = { pictures = 4, steps = 4, held_out = 2, validate = 100 }
[[phases]]
until = 1.0
patch = 32
batch = 2

[[data]]
set = "clean"
task = "denoise"
degrade = { kind = "noise", sigma = [25, 25] }

weight = 1
"#;

/// A folder with `tiny.toml`, `head.safetensors` and four pictures in `data`.
pub fn workplace() -> Workplace {
    let workplace = Workplace::of(env!("CARGO_BIN_EXE_vlunet-train"));
    workplace.write("tiny.toml", RECIPE);
    head(&workplace, "head.safetensors", 1.0);
    for index in 0..4 {
        picture(&workplace, &format!("data/clean/{index}.png"), 40 + index, 44);
    }
    workplace
}

/// `vlunet-train fit` into `run` by `head.safetensors`.
pub fn fit<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["fit", "--run", "run", "--head", "head.safetensors"], args].concat()
}

pub fn picture(workplace: &Workplace, name: &str, width: u32, height: u32) {
    let path = workplace.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let colour = |x: u32, y: u32| Rgb([(5 * x + width) as u8, (5 * y) as u8, (x * y % 256) as u8]);
    RgbImage::from_fn(width, height, colour).save(path).unwrap();
}

/// Random vectors for every prompt, and one of this `scale` for the prompt "wild".
pub fn head(workplace: &Workplace, name: &str, scale: f32) {
    const PROMPTS: [&str; 9] = [
        "image with noise",
        "image with many noise",
        "image with large amount of noise",
        "image with rain",
        "image with haze",
        "image with blur",
        "image with low light",
        "a clear photo",
        "wild",
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut values: Vec<f32> = (0..512 * PROMPTS.len()).map(|_| rng.random_range(-1.0..1.0)).collect();
    values[512 * 8..].iter_mut().for_each(|value| *value *= scale);
    let mut weights = Weights::default();
    weights.insert("text_features", ArrayD::from_shape_vec(vec![PROMPTS.len(), 512], values).unwrap());
    let prompts = serde_json::to_string(&PROMPTS).unwrap();
    workplace.write(name, to_safetensors(&weights, Some(("prompts", &prompts))).unwrap());
}

/// The tensors and the progress of a run's checkpoint.
pub fn checkpoint(workplace: &Workplace, run: &str) -> (Weights, serde_json::Value) {
    let path = workplace.path(run).join("checkpoint.safetensors");
    let (weights, metadata) = read_safetensors(&path, 1 << 30).unwrap();
    (weights, serde_json::from_str(&metadata["progress"]).unwrap())
}
