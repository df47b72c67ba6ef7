//! Image towers as their files hold them, and files that are not quite image towers.

use super::super::super::program::{Layer, Weights};
use super::super::super::tower::{RowStep, Tower};
use super::recognise_tower;
use crate::arch::{ClipConfig, ConvTowerConfig, VisionConfig};
use crate::onnx::edit::{Edit, node};
use crate::onnx::{image_tower, text_tower};
use crate::weights;
use ndarray::{ArrayD, IxDyn};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tract_onnx::pb::tensor_proto::DataType;

/// A small head, of several blocks.
fn small() -> ClipConfig {
    let vision = VisionConfig::Conv(ConvTowerConfig {
        channels: [3, 4, 5, 6],
        depths: [1, 2, 1, 3],
        kernel: 3,
        expansion: 2,
    });
    ClipConfig { image_size: 48, patch_size: 3, vision, vocabulary: 10, ..ClipConfig::small() }
}

fn weights_of(config: &ClipConfig) -> weights::Weights {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut tensor =
        |shape: &[usize]| ArrayD::from_shape_fn(IxDyn(shape), |_| random.random_range(-1.0..1.0f32));
    let parameters = config.parameters().into_iter();
    parameters.map(|parameter| (parameter.name.clone(), tensor(&parameter.shape))).collect()
}

fn graph(config: &ClipConfig) -> Edit {
    Edit::parse(&image_tower(config, &weights_of(config)).unwrap()).unwrap()
}

fn nano(file: &str) -> Edit {
    let path = format!("{}/models/nano/{file}.onnx", env!("CARGO_MANIFEST_DIR"));
    Edit::parse(&std::fs::read(path).unwrap()).unwrap()
}

/// One letter for each step behind the statistics.
fn order(tower: &Tower) -> String {
    let letter = |step: &RowStep| match step {
        RowStep::Norm(_) => 'n',
        RowStep::Linear { .. } => 'l',
        RowStep::Gelu => 'g',
    };
    tower.steps.iter().map(letter).collect()
}

/// How many numbers a layer has, and whether they are integers.
fn size(layer: &Layer) -> (usize, bool) {
    match &layer.weights {
        Weights::Float(values) => (values.len(), false),
        Weights::Int { values, .. } => (values.len(), true),
    }
}

#[test]
fn towers_are_recognised() {
    let shipped = ClipConfig::small();
    let towers = [
        (graph(&small()), small(), false),
        (graph(&shipped), shipped.clone(), false),
        (nano("vlm.f32"), shipped.clone(), false),
        (nano("vlm.int8"), shipped, true),
    ];
    for (edit, config, is_int) in towers {
        let tower = recognise_tower(&edit).unwrap();
        let VisionConfig::Conv(vision) = config.vision else { panic!("no conv tower") };
        assert_eq!([tower.height, tower.width], [config.image_size; 2]);
        assert_eq!((tower.image.as_str(), tower.feature.as_str()), ("image", "degradation"));
        assert_eq!(order(&tower), "nllnglngln");
        assert_eq!(tower.stages.len(), 4);
        let mut before = 3;
        for (index, stage) in tower.stages.iter().enumerate() {
            let (channels, patches) = (vision.channels[index], &stage.patches);
            let side = if index == 0 { config.patch_size } else { 2 };
            assert_eq!((patches.side, patches.layer.outputs), (side, channels));
            assert_eq!(size(&patches.layer), (channels * before * side * side, is_int));
            assert_eq!(patches.bias.len(), if index == 0 && !is_int { channels } else { 0 });
            assert_eq!((stage.norm.is_some(), stage.epsilon), (index > 0, 1e-4));
            assert_eq!(stage.blocks.len(), vision.depths[index]);
            for block in &stage.blocks {
                assert_eq!(size(&block.depthwise), (9 * channels, is_int));
                assert_eq!([&block.expand, &block.project].map(size), [(2 * channels * channels, is_int); 2]);
                assert_eq!(block.expand.output.is_some(), is_int);
            }
            before = channels;
        }
    }
}

#[test]
fn numbers_stand_where_the_configuration_has_them() {
    let weights = weights_of(&small());
    let of = |name: &str| weights.get(name).unwrap().iter().copied().collect::<Vec<f32>>();
    let tower = recognise_tower(&graph(&small())).unwrap();
    let floats = |weights: &Weights| match weights {
        Weights::Float(values) => values.clone(),
        Weights::Int { .. } => panic!("integers"),
    };
    let stage = &tower.stages[3];
    let name = "clip_model.visual.stages.3";
    assert_eq!(stage.norm.as_ref().unwrap().gain, of(&format!("{name}.down.norm.weight")));
    assert_eq!(floats(&stage.patches.layer.weights), of(&format!("{name}.down.conv.weight")));
    assert_eq!(tower.stages[0].patches.bias, of("clip_model.visual.conv1.bias"));
    let block = &stage.blocks[1];
    assert_eq!(floats(&block.depthwise.weights), of(&format!("{name}.blocks.1.depthwise.weight")));
    assert_eq!(block.norm.bias, of(&format!("{name}.blocks.1.norm.bias")));
    assert_eq!(floats(&block.expand.weights), of(&format!("{name}.blocks.1.fc1.weight")));
    assert_eq!(floats(&block.project.weights), of(&format!("{name}.blocks.1.fc2.weight")));
    let RowStep::Linear { bias, .. } = &tower.steps[2] else { panic!("no layer") };
    assert_eq!(*bias, of("image_adapter.0.bias"));
}

