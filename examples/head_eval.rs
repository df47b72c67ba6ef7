//! Tries the head of a run on the evaluation sets.
use image::RgbImage;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::path::{Path, PathBuf};
use vlunet::backend::Options;
use vlunet::bundle::Task;
use vlunet::eval::degrade::gaussian_noise_8bit;
use vlunet::train::head::{Exam, Head, HeadFolder};

fn pictures(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

fn open(path: &Path) -> RgbImage {
    image::open(path).unwrap().to_rgb8()
}

/// Noise whose variance grows with the value, in the file's own values.
fn poisson_gaussian(rgb: &RgbImage, seed: u64) -> RgbImage {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (photons, read) = (rng.random_range(20.0..=120.0), rng.random_range(0.01..=0.05f32));
    let mut noisy = rgb.clone();
    for value in noisy.iter_mut() {
        let x = f32::from(*value) / 255.0;
        let normal: f32 = StandardNormal.sample(&mut rng);
        *value = ((x + normal * (x / photons + read * read).sqrt()) * 255.0).round().clamp(0.0, 255.0) as u8;
    }
    noisy
}

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap());
    let head = Head::open(&HeadFolder::new(&folder)).unwrap();
    println!("steps {}", head.steps);
    let mut detector = head.detector(&Options::default()).unwrap();
    let eval = PathBuf::from("/work/shared/data/eval");
    let mut exam = Exam::default();
    let cbsd = pictures(&eval.join("cbsd68"));
    for sigma in [15.0, 25.0, 50.0] {
        let noisy = cbsd.iter().enumerate().map(|(i, p)| Ok(gaussian_noise_8bit(&open(p), sigma, i as u64)));
        exam.try_set(&mut detector, &format!("cbsd68 {sigma}"), Task::Denoise, noisy).unwrap();
    }
    let noisy = cbsd.iter().enumerate().map(|(i, p)| Ok(poisson_gaussian(&open(p), i as u64)));
    exam.try_set(&mut detector, "cbsd68 poisson-gauss", Task::Denoise, noisy).unwrap();
    exam.try_set(&mut detector, "cbsd68 clean", Task::Clear, cbsd.iter().map(|p| Ok(open(p)))).unwrap();
    for (set, task) in [
        ("rain100l_10", Task::Derain),
        ("sots_outdoor_43", Task::Dehaze),
        ("lol_eval15", Task::LowLight),
        ("gopro_scene_5", Task::Deblur),
        ("reds_small_20", Task::Deblur),
    ] {
        for (side, task) in [("input", task), ("target", Task::Clear)] {
            let all = pictures(&eval.join(set).join(side));
            let name = format!("{set} {side}");
            exam.try_set(&mut detector, &name, task, all.iter().map(|p| Ok(open(p)))).unwrap();
        }
    }
    println!("{exam}");
    let confusion = exam.confusion();
    println!("accuracy {:.3}", confusion.accuracy());
    for task in Task::ALL {
        println!("{task}: {:.3}", confusion.recall(task).unwrap());
    }
    exam.draw(&folder.join("confusion.svg")).unwrap();
    if std::env::args().nth(2).is_none() {
        return;
    }
    for set in pictures("/work/shared/data/real".as_ref()) {
        for path in pictures(&set) {
            let planes = vlunet::frame::from_rgb8(&open(&path));
            let seen = detector.detect(planes.view()).unwrap();
            let name = path.strip_prefix("/work/shared/data/real").unwrap().display().to_string();
            let size = format!("{}x{}", planes.dim().2, planes.dim().1);
            println!("{name:40} {size:10} {} {:.2}", seen.label(), seen.confidence());
        }
    }
}
