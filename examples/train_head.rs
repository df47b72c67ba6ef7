//! Trains the VLM head (for now: its text side).
use burn::tensor::Device;
use vlunet::arch::ClipConfig;
use vlunet::train::head::{TextOptions, initial, prompts, train_text};
use vlunet::weights::{Weights, to_safetensors};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).unwrap_or("/work/runs/head".into()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = ClipConfig::small();
    let device = Device::flex();
    let start = std::time::Instant::now();
    let mut options = TextOptions::default();
    if let Some(steps) = std::env::args().nth(2) {
        options.steps = steps.parse().unwrap();
    }
    let parameters = initial(&config.text_parameters(), options.seed, &device);
    let (parameters, outcome) = train_text(&config, parameters, &options, &device, |step, loss| {
        if step % 10 == 0 {
            println!("step {step} loss {loss:.4} {:.1} s", start.elapsed().as_secs_f32());
        }
    })
    .unwrap();
    println!("held-out phrases: task {:.3}, prompt {:.3}", outcome.accuracy, outcome.exact);
    println!("{:7.2}", outcome.features.dot(&outcome.features.t()));
    let all = prompts::canonical();
    let texts: Vec<&str> = all.iter().map(|prompt| prompt.text.as_str()).collect();
    let texts = serde_json::to_string(&texts).unwrap();
    let features: Weights = [("text_features".to_owned(), outcome.features.into_dyn())].into_iter().collect();
    let bytes = to_safetensors(&features, Some(("prompts", &texts))).unwrap();
    vlunet::atomic_file::write_bytes(&folder.join("text_features.safetensors"), &bytes).unwrap();
    let bytes = to_safetensors(&parameters.to_weights().unwrap(), None).unwrap();
    vlunet::atomic_file::write_bytes(&folder.join("text.safetensors"), &bytes).unwrap();
}