#[test]
fn a_tower_with_one_attribute_changed_is_another() {
    for edit in [graph(&small()), nano("vlm.int8")] {
        for at in 0..edit.nodes().len() {
            for index in 0..edit.nodes()[at].attribute.len() {
                let mut nodes = edit.nodes().to_vec();
                let attribute = &mut nodes[at].attribute[index];
                // Of the norm's epsilon any is right.
                if attribute.name == "epsilon" {
                    continue;
                }
                attribute.i += 1;
                match attribute.ints.as_mut_slice() {
                    [] => {}
                    [only] => *only += 1,
                    [first, .., last] if first == last => *last += 1,
                    [first, .., last] => std::mem::swap(first, last),
                }
                let what = format!("{} of {:?}", attribute.name, edit.nodes()[at]);
                let mut changed = edit.clone();
                changed.set_nodes(nodes);
                assert!(recognise_tower(&changed).is_none(), "{what}");
            }
        }
    }
}

#[test]
fn a_tower_with_one_edge_changed_is_another() {
    for edit in [graph(&small()), nano("vlm.int8")] {
        for at in 0..edit.nodes().len() {
            let inputs = &edit.nodes()[at].input;
            let mut others: Vec<Vec<String>> = Vec::new();
            if inputs.first() != inputs.get(1) && inputs.len() > 1 {
                let mut swapped = inputs.clone();
                swapped.swap(0, 1);
                others.push(swapped);
            }
            // What the node before takes, in the place of what it gives.
            for (index, input) in inputs.iter().enumerate() {
                let before = edit.nodes().iter().find(|node| node.output.contains(input));
                if let Some(further) = before.and_then(|node| node.input.first()) {
                    let mut skipped = inputs.clone();
                    skipped[index].clone_from(further);
                    others.push(skipped);
                }
            }
            for other in others {
                let mut nodes = edit.nodes().to_vec();
                nodes[at].input = other;
                let what = format!("{:?}", nodes[at]);
                let mut changed = edit.clone();
                changed.set_nodes(nodes);
                assert!(recognise_tower(&changed).is_none(), "{what}");
            }
        }
    }
}

#[test]
fn a_tower_with_more_in_it_is_another() {
    let edit = graph(&small());
    let last = edit.nodes().last().unwrap().output[0].clone();
    for more in [node("Erf", "unread", &["visual.conv1"], None), node("Add", "more", &[&last, &last], None)] {
        let mut changed = edit.clone();
        let mut nodes = changed.nodes().to_vec();
        nodes.push(more);
        changed.set_nodes(nodes);
        assert!(recognise_tower(&changed).is_none());
    }
    let mut tapped = edit.clone();
    tapped.tap(&["visual.conv1".to_owned()]);
    assert!(recognise_tower(&tapped).is_none());
}

#[test]
fn constants_of_other_shapes_are_none() {
    let edit = graph(&small());
    let floats = |name: &str, shape: &[usize]| {
        assert!(edit.is_constant(name), "{name}");
        let mut changed = edit.clone();
        changed.set_floats(name, &ArrayD::zeros(IxDyn(shape)));
        assert!(recognise_tower(&changed).is_none(), "{name} {shape:?}");
    };
    floats("half", &[]);
    floats("spread_epsilon", &[]);
    floats("clip_model.visual.conv1.bias", &[4]);
    floats("clip_model.visual.conv1.weight", &[3, 3, 3, 2]);
    floats("clip_model.visual.conv1.weight", &[0, 3, 3, 3]);
    floats("clip_model.visual.stages.1.down.norm.weight", &[4]);
    floats("clip_model.visual.stages.1.down.conv.weight", &[4, 3, 3, 3]);
    floats("clip_model.visual.stages.1.blocks.0.depthwise.weight", &[4, 1, 5, 5]);
    floats("clip_model.visual.stages.1.blocks.0.norm.bias", &[5]);
    floats("clip_model.visual.stages.1.blocks.0.fc1.weight.t", &[3, 8]);
    floats("clip_model.visual.stages.1.blocks.0.fc2.weight.t", &[8, 5]);
    floats("clip_model.visual.ln_post.weight", &[35]);
    floats("clip_model.visual.proj", &[36, 511]);
    floats("image_adapter.0.bias", &[1]);
    let mut changed = edit.clone();
    let bytes = [1i64, 1, 37].iter().flat_map(|extent| extent.to_le_bytes()).collect();
    changed.set_constant("shape.1x1x36", DataType::Int64, &[3], bytes);
    assert!(edit.is_constant("shape.1x1x36") && recognise_tower(&changed).is_none());
}

#[test]
fn other_networks_are_none() {
    let wide =
        VisionConfig::Conv(ConvTowerConfig { channels: [2; 4], depths: [1; 4], kernel: 5, expansion: 1 });
    assert!(recognise_tower(&graph(&ClipConfig { vision: wide, ..small() })).is_none());
    assert!(
        recognise_tower(&Edit::parse(&text_tower(&small(), &weights_of(&small())).unwrap()).unwrap())
            .is_none()
    );
    for file in ["vlm.f16", "restorer.f32", "restorer.int8"] {
        assert!(recognise_tower(&nano(file)).is_none(), "{file}");
    }
}
