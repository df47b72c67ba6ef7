//! Restorers as their files hold them, and files that are not quite restorers.

use super::super::program::{Attention, Extent, Layer, Program, Resample, Step, Weights};
use super::recognise;
use crate::arch::VluNetConfig;
use crate::backend::kernels::int8::Byte;
use crate::onnx::edit::{Edit, node};
use crate::onnx::{Size, restorer, restorer_with_taps};
use ndarray::{ArrayD, IxDyn};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tract_onnx::pb::tensor_proto::DataType;

/// A small network, of several blocks.
fn small(stem: usize) -> VluNetConfig {
    VluNetConfig {
        dim: 10,
        num_blocks: [1, 2, 1, 3],
        num_refinement_blocks: 2,
        heads: [1, 2, 4, 8],
        ffn_expansion_factor: 1.7,
        de_dim: 3,
        stem,
    }
}

fn weights_of(config: &VluNetConfig, seed: u64) -> crate::weights::Weights {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut tensor =
        |shape: &[usize]| ArrayD::from_shape_fn(IxDyn(shape), |_| random.random_range(-1.0..1.0f32));
    let parameters = config.parameters().into_iter();
    parameters.map(|parameter| (parameter.name.clone(), tensor(&parameter.shape))).collect()
}

fn graph(config: &VluNetConfig, size: Size) -> Edit {
    Edit::parse(&restorer(config, &weights_of(config, 1), size).unwrap()).unwrap()
}

fn nano(kind: &str) -> Edit {
    let path = format!("{}/models/nano/restorer.{kind}.onnx", env!("CARGO_MANIFEST_DIR"));
    Edit::parse(&std::fs::read(path).unwrap()).unwrap()
}

/// One letter for each step.
fn order(program: &Program) -> String {
    let letter = |step: &Step| match step {
        Step::Unshuffle { .. } => 'u',
        Step::Conv { add: Some(_), .. } => 'o',
        Step::Conv { resample: Resample::Keep, .. } => 'c',
        Step::Conv { resample: Resample::Unshuffle(_), .. } => 'd',
        Step::Conv { resample: Resample::Shuffle(_), .. } => 's',
        Step::Concat { .. } => '+',
        Step::Attend { .. } => 'a',
        Step::Feed { .. } => 'f',
        Step::Gradient { .. } => 'g',
    };
    program.steps.iter().map(letter).collect()
}

/// The steps of paper figure 2, with as many blocks as the configuration says.
fn expected_order(config: &VluNetConfig) -> String {
    let level = |blocks: usize| format!("g{}", "af".repeat(blocks));
    let [one, two, three, four] = config.num_blocks.map(level);
    let stem = if config.stem == 1 { "cc" } else { "ucc" };
    let refinement = level(config.num_refinement_blocks);
    format!("{stem}{one}dd{two}dd{three}dd{four}s+cs+c{three}s+cs+c{two}s+s+{one}{refinement}o")
}

fn layers(program: &Program) -> Vec<&Layer> {
    let mut layers = Vec::new();
    for step in &program.steps {
        match step {
            Step::Unshuffle { .. } | Step::Concat { .. } => {}
            Step::Conv { layer, .. } => layers.push(layer),
            Step::Attend { attention, .. } => layers.extend([&attention.point, &attention.depthwise]),
            Step::Feed { gdfn, .. } => layers.extend([&gdfn.point, &gdfn.depthwise, &gdfn.project_out]),
            Step::Gradient { phi, phit, .. } => {
                layers.extend([&phi.point, &phi.depthwise, &phit.point, &phit.depthwise]);
            }
        }
    }
    layers
}

/// All numbers that a program holds in the place of parameters.
fn parameters(program: &Program) -> usize {
    let of_layers: usize = layers(program)
        .into_iter()
        .map(|layer| match &layer.weights {
            Weights::Float(values) => values.len(),
            Weights::Int { values, .. } => values.len(),
        })
        .sum();
    let of_attention = |attention: &Attention| {
        let key = attention.key.as_ref().map_or(0, |key| key.point.len() + key.depthwise.len());
        attention.temperature.len() + attention.project_out.len() + key
    };
    let of_step = |step: &Step| match step {
        Step::Unshuffle { .. } | Step::Concat { .. } | Step::Conv { .. } => 0,
        Step::Attend { norm, attention, .. } => norm.gain.len() + norm.bias.len() + of_attention(attention),
        Step::Feed { norm, .. } => norm.gain.len() + norm.bias.len(),
        Step::Gradient { prompt, phi, phit, .. } => {
            let of_prompt = prompt.linear.len() + prompt.bias.len() + prompt.prompts.len();
            1 + of_prompt + of_attention(phi) + of_attention(phit)
        }
    };
    of_layers + program.steps.iter().map(of_step).sum::<usize>()
}

