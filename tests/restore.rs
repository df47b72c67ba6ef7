//! What `restore` promises, with the embedded model.

mod support;

use ndarray::{Array3, Axis};
use vlunet::bundle::{Bundle, Dtype};
use vlunet::frame::{self, Planes};
use vlunet::restore::{Options, Restorer};
use vlunet::source::synthetic::{SyntheticConfig, SyntheticSource, Weather};
use vlunet::vlm::Degradation;

fn scene(weather: Weather, width: u32, height: u32) -> Planes {
    let config = SyntheticConfig { weather, width, height, ..SyntheticConfig::default() };
    frame::from_rgb8(&SyntheticSource::new(config).unwrap().next_frame().degraded)
}

fn restorer(options: &Options) -> (Bundle, Restorer) {
    let bundle = Bundle::find("nano").unwrap();
    let restorer = Restorer::open(&bundle, options).unwrap();
    (bundle, restorer)
}

#[test]
fn a_picture_of_any_size_keeps_its_size() {
    let (bundle, mut restorer) = restorer(&Options::default());
    let noise = Degradation::for_task(&bundle, "denoise").unwrap();
    for (height, width) in [(1, 1), (1, 40), (17, 2), (16, 16), (33, 47), (100, 75)] {
        let image =
            Array3::from_shape_fn((3, height, width), |(c, y, x)| ((c + 2 * y + 3 * x) % 17) as f32 / 16.0);
        let restored = restorer.restore(image.view(), &noise).unwrap();
        assert_eq!(restored.dim(), image.dim());
        assert!(restored.iter().all(|value| (0.0..=1.0).contains(value)), "{width}x{height}");
    }
}

#[test]
fn pictures_that_cannot_be_restored_are_refused() {
    let (bundle, mut restorer) = restorer(&Options::default());
    let noise = Degradation::for_task(&bundle, "denoise").unwrap();
    let broken = Array3::from_elem((3, 16, 16), f32::NAN);
    for image in [Array3::zeros((3, 0, 5)), Array3::zeros((1, 16, 16)), broken] {
        let message = restorer.restore(image.view(), &noise).unwrap_err().to_string();
        assert!(message.contains("picture"), "{message}");
    }
}

#[test]
fn strength_blends_between_the_input_and_the_restored_picture() {
    let image = scene(Weather::Noise, 64, 48);
    let at = |strength| {
        let (bundle, mut restorer) = restorer(&Options { strength, ..Options::default() });
        restorer.restore(image.view(), &Degradation::for_task(&bundle, "denoise").unwrap()).unwrap()
    };
    let (none, half, full) = (at(0.0), at(0.5), at(1.0));
    assert_eq!(none, image);
    assert!(full != image);
    let middle = (&image + &full) / 2.0;
    // The full one is clamped, the blend is clamped after it.
    let difference = (&half - &middle).mapv(f32::abs);
    assert!(difference.mean().unwrap() < 2e-3, "{}", difference.mean().unwrap());
}

/// Mean difference between a picture restored in tiles of about 384×384 and as a whole, in the
/// whole picture and along its worst row or column.
fn difference_of_tiles(image: &Planes, task: &str) -> (f32, f32) {
    let float = Options { dtype: Some(Dtype::F32), ..Options::default() };
    let (bundle, mut whole) = restorer(&Options { memory: 8 << 30, ..float.clone() });
    let (_, mut tiled) = restorer(&Options { memory: 1 << 20, ..float });
    let degradation = Degradation::for_task(&bundle, task).unwrap();
    let whole = whole.restore(image.view(), &degradation).unwrap();
    let tiled = tiled.restore(image.view(), &degradation).unwrap();
    assert!(tiled != whole, "the picture was not cut into tiles");
    let difference = (&tiled - &whole).mapv(f32::abs) * 255.0;
    let lines = [1, 2].into_iter().flat_map(|axis| {
        difference.axis_iter(Axis(axis)).map(|line| line.mean().unwrap()).collect::<Vec<_>>()
    });
    (difference.mean().unwrap(), lines.fold(0.0, f32::max))
}

#[test]
fn tiles_leave_no_seam() {
    let flat = Array3::from_elem((3, 384, 592), 0.5);
    // Without texture the rows of q and k have no direction of their own, and what little a tile's
    // border adds turns them: the one picture that may differ by more than a step.
    for (name, image, task, limit) in [
        ("flat", flat, "denoise", 2.0),
        ("fog", scene(Weather::Fog, 592, 384), "dehaze", 1.0),
        ("night", scene(Weather::Night, 592, 384), "low-light", 1.0),
    ] {
        let (mean, worst_line) = difference_of_tiles(&image, task);
        println!("{name}: tiles differ by {mean:.3}/255 on average, {worst_line:.3}/255 on the worst line");
        assert!(worst_line < limit, "{name}: {worst_line}/255 on a line");
    }
}

#[test]
fn the_embedded_bundle_is_whole_and_passes_its_self_test() {
    let (bundle, mut quantized) = restorer(&Options::default());
    bundle.verify().unwrap();
    let golden = bundle.golden().unwrap().expect("the embedded bundle has a golden frame");
    quantized.self_test(&golden).unwrap();
    let (_, mut float) = restorer(&Options { dtype: Some(Dtype::F32), ..Options::default() });
    assert!(float.self_test(&golden).unwrap() <= 1e-4);
}
