use super::*;
use crate::arch::{DEGRADATION_DIM, VluNetConfig};
use crate::backend::{Input, Model, Options};
use crate::onnx::tiles::TiledRestorer;
use crate::onnx::{Size, restorer, widen};
use crate::weights::Weights;
use ndarray::{ArrayD, IxDyn};
use prost::Message;
use tract_onnx::pb;

fn config() -> VluNetConfig {
    VluNetConfig {
        dim: 10,
        num_blocks: [1; 4],
        num_refinement_blocks: 1,
        heads: [1, 2, 4, 8],
        ffn_expansion_factor: 2.0,
        de_dim: 2,
        stem: 1,
    }
}

/// Numbers of -0.125 to 0.125, which float16 doesn't hold exactly, times a scale.
fn numbers(shape: &[usize], seed: u32, scale: f32) -> ArrayD<f32> {
    let mut state = seed;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        scale * ((state >> 8) as f32 / (1 << 26) as f32 - 0.125)
    })
}

/// A restorer of random weights, those of one layer enlarged.
fn network(enlarged: &str, scale: f32) -> Vec<u8> {
    let weights: Weights = config()
        .parameters()
        .into_iter()
        .zip(1..)
        .map(|(parameter, seed)| {
            let scale = if parameter.name == enlarged { scale } else { 1.0 };
            (parameter.name, numbers(&parameter.shape, seed, scale))
        })
        .collect();
    restorer(&config(), &weights, Size::Symbolic).unwrap()
}

fn sample() -> Sample {
    vec![
        ("image", numbers(&[1, 3, 64, 48], 7, 4.0).mapv(|x| x + 0.5)),
        ("degradation", numbers(&[1, DEGRADATION_DIM], 9, 8.0)),
    ]
}