/// Those of a network, with the first downsampling, which x and y share, for each of them.
fn expected_parameters(config: &VluNetConfig) -> usize {
    let table = config.parameters();
    let used: usize = table.iter().filter(|tensor| tensor.used).map(crate::arch::Parameter::elements).sum();
    used + 9 * config.dim * config.dim / 2
}

fn assert_whole(program: &Program, config: &VluNetConfig) {
    assert_eq!(order(program), expected_order(config));
    assert_eq!(parameters(program), expected_parameters(config));
    assert_eq!(program.values[program.image], Extent { channels: 3, shrink: 1 });
    assert_eq!(program.values[program.restored], Extent { channels: 3, shrink: 1 });
    let deepest = program.values.iter().map(|extent| extent.shrink).max();
    assert_eq!(deepest, Some(8 * config.stem));
}

#[test]
fn nano_is_recognised_in_floats() {
    let program = recognise(&nano("f32")).unwrap();
    assert_whole(&program, &VluNetConfig::nano());
    let is_float = |layer: &&Layer| matches!(layer.weights, Weights::Float(_)) && layer.output.is_none();
    assert!(layers(&program).iter().all(is_float));
}

#[test]
fn nano_is_recognised_in_integers() {
    let program = recognise(&nano("int8")).unwrap();
    assert_whole(&program, &VluNetConfig::nano());
    let layers = layers(&program);
    let float = layers.iter().filter(|layer| matches!(layer.weights, Weights::Float(_))).count();
    // The last two layers, and what the gate before them is made of.
    assert_eq!(float, 2);
    let gates = program.steps.iter().filter_map(|step| match step {
        Step::Feed { gdfn, .. } => Some(gdfn.depthwise.output.is_some()),
        _ => None,
    });
    assert_eq!(gates.collect::<Vec<_>>(), [true, true, true, true, true, true, true, false]);
    for layer in layers {
        let codes = match &layer.weights {
            Weights::Int { values, scales, bias, input } => {
                assert_eq!(values.len(), layer.outputs * layer.inputs * layer.taps);
                assert_eq!([scales.len(), bias.len()], [layer.outputs; 2]);
                [Some(*input), layer.output]
            }
            Weights::Float(_) => [None, layer.output],
        };
        assert!(codes.iter().flatten().all(|code| (code.zero, code.element) == (0, Byte::I8)));
    }
    for step in &program.steps {
        if let Step::Gradient { phi, phit, .. } = step {
            assert!(phi.key.as_ref().unwrap().output.is_some() && phit.key.is_none());
            assert!(phi.depthwise.output.is_some());
            let Weights::Int { input, .. } = &phi.depthwise.weights else { panic!("floats") };
            assert_eq!(phi.point.output, Some(*input));
        }
    }
}

#[test]
fn any_network_is_recognised_at_any_size() {
    for stem in [1, 2, 4] {
        let config = small(stem);
        let (height, width) = (2 * config.multiple(), 3 * config.multiple());
        for size in [Size::Symbolic, Size::Fixed { height, width }] {
            let program = recognise(&graph(&config, size)).unwrap_or_else(|| panic!("{stem}, {size:?}"));
            assert_whole(&program, &config);
        }
    }
    for name in ["nano", "pico"] {
        let config = VluNetConfig::preset(name).unwrap();
        assert_whole(&recognise(&graph(&config, Size::Symbolic)).unwrap(), &config);
    }
}

