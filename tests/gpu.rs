//! Restoring on an NVIDIA GPU: what is said where there is none, and, where one is, that it restores as the CPU
//! does (`cargo test --features tensorrt --test gpu -- --ignored`).

#[path = "support/program.rs"]
mod program;

use program::{NANO, Workplace};

#[test]
fn an_engine_that_cannot_be_built_is_one_line_that_says_why() {
    let workplace = Workplace::new();
    if vlunet::backend::gpu::Gpu::open().is_ok() {
        eprintln!("skipped: this machine has a GPU with TensorRT");
        return;
    }
    let why: &[&str] = if cfg!(feature = "tensorrt") {
        &["GPU: "]
    } else {
        &["GPU: this build has no TensorRT", "--features"]
    };
    workplace.run(&["engine", "build", NANO, "--size", "64x48"]).assert_one_clear_line(why);
    workplace.run(&["demo", "--frames", "1", "--backend", "tensorrt"]).assert_one_clear_line(why);
    let source = "synthetic:road?size=64x48";
    let live = ["run", "--backend", "tensorrt", "--source", source, "--frames", "1", "--sink", "null:"];
    workplace.run(&live).assert_one_clear_line(why);
    for (arguments, says) in [
        (&["engine", "build", "no/such", "--size", "64x48"][..], "no/such: there is no such folder"),
        (&["engine", "build"], "--size"),
        (&["engine", "build", "--size", "64x48", "--level", "6"], "0..=5"),
        (&["engine", "build", "--size", "640"], "a size reads WIDTHxHEIGHT"),
        (&["engine", "build", "--size", "64x48", "--workspace", "1"], "less than 1MiB"),
    ] {
        let run = workplace.run(arguments);
        assert!(run.code != Some(0) && run.stderr.contains(says), "{run:?}");
    }
}

#[cfg(all(feature = "tensorrt", target_os = "linux"))]
mod on_gpu {
    use super::NANO;
    use ndarray::Array3;
    use std::path::Path;
    use vlunet::backend::{self, Processor};
    use vlunet::bundle::{Bundle, Dtype};
    use vlunet::restore::{Options, Restorer};
    use vlunet::vlm::Degradation;

    fn restorer(bundle: &Bundle, dtype: Dtype, processor: Processor) -> Restorer {
        let backend = backend::Options { processor, ..Default::default() };
        Restorer::open(bundle, &Options { dtype: Some(dtype), backend, ..Options::default() }).unwrap()
    }

    /// A picture of hills with stripes, whose sides aren't multiples of the network's.
    fn picture() -> Array3<f32> {
        Array3::from_shape_fn((3, 150, 202), |(c, y, x)| {
            let hill = ((x as f32 * 0.05).sin() + (y as f32 * 0.03).cos()) * 0.2 + 0.5;
            (hill + 0.1 * (((x + y * 3 + c) % 11) as f32 / 11.0 - 0.5)).clamp(0.0, 1.0)
        })
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU with TensorRT"]
    fn a_gpu_restores_as_the_cpu_does() {
        let bundle = Bundle::open(Path::new(NANO)).unwrap();
        let degradation = Degradation::for_task(&bundle, "derain").unwrap();
        let mut cpu = restorer(&bundle, Dtype::F32, Processor::Cpu);
        let expected = cpu.restore(picture().view(), &degradation).unwrap();
        for (dtype, least) in [(Dtype::F32, 60.0), (Dtype::F16, 50.0), (Dtype::Int8, 38.0)] {
            let mut gpu = restorer(&bundle, dtype, Processor::Gpu);
            let restored = gpu.restore(picture().view(), &degradation).unwrap();
            assert!(gpu.is_on_gpu() && gpu.take_lost_gpu().is_none(), "{}", gpu.describe());
            let differences = restored.iter().zip(&expected).map(|(a, b)| (a - b).abs());
            let worst = differences.clone().fold(0.0, f32::max);
            let squares: f64 = differences.map(|d| f64::from(d).powi(2)).sum();
            let psnr = -10.0 * (squares / restored.len() as f64).log10();
            println!("{}: {psnr:.1} dB, {worst:.1e} at most", gpu.describe());
            assert!(psnr >= least, "{dtype}: {psnr:.1} dB");
            assert!(dtype != Dtype::F32 || worst <= 1e-3, "{worst}");
            // The same from the cache, by a program that only looks there.
            let mut cached = restorer(&bundle, dtype, Processor::Auto);
            assert_eq!(cached.restore(picture().view(), &degradation).unwrap(), restored);
            assert!(cached.is_on_gpu());
            if let Some(golden) = bundle.golden().unwrap() {
                gpu.self_test(&golden).unwrap();
            }
        }
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU with TensorRT"]
    fn frames_take_their_time_on_the_gpu() {
        let bundle = Bundle::open(Path::new(NANO)).unwrap();
        let degradation = Degradation::for_task(&bundle, "derain").unwrap();
        let mut gpu = restorer(&bundle, Dtype::F16, Processor::Gpu);
        let frame = Array3::from_shape_fn((3, 360, 640), |(c, y, x)| ((c + y * x) % 256) as f32 / 255.0);
        gpu.restore(frame.view(), &degradation).unwrap();
        let start = std::time::Instant::now();
        for _ in 0..100 {
            gpu.restore(frame.view(), &degradation).unwrap();
        }
        println!("{}: {:.2} ms a frame of 640x360", gpu.describe(), start.elapsed().as_secs_f64() * 10.0);
    }
}
