//! The authors' checkpoint at its real size: the time and the memory that its import takes.

#[path = "support/checkpoint.rs"]
mod checkpoint;
#[path = "support/program.rs"]
mod program;

use checkpoint::{Archive, Element, Value};
use program::Workplace;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};
use vlunet::arch::{ClipConfig, Parameter, VluNetConfig};

const MOST_TIME: Duration = Duration::from_secs(120);
const MOST_MEMORY: u64 = 2_500_000_000;

/// Writes what the authors' Lightning module saves: the restorer, and both encoders of the VLM
/// head with their adapters, which hold the same CLIP.
fn write_checkpoint(path: &Path) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut archive = Archive::new(BufWriter::new(File::create(path).unwrap()));
    let mut entries = Vec::new();
    let mut clip = HashMap::new();
    let mut add = |name: String, parameter: &Parameter| {
        let numbers: Vec<f32> = (0..parameter.elements()).map(|_| rng.random_range(-0.03..0.03)).collect();
        let tensor = archive.tensor(Element::F32, &parameter.shape, &numbers);
        entries.push((Value::text(name), tensor.clone()));
        tensor
    };
    for parameter in VluNetConfig::full().parameters() {
        add(format!("net.{}", parameter.name), &parameter);
    }
    for parameter in ClipConfig::vit_b_32().parameters() {
        let (part, name) = parameter.name.split_once('.').unwrap();
        let encoder = if part == "text_adapter" { "ad_textEncoder" } else { "ad_imageEncoder" };
        let part = part.trim_start_matches("image_").trim_start_matches("text_");
        let tensor = add(format!("model_degradation.{encoder}.{part}.{name}"), &parameter);
        if part == "clip_model" {
            clip.insert(name.to_owned(), tensor);
        }
    }
    for (name, tensor) in clip {
        entries.push((Value::text(format!("model_degradation.ad_textEncoder.clip_model.{name}")), tensor));
    }
    let root = [("epoch", Value::Int(149)), ("state_dict", Value::Ordered(entries))];
    archive.finish(&Value::dict(root));
}

/// Waits for a process; gives the most memory that it had resident, in bytes, and its time.
fn watch(mut child: Child) -> (bool, u64, Duration) {
    let start = Instant::now();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes: Option<u64> = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(1024 * kilobytes.unwrap_or(0));
        if let Some(exit) = child.try_wait().unwrap() {
            return (exit.success(), peak, start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "writes 750 MB and takes a minute"]
fn a_full_size_checkpoint_imports_in_time_and_memory() {
    let workplace = Workplace::new();
    write_checkpoint(&workplace.path("last.ckpt"));
    let size = std::fs::metadata(workplace.path("last.ckpt")).unwrap().len();
    let import = workplace.command(&["import", "last.ckpt", "-o", "authors"]).spawn().unwrap();
    let (success, peak, time) = watch(import);
    println!("import of {} MB: {:.1} s, {} MB", size / 1_000_000, time.as_secs_f64(), peak / 1_000_000);
    assert!(success);
    assert!(time < MOST_TIME, "{time:?}");
    assert!((1..MOST_MEMORY).contains(&peak), "{peak} bytes");

    image::RgbImage::from_fn(256, 256, |x, y| image::Rgb([x as u8, y as u8, (x ^ y) as u8]))
        .save(workplace.path("crop.png"))
        .unwrap();
    let mut restore = workplace.command(&["restore", "crop.png", "-o", "out.png", "--model", "authors"]);
    let (success, peak, time) = watch(restore.spawn().unwrap());
    println!("restore of 256x256: {:.1} s, {} MB", time.as_secs_f64(), peak / 1_000_000);
    assert!(success);
    assert_eq!(image::image_dimensions(workplace.path("out.png")).unwrap(), (256, 256));
}