fn run(model: &Model) -> ArrayD<f32> {
    let sample = sample();
    let shapes: Vec<(&str, &[usize])> = sample.iter().map(|(name, tensor)| (*name, tensor.shape())).collect();
    let inputs: Vec<(&str, Input<'_>)> =
        sample.iter().map(|(name, tensor)| (*name, Input::F32(tensor.view()))).collect();
    model.session(&shapes).unwrap().run(&inputs).unwrap().get("restored").unwrap().to_owned()
}

fn difference(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The float32 model with those constants rounded to float16 that the other has in it.
fn rounded(float: &[u8], half: &[u8]) -> Edit {
    let (mut float, half) = (Edit::parse(float).unwrap(), Edit::parse(half).unwrap());
    let narrow = half.proto().initializer.iter().filter(|t| t.data_type == DataType::Float16 as i32);
    for tensor in narrow {
        let values = float.floats(&tensor.name).unwrap();
        float.set_floats(&tensor.name, &values.mapv(|value| f16::from_f32(value).to_f32()));
    }
    float
}

#[test]
fn widened_it_is_the_float32_model_with_rounded_constants() {
    let float = network("", 1.0);
    let half = halve(&float, &[sample()], &Options::default()).unwrap();
    assert!(half.nodes > 250 && half.large.is_empty(), "{half:?}");
    assert!(half.onnx.len() < float.len() * 6 / 10, "{} of {} bytes", half.onnx.len(), float.len());
    let mut widened = pb::ModelProto::decode(half.onnx.as_slice()).unwrap();
    assert!(widen(&mut widened).unwrap());
    assert!(!widen(&mut widened.clone()).unwrap());
    let widened = Edit::parse(&widened.encode_to_vec()).unwrap();
    let expected = rounded(&float, &half.onnx);
    assert_eq!(widened.nodes(), expected.nodes());
    for node in expected.nodes() {
        for constant in node.input.iter().filter(|input| expected.floats(input).is_ok()) {
            assert_eq!(widened.floats(constant).unwrap(), expected.floats(constant).unwrap(), "{constant}");
        }
    }
}

#[test]
fn computed_in_float16_it_gives_nearly_the_same() {
    let float = network("", 1.0);
    let half = halve(&float, &[], &Options::default()).unwrap();
    let options = Options { threads: 1, ..Options::default() };
    let expected = run(&Model::open(&float, "float32", &options).unwrap());
    // Not widened: the engine computes in float16, in software where the CPU doesn't.
    let narrow = pb::ModelProto::decode(half.onnx.as_slice()).unwrap();
    let found = run(&Model::of(narrow, "float16", &options).unwrap());
    let difference = difference(&expected, &found);
    assert!(difference > 0.0 && difference < 2e-3, "{difference}");
}

#[test]
fn every_value_has_one_type_and_no_cast_follows_another() {
    let half = halve(&network("", 1.0), &[], &Options::default()).unwrap();
    let graph = Edit::parse(&half.onnx).unwrap();
    let wide = |element: i32| element == DataType::Float as i32;
    let mut types: HashMap<String, bool> = HashMap::new();
    let proto = graph.proto();
    let is_float = |element: i32| wide(element) || element == DataType::Float16 as i32;
    let constants = proto.initializer.iter().filter(|tensor| is_float(tensor.data_type));
    types.extend(constants.map(|tensor| (tensor.name.clone(), wide(tensor.data_type))));
    types.extend(proto.input.iter().map(|input| (input.name.clone(), true)));
    let mut casts = BTreeSet::new();
    for node in graph.nodes() {
        let inputs: BTreeSet<bool> =
            node.input.iter().filter_map(|input| types.get(input).copied()).collect();
        let output = match node.op_type.as_str() {
            "Shape" => continue,
            "Cast" => {
                assert!(!casts.contains(&node.input[0]), "{node:?}");
                casts.insert(node.output[0].clone());
                let to = crate::onnx::edit::int_attribute(node, "to").unwrap();
                assert_ne!(inputs, BTreeSet::from([wide(to as i32)]), "{node:?}");
                wide(to as i32)
            }
            _ if inputs.is_empty() => continue,
            _ => {
                assert_eq!(inputs.len(), 1, "{node:?}");
                inputs.contains(&true)
            }
        };
        types.extend(node.output.iter().map(|name| (name.clone(), output)));
    }
    assert!(types["restored"] && casts.len() > 50);
    // As many casts as values that both kinds read, and none that nobody does.
    assert!(casts.iter().all(|cast| graph.consumers(cast).next().is_some()));
}

#[test]
fn it_can_be_cut_for_tiles() {
    let half = halve(&network("", 1.0), &[], &Options::default()).unwrap();
    let cut = TiledRestorer::cut(&half.onnx, &config()).unwrap();
    let sample = sample();
    let shapes: Vec<(&str, &[usize])> = sample.iter().map(|(name, tensor)| (*name, tensor.shape())).collect();
    for (part, name) in [(cut.prompts, "prompts"), (cut.guide, "guide"), (cut.tile, "tile")] {
        let proto = pb::ModelProto::decode(part.as_slice()).unwrap();
        let narrow = Model::of(proto, name, &Options::default()).unwrap();
        let wide = Model::open(&part, name, &Options::default()).unwrap();
        let [prompts, guide] = [&shapes[1..], &shapes[..]];
        match name {
            "prompts" => [narrow, wide].map(|model| model.session(prompts).map(drop).unwrap()),
            "guide" => [narrow, wide].map(|model| model.session(guide).map(drop).unwrap()),
            _ => [narrow, wide].map(|model| assert!(model.outputs().contains(&"restored".to_owned()))),
        };
    }
}

#[test]
fn what_gets_too_large_stays_in_float32() {
    // The picture's features grow beyond 65504 and are brought back by the network's norms.
    let float = network("patch_embed.proj.weight", 4e5);
    let half = halve(&float, &[sample()], &Options::default()).unwrap();
    assert!(half.large["patch_embed.proj"] > 65504.0, "{:?}", half.large);
    let options = Options { threads: 1, ..Options::default() };
    let narrow = pb::ModelProto::decode(half.onnx.as_slice()).unwrap();
    let found = run(&Model::of(narrow, "float16", &options).unwrap());
    assert!(found.iter().all(|value| value.is_finite()));
}

#[test]
fn weights_beyond_its_range_are_named() {
    let float = network("output.weight", 1e7);
    let error = halve(&float, &[], &Options::default()).unwrap_err().to_string();
    assert!(error.contains("output.weight") && error.contains("65504"), "{error}");
    let half = halve(&network("", 1.0), &[], &Options::default()).unwrap();
    let error = halve(&half.onnx, &[], &Options::default()).unwrap_err().to_string();
    assert!(error.contains("quantized already"), "{error}");
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let float = network("", 1.0);
    let [a, b] = [0, 1].map(|_| halve(&float, &[sample()], &Options::default()).unwrap().onnx);
    assert!(a == b);
}
