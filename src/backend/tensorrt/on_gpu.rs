//! What takes a GPU and the full TensorRT: `cargo test --features tensorrt --lib on_gpu -- --ignored`.

use super::{
    Cache, Device, Dtype, Engine, Options, PlanKey, Profile, Progress, Session, Values, Variant, probe,
};
use crate::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const SIZES: [[usize; 2]; 2] = [[128, 160], [64, 96]];

fn device() -> Device {
    probe().unwrap_or_else(|why| panic!("{why}"))
}

fn restorer(device: &Device, dtype: Dtype) -> Vec<u8> {
    let name = match dtype.variant(device.library().version()) {
        Variant::F32 => "restorer.f32.onnx",
        Variant::F16 => "restorer.f16.onnx",
        Variant::Int8 => "restorer.int8.onnx",
    };
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let nano =
        folders.find_map(|folder| Some(folder.join("models/nano")).filter(|nano| nano.is_dir())).unwrap();
    std::fs::read(nano.join(name)).unwrap()
}

fn profile([height, width]: [usize; 2]) -> Profile {
    Profile::fixed(&[("image", &[1, 3, height, width]), ("degradation", &[1, 512])])
}

fn options(dtype: Dtype) -> Options {
    Options::new(dtype, SIZES.map(profile).to_vec())
}

fn session(engine: &Arc<Engine>, [height, width]: [usize; 2], frames: usize) -> Result<Session> {
    engine.session(&[("image", &[1, 3, height, width]), ("degradation", &[1, 512])], frames)
}

/// Waves, which no two `seed`s have alike.
fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|at| 0.5 + 0.5 * (at as f32 * 0.013 * (seed + 1) as f32).sin()).collect()
}

fn build(device: &Device, dtype: Dtype) -> Arc<Engine> {
    let (start, steps) = (Instant::now(), AtomicUsize::new(0));
    let hear = |_: Progress<'_>| {
        steps.fetch_add(1, Ordering::Relaxed);
        true
    };
    let plan = Engine::build(device, &restorer(device, dtype), &options(dtype), &[], &hear).unwrap().unwrap();
    println!(
        "{dtype}: {} bytes in {:?}, {} layers in float32, {} bytes of timings, {} events",
        plan.bytes.len(),
        start.elapsed(),
        plan.pinned_layers,
        plan.timing.len(),
        steps.load(Ordering::Relaxed)
    );
    assert!(steps.load(Ordering::Relaxed) > 0 && !plan.timing.is_empty());
    Engine::load(device, &plan.bytes, None).unwrap()
}

fn restored(engine: &Arc<Engine>, size: [usize; 2]) -> Vec<f32> {
    let mut session = session(engine, size, 1).unwrap();
    let (image, degradation) = (values(3 * size[0] * size[1], 0), values(512, 1));
    let time =
        session.run(&[("image", Values::F32(&image)), ("degradation", Values::F32(&degradation))]).unwrap();
    println!("{size:?}: {time:?}, graph {}, {} bytes", session.has_graph(), engine.session_memory());
    assert_eq!(session.output_shape("restored").unwrap(), [1, 3, size[0], size[1]]);
    session.output(0, "restored").unwrap().into_owned()
}

fn psnr(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let error: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    -10.0 * (error / a.len() as f64).log10()
}

#[test]
#[ignore = "takes a GPU and TensorRT"]
fn narrow_engines_give_what_the_wide_one_gives() {
    let device = device();
    let [wide, half, int8] = [Dtype::Fp32, Dtype::Fp16, Dtype::Int8].map(|dtype| build(&device, dtype));
    for size in SIZES {
        let best = restored(&wide, size);
        assert!(best.iter().all(|value| value.is_finite()));
        for (engine, least) in [(&half, 50.0), (&int8, 38.0)] {
            let reached = psnr(&restored(engine, size), &best);
            println!("{reached:.1} dB");
            assert!(reached >= least, "{reached} dB of {least}");
        }
    }
    assert!(matches!(session(&wide, [32, 32], 1), Err(Error::Model(_))));
}

