//! Networks of floats against tract's, operator by operator.

use super::{Inputs, distance, float_forms, network, onnx, program, small};
use crate::arch::VluNetConfig;
use crate::backend::{Engine, Input, Model, Options};
use ndarray::ArrayView;

fn configs() -> Vec<VluNetConfig> {
    vec![
        small(1),
        // Heads of a single channel.
        VluNetConfig { dim: 12, num_blocks: [1, 1, 2, 1], heads: [12, 6, 3, 1], de_dim: 1, ..small(2) },
        VluNetConfig {
            num_refinement_blocks: 1,
            heads: [5, 1, 1, 10],
            ffn_expansion_factor: 0.6,
            ..small(4)
        },
    ]
}

/// Sides in multiples: the smallest, one that is several tiles wide, a tall one, and others.
const SIZES: [[usize; 2]; 5] = [[1, 1], [1, 90], [20, 1], [5, 3], [3, 10]];

fn by_tract(onnx: &[u8], inputs: &Inputs) -> Vec<f32> {
    let options = Options { threads: 2, engine: Engine::Tract, ..Options::default() };
    let model = Model::open(onnx, "random", &options).unwrap();
    let shape = [1, 3, inputs.height, inputs.width];
    let mut session = model.session(&[("image", &shape), ("degradation", &[1, 512])]).unwrap();
    let image = ArrayView::from_shape(shape, &inputs.image).unwrap();
    let d = ArrayView::from_shape([1, 512], &inputs.d).unwrap();
    let given = [("image", Input::F32(image.into_dyn())), ("degradation", Input::F32(d.into_dyn()))];
    let outputs = session.run(&given).unwrap();
    outputs.get("restored").unwrap().iter().copied().collect()
}

#[test]
fn any_network_gives_tracts_pictures_in_any_form_at_any_size_on_any_number_of_threads() {
    for (index, config) in configs().iter().enumerate() {
        let file = onnx(config, index as u64);
        let networks: Vec<_> =
            float_forms().into_iter().map(|forms| (forms, network(&program(&file), forms))).collect();
        for sides in SIZES {
            // As many pixels of features, whatever the stem is.
            let [height, width] = sides.map(|side| side * config.multiple());
            let inputs = Inputs::new(height, width, 7);
            let expected = by_tract(&file, &inputs);
            let largest = expected.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            assert!(largest > 0.5 && largest < 50.0, "{largest} says little");
            for (at, (forms, network)) in networks.iter().enumerate() {
                // How rows are shared out doesn't depend on the form.
                for threads in if at + 1 == networks.len() { 1..=3 } else { 2..=2 } {
                    let [most, _] = distance(&inputs.run(network, threads), &expected);
                    let what = format!("{index}: {width}x{height}, {:?}, {threads} threads", forms.float);
                    assert!(most <= 1e-4, "{what}: {most} of {largest}");
                }
            }
        }
    }
}

#[test]
fn a_size_gives_the_same_picture_however_it_is_split_into_tiles() {
    // What is a tile's own affair must not be seen: a wide picture that repeats itself, and a part of it.
    let config = small(1);
    let network = network(&program(&onnx(&config, 3)), float_forms().pop().unwrap());
    let height = 2 * config.multiple();
    let part = Inputs::new(height, 64, 5);
    // Mirrored again and again, so that no seam is an edge; attention sees the same pixels in all.
    let copies = 12;
    let mirrored = |row: &[f32]| {
        let there_and_back: Vec<f32> = row.iter().chain(row.iter().rev()).copied().collect();
        there_and_back.repeat(copies)
    };
    let image: Vec<f32> = part.image.chunks_exact(64).flat_map(mirrored).collect();
    let wide = Inputs { width: 128 * copies, image, ..part };
    let restored = wide.run(&network, 2);
    for row in restored.chunks_exact(128 * copies) {
        // All but the outermost copies are the same.
        let inner: Vec<&[f32]> = row.chunks_exact(128).skip(2).take(copies - 4).collect();
        for copy in &inner {
            let [most, _] = distance(copy, inner[0]);
            assert!(most <= 1e-4, "{most}");
        }
    }
}