#[test]
fn numbers_stand_where_the_paper_has_them() {
    let config = small(2);
    let weights = weights_of(&config, 1);
    let of = |name: &str| weights.get(name).unwrap().iter().copied().collect::<Vec<f32>>();
    let program = recognise(&graph(&config, Size::Symbolic)).unwrap();
    let floats = |layer: &Layer| match &layer.weights {
        Weights::Float(values) => values.clone(),
        Weights::Int { .. } => panic!("integers"),
    };

    let gradient = program.steps.iter().find(|step| matches!(step, Step::Gradient { .. }));
    let Some(Step::Gradient { x, y, prompt, phi, phit, r, .. }) = gradient else { panic!("no gradient") };
    let name = "encoder_level1.gradient_descent";
    assert_eq!(prompt.linear, of(&format!("{name}.linear.weight")));
    assert_eq!(prompt.bias, of(&format!("{name}.linear.bias")));
    assert_eq!(prompt.prompts, of(&format!("{name}.prompt_param")));
    assert_eq!((prompt.channels, prompt.side), (1, 96));
    assert_eq!(vec![*r], of(&format!("{name}.r")));
    let key = phi.key.as_ref().unwrap();
    assert_eq!(key.point, of(&format!("{name}.phi.k.weight")));
    assert_eq!(key.depthwise, of(&format!("{name}.phi.k_dwconv.weight")));
    assert_eq!(floats(&phi.point), of(&format!("{name}.phi.qv.weight")));
    assert_eq!(floats(&phit.depthwise), of(&format!("{name}.phit.qkv_dwconv.weight")));
    assert_eq!((phi.heads, phi.epsilon), (2, 1e-12));

    let patch_embed = program.steps.iter().filter_map(|step| match step {
        Step::Conv { to, layer, .. } => Some((*to, floats(layer))),
        _ => None,
    });
    let embedded: Vec<_> = patch_embed.take(2).collect();
    assert_eq!(embedded[0], (*x, of("patch_embed.proj.weight")));
    assert_eq!(embedded[1], (*y, of("patch_embed_i.proj.weight")));

    let Some(Step::Feed { norm, gdfn, .. }) = program.steps.iter().rev().nth(1) else { panic!("no gdfn") };
    let name = "refinement.denoiser.blocks.1";
    assert_eq!(norm.gain, of(&format!("{name}.norm2.body.weight")));
    assert_eq!(norm.bias, of(&format!("{name}.norm2.body.bias")));
    assert_eq!(norm.epsilon, 1e-5);
    assert_eq!(floats(&gdfn.project_out), of(&format!("{name}.ffn.project_out.weight")));
    let Some(Step::Attend { attention, .. }) = program.steps.iter().rev().nth(2) else { panic!("no mdta") };
    assert_eq!(attention.project_out, of(&format!("{name}.attn.project_out.weight")));
    assert_eq!(attention.temperature, of(&format!("{name}.attn.temperature")));
}

