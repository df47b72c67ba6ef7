//! A VLM head's image tower gives the same feature in fused blocks as operator by operator.

use ndarray::{Array4, ArrayD};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use vlunet::backend::{Engine, Input, Model, Options};

const SHAPE: [usize; 4] = [1, 3, 224, 224];

fn model(dtype: &str, engine: Engine, threads: usize) -> Model {
    let path = format!("{}/models/nano/vlm.{dtype}.onnx", env!("CARGO_MANIFEST_DIR"));
    Model::open(&std::fs::read(path).unwrap(), "vlm", &Options { threads, engine, ..Options::default() })
        .unwrap()
}

/// A number of 0..1.
fn uniform(random: &mut ChaCha8Rng) -> f32 {
    (random.next_u32() >> 8) as f32 / (1 << 24) as f32
}

/// A more or less noisy picture of smooth waves, as CLIP wants it.
fn picture(seed: u64) -> ArrayD<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let [fx, fy] = [uniform(&mut random) * 0.3, uniform(&mut random) * 0.3];
    let [mean, noise] = [uniform(&mut random), 0.5 * uniform(&mut random)];
    let image = Array4::from_shape_fn(SHAPE, |(_, c, y, x)| {
        let wave = (x as f32 * fx + y as f32 * fy + c as f32).sin() * 0.3 + mean;
        ((wave + noise * (uniform(&mut random) - 0.5)).clamp(0.0, 1.0) - 0.45) / 0.27
    });
    image.into_dyn()
}

/// The feature of each picture, of one session.
fn features(model: &Model, pictures: &[ArrayD<f32>]) -> Vec<ArrayD<f32>> {
    let mut session = model.session(&[("image", &SHAPE)]).unwrap();
    let mut feature = |picture: &ArrayD<f32>| {
        let outputs = session.run(&[("image", Input::F32(picture.view()))]).unwrap();
        outputs.get("degradation").unwrap().to_owned()
    };
    pictures.iter().map(&mut feature).collect()
}

/// Pictures with more and less detail, one without any, and the first again behind all others.
fn pictures() -> Vec<ArrayD<f32>> {
    let mut pictures: Vec<_> = (0..6).map(picture).collect();
    pictures.push(ArrayD::from_elem(SHAPE.as_slice(), 0.3));
    pictures.push(pictures[0].clone());
    pictures
}

/// How far the fused features of each picture are from plain ones, by the largest number of these.
fn errors(dtype: &str) -> Vec<f32> {
    let pictures = pictures();
    let plain = model(dtype, Engine::Tract, 2);
    assert!(!plain.is_fused());
    let expected = features(&plain, &pictures);
    let mut errors = Vec::new();
    let mut first: Option<Vec<ArrayD<f32>>> = None;
    for threads in [1, 2, 3] {
        let fused = model(dtype, Engine::Auto, threads);
        assert!(fused.is_fused());
        let found = features(&fused, &pictures);
        assert_eq!(found[0], found[pictures.len() - 1]);
        assert_eq!(&found, first.get_or_insert_with(|| found.clone()), "{threads} threads");
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found.shape(), [1, 512]);
            let largest = expected.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let error = (found - expected).iter().fold(0.0f32, |most, x| most.max(x.abs())) / largest;
            println!("{dtype}, picture {index} on {threads} threads: {error:e}");
            errors.push(error);
        }
    }
    errors
}

#[test]
fn features_are_those_of_plain_tract_on_any_number_of_threads() {
    assert!(errors("f32").iter().all(|error| *error <= 1e-5));
}

#[test]
fn features_of_integers_are_those_of_plain_tract_but_for_rounding() {
    assert!(errors("int8").iter().all(|error| *error <= 0.05));
}

#[test]
fn a_fused_tower_says_what_it_takes_and_gives() {
    let fused = model("f32", Engine::Auto, 1);
    assert_eq!(
        (fused.inputs(), fused.outputs()),
        (&["image".to_owned()][..], &["degradation".to_owned()][..])
    );
    assert!(fused.session(&[("image", &[1, 3, 112, 112])]).is_err());
    assert!(fused.session(&[("picture", &SHAPE)]).is_err());
    let mut session = fused.session(&[("image", &SHAPE)]).unwrap();
    assert!(session.memory().is_some() && session.profile().is_empty());
    let small = ArrayD::<f32>::zeros(vec![1, 3, 112, 112]);
    assert!(session.run(&[("image", Input::F32(small.view()))]).is_err());
    assert!(session.run(&[]).is_err());
    let picture = picture(1);
    let outputs = session.run(&[("image", Input::F32(picture.view()))]).unwrap();
    assert!(outputs.get("restored").is_err());
}