#[test]
#[ignore = "takes a GPU and TensorRT"]
fn frames_in_flight_do_not_mix() {
    let engine = build(&device(), Dtype::Fp32);
    let size = SIZES[1];
    let count = 3 * size[0] * size[1];
    let mut alone = session(&engine, size, 1).unwrap();
    let degradation = values(512, 9);
    let wanted: Vec<Vec<f32>> = (0..6)
        .map(|seed| {
            let image = values(count, seed);
            alone.run(&[("image", Values::F32(&image)), ("degradation", Values::F32(&degradation))]).unwrap();
            alone.output(0, "restored").unwrap().into_owned()
        })
        .collect();
    assert_ne!(wanted[0], wanted[1]);

    let mut both = session(&engine, size, 2).unwrap();
    for frame in 0..2 {
        both.set(frame, "degradation", Values::F32(&degradation)).unwrap();
    }
    for seed in 0..7 {
        if seed < 6 {
            both.input(seed % 2, "image").unwrap().copy_from_slice(&values(count, seed));
            both.submit(seed % 2).unwrap();
            assert!(both.output(seed % 2, "restored").is_err() && both.submit(seed % 2).is_err());
        }
        if let Some(before) = seed.checked_sub(1) {
            both.wait(before % 2).unwrap();
            let difference = psnr(&both.output(before % 2, "restored").unwrap(), &wanted[before]);
            assert!(difference > 90.0, "frame {before}: {difference} dB");
        }
    }
}

#[test]
#[ignore = "takes a GPU and TensorRT"]
fn a_cached_plan_is_loaded_and_junk_is_not() {
    let device = device();
    let (folder, options) = (tempfile::tempdir().unwrap(), options(Dtype::Fp16));
    let onnx = restorer(&device, Dtype::Fp16);
    let (cache, key) =
        (Cache::at(&folder.path().join("plans")), PlanKey::new(&device, &onnx, &options).key());
    let plan = Engine::build(&device, &onnx, &options, &[], &|_| true).unwrap().unwrap();
    cache.put(&key, &plan.bytes).unwrap();
    let engine = Engine::load(&device, &cache.get(&key).unwrap(), None).unwrap();
    assert_eq!(engine.inputs().len(), 2);
    // With the times of the first build.
    let start = Instant::now();
    Engine::build(&device, &onnx, &options, &plan.timing, &|_| true).unwrap().unwrap();
    println!("built again in {:?}", start.elapsed());
    for junk in [&b""[..], b"no plan", &[0; 4096], &plan.bytes[..plan.bytes.len() / 2]] {
        assert!(matches!(Engine::load(&device, junk, None), Err(Error::Gpu(_))));
    }
    assert!(matches!(
        Engine::build(&device, b"no model", &options, &[], &|_| true),
        Err(Error::Gpu(why)) if why.contains("can't read the model")
    ));
    let unknown = Options::new(Dtype::Fp16, vec![Profile::fixed(&[("picture", &[1, 3, 64, 64])])]);
    assert!(matches!(
        Engine::build(&device, &onnx, &unknown, &[], &|_| true),
        Err(Error::Gpu(why)) if why.contains("no input picture")
    ));
}

#[test]
#[ignore = "takes a GPU and TensorRT"]
fn a_build_is_stopped_by_what_hears_of_it() {
    let device = device();
    let heard = AtomicUsize::new(0);
    let stop = |_: Progress<'_>| heard.fetch_add(1, Ordering::Relaxed) < 20;
    let onnx = restorer(&device, Dtype::Fp16);
    let built = Engine::build(&device, &onnx, &options(Dtype::Fp16), &[], &stop).unwrap();
    assert!(built.is_none());
    assert!(heard.load(Ordering::Relaxed) >= 20);
}

#[test]
fn sessions_may_move_to_other_threads() {
    fn moves<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    moves::<Session>();
    is_shared::<Engine>();
    is_shared::<Device>();
}