/// Nodes of a graph whose place and kind stand for all others': the last of each operator with
/// these attributes and so many readers, and the first.
fn typical(edit: &Edit) -> Vec<usize> {
    let mut seen = std::collections::HashMap::<_, [usize; 2]>::new();
    for (at, node) in edit.nodes().iter().enumerate() {
        let attributes: Vec<String> =
            node.attribute.iter().map(|a| format!("{}{:?}", a.name, a.ints)).collect();
        let kind = (node.op_type.clone(), attributes, edit.consumers(&node.output[0]).count());
        seen.entry(kind).and_modify(|places| places[1] = at).or_insert([at; 2]);
    }
    let mut places: Vec<usize> = seen.into_values().flatten().collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[test]
fn a_graph_with_one_attribute_changed_is_another() {
    for edit in [graph(&small(2), Size::Symbolic), nano("int8")] {
        for at in typical(&edit) {
            for index in 0..edit.nodes()[at].attribute.len() {
                let mut nodes = edit.nodes().to_vec();
                let attribute = &mut nodes[at].attribute[index];
                // Of the norm's epsilon any is right.
                if attribute.name == "epsilon" {
                    continue;
                }
                attribute.i += 1;
                attribute.s.push(b'x');
                match attribute.ints.as_mut_slice() {
                    [] => {}
                    [only] => *only += 1,
                    [first, .., last] if first == last => *last += 1,
                    [first, .., last] => std::mem::swap(first, last),
                }
                let what = format!("{} of {:?}", attribute.name, edit.nodes()[at]);
                let mut changed = edit.clone();
                changed.set_nodes(nodes);
                assert!(recognise(&changed).is_none(), "{what}");
            }
        }
    }
}

#[test]
fn a_graph_with_inputs_exchanged_is_another() {
    for edit in [graph(&small(1), Size::Symbolic), nano("int8")] {
        for at in typical(&edit) {
            let mut nodes = edit.nodes().to_vec();
            // Behind each other either way, channels are those of a network, if of another one.
            if nodes[at].input.len() < 2 || nodes[at].op_type == "Concat" {
                continue;
            }
            nodes[at].input.swap(0, 1);
            let what = format!("{:?}", nodes[at]);
            let mut changed = edit.clone();
            changed.set_nodes(nodes);
            assert!(recognise(&changed).is_none(), "{what}");
        }
    }
}

#[test]
fn a_graph_with_more_in_it_is_another() {
    let edit = graph(&small(2), Size::Symbolic);
    let with = |node: tract_onnx::pb::NodeProto| {
        let mut changed = edit.clone();
        let mut nodes = changed.nodes().to_vec();
        nodes.push(node);
        changed.set_nodes(nodes);
        changed
    };
    assert!(recognise(&with(node("Erf", "unread", &["latent.gradient_descent"], None))).is_none());
    assert!(recognise(&with(node("Add", "restored", &["image", "output"], None))).is_none());
    let mut tapped = edit.clone();
    tapped.tap(&["latent.gradient_descent".to_owned()]);
    assert!(recognise(&tapped).is_none());
    let weights = weights_of(&small(2), 1);
    let taps = restorer_with_taps(&small(2), &weights, Size::Symbolic, &["latent"]).unwrap();
    assert!(recognise(&Edit::parse(&taps).unwrap()).is_none());
}

#[test]
fn other_networks_are_none() {
    assert!(recognise(&nano("f16")).is_none());
    let path = format!("{}/models/nano/vlm.f32.onnx", env!("CARGO_MANIFEST_DIR"));
    assert!(recognise(&Edit::parse(&std::fs::read(path).unwrap()).unwrap()).is_none());
    let config = VluNetConfig::nano();
    let onnx = restorer(&config, &weights_of(&config, 1), Size::Symbolic).unwrap();
    let parts = crate::onnx::tiles::TiledRestorer::cut(&onnx, &config).unwrap();
    for part in [parts.prompts, parts.guide, parts.tile] {
        assert!(recognise(&Edit::parse(&part).unwrap()).is_none());
    }
}

#[test]
fn constants_of_other_shapes_are_none() {
    let config = small(2);
    let (height, width) = (config.multiple(), config.multiple());
    let fixed = graph(&config, Size::Fixed { height, width });
    let symbolic = graph(&config, Size::Symbolic);
    let ints = |name: &str, values: &[i64], edit: &Edit| {
        let mut changed = edit.clone();
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        changed.set_constant(name, DataType::Int64, &[values.len()], bytes);
        assert!(recognise(&changed).is_none(), "{name} {values:?}");
    };
    ints("encoder_level1.gradient_descent.prompt.size", &[1, 1, 8, 9], &fixed);
    ints("four", &[3], &symbolic);
    ints("shape.3x1x0x0", &[3, 1, 0, -1], &symbolic);
    ints("shape.1x8x10x-1", &[1, 4, 20, -1], &symbolic);
    ints("shape.1x8x10x-1", &[1, i64::MAX, i64::MAX, -1], &symbolic);
    ints("shape.1x8x10x-1", &[], &symbolic);
    let floats = |name: &str, shape: &[usize]| {
        let mut changed = symbolic.clone();
        changed.set_floats(name, &ArrayD::zeros(IxDyn(shape)));
        assert!(recognise(&changed).is_none(), "{name} {shape:?}");
    };
    floats("half", &[]);
    floats("norm_epsilon", &[]);
    floats("latent.gradient_descent.r", &[2]);
    floats("latent.gradient_descent.phi.temperature", &[1, 1, 1]);
    floats("latent.denoiser.blocks.0.norm1.body.weight", &[0]);
    floats("latent.denoiser.blocks.0.norm1.body.weight", &[79]);
    floats("latent.denoiser.blocks.0.attn.qkv.weight", &[240, 79, 1, 1]);
    floats("latent.denoiser.blocks.0.attn.qkv.weight", &[0, 80, 1, 1]);
    floats("latent.denoiser.blocks.0.ffn.dwconv.weight", &[272, 2, 3, 3]);
    floats("output.weight", &[27, 20, 3, 3]);
}

#[test]
fn a_file_whose_layers_share_their_numbers_can_not_ask_for_many_times_its_size() {
    let config = VluNetConfig { num_blocks: [1, 1, 1, 40], ..small(1) };
    let mut edit = graph(&config, Size::Symbolic);
    assert!(recognise(&edit).is_some());
    let mut nodes = edit.nodes().to_vec();
    for node in &mut nodes {
        for input in &mut node.input {
            let Some((_, end)) = input.split_once("latent.denoiser.blocks.") else { continue };
            let Some((_, end)) = end.split_once('.') else { continue };
            if input.ends_with(".weight") {
                *input = format!("latent.denoiser.blocks.0.{end}");
            }
        }
    }
    edit.set_nodes(nodes);
    edit.drop_unused_constants();
    assert!(recognise(&edit).is_none());
}
