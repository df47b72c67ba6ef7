//! Quantized layers as ONNX, run, against the arithmetic that the format defines.

use crate::backend::{Input, Model, Options};
use crate::onnx::edit::{Edit, node};
use ndarray::{Array4, ArrayD, IxDyn};
use prost::Message;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;

/// A convolution with all that the format lets vary.
#[derive(Clone, Debug)]
struct Conv {
    inputs: usize,
    outputs: usize,
    group: usize,
    kernel: [usize; 2],
    stride: usize,
    pads: [usize; 4],
    dilation: usize,
    bias: bool,
    /// Whether activations are int8 or uint8, and their zero points.
    signed: [bool; 2],
    zeros: [i32; 2],
    weight_zero: i8,
    /// Whether the output is rounded.
    rounded: bool,
}

/// The numbers of a [`Conv`].
struct Numbers {
    weights: Vec<i8>,
    weight_scales: Vec<f32>,
    biases: Vec<i32>,
    scales: [f32; 2],
}

fn numbers(conv: &Conv, random: &mut ChaCha8Rng) -> Numbers {
    let count = conv.outputs * (conv.inputs / conv.group) * conv.kernel[0] * conv.kernel[1];
    let scale = random.random_range(0.5..2.0) / 128.0;
    Numbers {
        weights: (0..count).map(|_| random.random_range(-127..=127)).collect(),
        weight_scales: (0..conv.outputs).map(|_| 10f32.powf(random.random_range(-4.0..-2.0))).collect(),
        biases: (0..conv.outputs).map(|_| random.random_range(-2000..=2000)).collect(),
        // Coarse enough to be told, fine enough to saturate now and then.
        scales: [scale, random.random_range(0.2..2.0) / 128.0],
    }
}

fn ints(name: &str, ints: &[usize]) -> pb::AttributeProto {
    let ints = ints.iter().map(|&int| int as i64).collect();
    pb::AttributeProto { name: name.into(), ints, r#type: AttributeType::Ints as i32, ..Default::default() }
}

/// A model of input `x` and output `y`, both of floats, without nodes.
fn empty() -> Edit {
    let info = |name: &str| {
        let tensor = pb::type_proto::Tensor { elem_type: DataType::Float as i32, shape: None };
        let value = Some(pb::type_proto::Value::TensorType(tensor));
        let kind = pb::TypeProto { value, ..Default::default() };
        pb::ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
    };
    let graph = pb::GraphProto {
        name: "test".into(),
        input: vec![info("x")],
        output: vec![info("y")],
        ..Default::default()
    };
    let opset_import = vec![pb::OperatorSetIdProto { version: 17, ..Default::default() }];
    let model = pb::ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..Default::default() };
    Edit::parse(&model.encode_to_vec()).unwrap()
}

fn scalar(value: f32) -> ArrayD<f32> {
    ndarray::arr0(value).into_dyn()
}

fn vector(values: &[f32]) -> ArrayD<f32> {
    ArrayD::from_shape_vec(IxDyn(&[values.len()]), values.to_vec()).unwrap()
}

/// A model of one convolution on `[1, inputs, height, width]`.
fn model(conv: &Conv, numbers: &Numbers) -> Vec<u8> {
    let mut edit = empty();
    let zero = |edit: &mut Edit, name: &str, at: usize| {
        let element = if conv.signed[at] { DataType::Int8 } else { DataType::Uint8 };
        edit.set_constant(name, element, &[], vec![conv.zeros[at].to_le_bytes()[0]]);
    };
    edit.set_floats("xs", &scalar(numbers.scales[0]));
    edit.set_floats("ys", &scalar(numbers.scales[1]));
    zero(&mut edit, "xz", 0);
    zero(&mut edit, "yz", 1);
    let shape = [conv.outputs, conv.inputs / conv.group, conv.kernel[0], conv.kernel[1]];
    let bytes = numbers.weights.iter().map(|weight| weight.to_le_bytes()[0]).collect();
    edit.set_constant("wq", DataType::Int8, &shape, bytes);
    edit.set_floats("ws", &vector(&numbers.weight_scales));
    let zeros = vec![conv.weight_zero.to_le_bytes()[0]; conv.outputs];
    edit.set_constant("wz", DataType::Int8, &[conv.outputs], zeros);
    let biases = numbers.biases.iter().flat_map(|bias| bias.to_le_bytes()).collect();
    edit.set_constant("bq", DataType::Int32, &[conv.outputs], biases);
    let steps: Vec<f32> = numbers.weight_scales.iter().map(|scale| scale * numbers.scales[0]).collect();
    edit.set_floats("bs", &vector(&steps));

    let mut nodes = vec![
        node("QuantizeLinear", "xq", &["x", "xs", "xz"], None),
        node("DequantizeLinear", "xd", &["xq", "xs", "xz"], None),
        node("DequantizeLinear", "wd", &["wq", "ws", "wz"], Some(0)),
    ];
    let mut inputs = vec!["xd", "wd"];
    if conv.bias {
        nodes.push(node("DequantizeLinear", "bd", &["bq", "bs"], Some(0)));
        inputs.push("bd");
    }
    let mut layer = node("Conv", if conv.rounded { "c" } else { "y" }, &inputs, None);
    layer.name = "layer".into();
    let group = pb::AttributeProto {
        name: "group".into(),
        i: conv.group as i64,
        r#type: AttributeType::Int as i32,
        ..Default::default()
    };
    layer.attribute = vec![
        ints("kernel_shape", &conv.kernel),
        ints("strides", &[conv.stride; 2]),
        ints("pads", &conv.pads),
        ints("dilations", &[conv.dilation; 2]),
        group,
    ];
    nodes.push(layer);
    if conv.rounded {
        nodes.push(node("QuantizeLinear", "yq", &["c", "ys", "yz"], None));
        nodes.push(node("DequantizeLinear", "y", &["yq", "ys", "yz"], None));
    }
    edit.set_nodes(nodes);
    edit.into_bytes()
}

fn coded(value: f32, scale: f32, zero: i32, signed: bool) -> i32 {
    let (least, most) = if signed { (-128, 127) } else { (0, 255) };
    ((value * scale.recip()).round_ties_even() as i32 + zero).clamp(least, most)
}

/// The convolution by its definition: sums of integers, then one rounding.
fn expected(conv: &Conv, numbers: &Numbers, picture: &Array4<f32>) -> Array4<f32> {
    let (_, _, height, width) = picture.dim();
    let extent = |whole: usize, pads: usize, kernel: usize| {
        (whole + pads - (conv.dilation * (kernel - 1) + 1)) / conv.stride + 1
    };
    let out_height = extent(height, conv.pads[0] + conv.pads[2], conv.kernel[0]);
    let out_width = extent(width, conv.pads[1] + conv.pads[3], conv.kernel[1]);
    let per_group = (conv.inputs / conv.group, conv.outputs / conv.group);
    let value = |channel: usize, y: isize, x: isize| -> i64 {
        let (Ok(y), Ok(x)) = (usize::try_from(y), usize::try_from(x)) else { return 0 };
        let Some(&value) = picture.get((0, channel, y, x)) else { return 0 };
        i64::from(coded(value, numbers.scales[0], conv.zeros[0], conv.signed[0]) - conv.zeros[0])
    };
    Array4::from_shape_fn((1, conv.outputs, out_height, out_width), |(_, output, y, x)| {
        let mut sum = if conv.bias { i64::from(numbers.biases[output]) } else { 0 };
        for input in 0..per_group.0 {
            for ky in 0..conv.kernel[0] {
                for kx in 0..conv.kernel[1] {
                    let at = ((output * per_group.0 + input) * conv.kernel[0] + ky) * conv.kernel[1] + kx;
                    let weight = i64::from(numbers.weights[at]) - i64::from(conv.weight_zero);
                    let channel = output / per_group.1 * per_group.0 + input;
                    let row = (y * conv.stride + ky * conv.dilation) as isize - conv.pads[0] as isize;
                    let column = (x * conv.stride + kx * conv.dilation) as isize - conv.pads[1] as isize;
                    sum += weight * value(channel, row, column);
                }
            }
        }
        let step = numbers.weight_scales[output] * numbers.scales[0];
        if !conv.rounded {
            return sum as f32 * step;
        }
        let scale = numbers.scales[1];
        let rounded = (sum as f32 * (step / scale)).round_ties_even() as i32 + conv.zeros[1];
        let (least, most) = if conv.signed[1] { (-128, 127) } else { (0, 255) };
        (rounded.clamp(least, most) - conv.zeros[1]) as f32 * scale
    })
}

/// A convolution of any kind that is lowered.
fn lowerable(random: &mut ChaCha8Rng) -> Conv {
    let channels = random.random_range(1..20);
    let plain = Conv {
        inputs: random.random_range(1..20),
        outputs: random.random_range(1..20),
        group: 1,
        kernel: [1, 1],
        stride: 1,
        pads: [0; 4],
        dilation: 1,
        bias: random.random_bool(0.5),
        signed: [random.random_bool(0.5), random.random_bool(0.5)],
        zeros: [0; 2],
        weight_zero: 0,
        rounded: random.random_bool(0.6),
    };
    let zero = |random: &mut ChaCha8Rng, signed: bool| {
        if signed { random.random_range(-128..=127) } else { random.random_range(0..=255) }
    };
    let zeros = [zero(random, plain.signed[0]), zero(random, plain.signed[1])];
    let plain = Conv { zeros, ..plain };
    match random.random_range(0..5) {
        0 => plain,
        1 => Conv { kernel: [3, 3], pads: [1; 4], ..plain },
        2 => Conv { kernel: [2, 3], pads: [0, 1, 1, 2], stride: random.random_range(1..4), ..plain },
        3 => Conv { kernel: [4, 4], stride: 4, ..plain },
        _ => {
            let depthwise = Conv { inputs: channels, outputs: channels, group: channels, ..plain };
            Conv { kernel: [3, 3], pads: [1; 4], ..depthwise }
        }
    }
}

fn run(conv: &Conv, seed: u64, threads: usize) -> (Vec<String>, Array4<f32>, Array4<f32>, f32) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let numbers = numbers(conv, &mut random);
    let (height, width) = (random.random_range(4..40), random.random_range(4..150));
    let picture = Array4::from_shape_fn((1, conv.inputs, height, width), |_| random.random_range(-1.5..1.5));
    let model =
        Model::open(&model(conv, &numbers), "test", &Options { threads, ..Options::default() }).unwrap();
    let mut session = model.session(&[("x", picture.shape())]).unwrap();
    let outputs = session.run(&[("x", Input::F32(picture.view().into_dyn()))]).unwrap();
    let found = outputs.get("y").unwrap().into_dimensionality().unwrap().to_owned();
    (model.integer_layers().to_vec(), found, expected(conv, &numbers, &picture), numbers.scales[1])
}

#[test]
fn lowered_convolutions_give_what_the_format_defines() {
    for seed in 0..120 {
        let conv = lowerable(&mut ChaCha8Rng::seed_from_u64(seed));
        let (layers, found, expected, _) = run(&conv, seed, 1 + seed as usize % 3);
        assert_eq!(layers, ["layer"], "{conv:?}");
        assert_eq!(found.dim(), expected.dim(), "{conv:?}");
        let error = (&found - &expected).mapv(f32::abs).into_iter().fold(0.0, f32::max);
        let largest = expected.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        assert!(error <= 1e-6 * largest, "seed {seed}: {error} of {largest}, {conv:?}");
    }
}

#[test]
fn what_has_no_integer_kernel_runs_all_the_same() {
    let plain = Conv {
        inputs: 6,
        outputs: 4,
        group: 1,
        kernel: [3, 3],
        stride: 1,
        pads: [1; 4],
        dilation: 1,
        bias: true,
        signed: [true, true],
        zeros: [0; 2],
        weight_zero: 0,
        rounded: true,
    };
    let unusual = [
        Conv { weight_zero: 3, ..plain.clone() },
        Conv { group: 2, ..plain.clone() },
        Conv { dilation: 2, ..plain },
    ];
    for (seed, conv) in unusual.into_iter().enumerate() {
        let (layers, found, expected, step) = run(&conv, seed as u64, 1);
        assert!(layers.is_empty(), "{conv:?}");
        // In float: a sum next to the middle between two steps may go to either.
        let error = (&found - &expected).mapv(f32::abs).into_iter().fold(0.0, f32::max);
        assert!(error <= 1.001 * step, "{error} of {step}, {conv:?}");
    }
}

#[test]
fn lowered_products_give_what_the_format_defines() {
    for seed in 0..40 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (tokens, inputs, outputs) =
            (random.random_range(1..150), random.random_range(1..40), random.random_range(1..40));
        let weights: Vec<i8> = (0..inputs * outputs).map(|_| random.random()).collect();
        let scales: Vec<f32> = (0..outputs).map(|_| 10f32.powf(random.random_range(-4.0..-2.0))).collect();
        let (scale, zero) = (random.random_range(0.5..2.0) / 128.0, random.random_range(-128..=127));
        let mut edit = empty();
        edit.set_floats("xs", &scalar(scale));
        edit.set_constant("xz", DataType::Int8, &[], vec![i32::to_le_bytes(zero)[0]]);
        let bytes = weights.iter().map(|weight| weight.to_le_bytes()[0]).collect();
        edit.set_constant("wq", DataType::Int8, &[inputs, outputs], bytes);
        edit.set_floats("ws", &vector(&scales));
        let mut layer = node("MatMul", "y", &["xd", "wd"], None);
        layer.name = "layer".into();
        edit.set_nodes(vec![
            node("QuantizeLinear", "xq", &["x", "xs", "xz"], None),
            node("DequantizeLinear", "xd", &["xq", "xs", "xz"], None),
            node("DequantizeLinear", "wd", &["wq", "ws"], Some(1)),
            layer,
        ]);
        let rows = ndarray::Array3::from_shape_fn((1, tokens, inputs), |_| random.random_range(-1.5..1.5f32));
        let model =
            Model::open(&edit.into_bytes(), "test", &Options { threads: 2, ..Options::default() }).unwrap();
        assert_eq!(model.integer_layers(), ["layer"]);
        let mut session = model.session(&[("x", rows.shape())]).unwrap();
        let found = session.run(&[("x", Input::F32(rows.view().into_dyn()))]).unwrap();
        let found = found.get("y").unwrap();
        for token in 0..tokens {
            for output in 0..outputs {
                let term = |input: usize| {
                    let value = coded(rows[[0, token, input]], scale, zero, true) - zero;
                    i64::from(value) * i64::from(weights[input * outputs + output])
                };
                let expected = (0..inputs).map(term).sum::<i64>() as f32 * (scales[output] * scale);
                let found = found[[0, token, output].as_slice()];
                assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{found}, not {expected}");
            }
        }
    }
}

#[test]
fn attentions_give_the_cosines_of_their_rows() {
    for seed in 0..20 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (heads, rows) = (random.random_range(1..4usize), random.random_range(1..9usize));
        let channels = heads * rows;
        let (height, width) = (random.random_range(3..40), random.random_range(3..60));
        let scale = random.random_range(0.5..2.0) / 128.0;
        let zero = random.random_range(-128..=127);
        let mut edit = empty();
        edit.set_floats("xs", &scalar(scale));
        edit.set_constant("xz", DataType::Int8, &[], vec![i32::to_le_bytes(zero)[0]]);
        edit.set_floats("epsilon", &scalar(1e-12));
        let shape =
            [1, heads as i64, rows as i64, -1].iter().flat_map(|extent| extent.to_le_bytes()).collect();
        edit.set_constant("shape", DataType::Int64, &[4], shape);
        let mut split = node("Split", "q", &["xd"], Some(1));
        split.output = vec!["q".into(), "k".into(), "v".into()];
        let mut nodes = vec![
            node("QuantizeLinear", "xq", &["x", "xs", "xz"], None),
            node("DequantizeLinear", "xd", &["xq", "xs", "xz"], None),
            split,
        ];
        for side in ["q", "k"] {
            let [picture_rows, norm, most, unit] =
                ["rows", "norm", "max", "unit"].map(|end| format!("{side}.{end}"));
            nodes.push(node("Reshape", &picture_rows, &[side, "shape"], None));
            let mut reduce = node("ReduceL2", &norm, &[&picture_rows], None);
            let mut axes = ints("axes", &[0]);
            axes.ints = vec![-1];
            reduce.attribute = vec![axes];
            nodes.push(reduce);
            nodes.push(node("Max", &most, &[&norm, "epsilon"], None));
            nodes.push(node("Div", &unit, &[&picture_rows, &most], None));
        }
        let mut turn = node("Transpose", "kt", &["k.unit"], None);
        turn.attribute = vec![ints("perm", &[0, 1, 3, 2])];
        let mut product = node("MatMul", "y", &["q.unit", "kt"], None);
        product.name = "gram".into();
        nodes.extend([turn, product]);
        edit.set_nodes(nodes);

        let picture = Array4::from_shape_fn((1, 3 * channels, height, width), |(_, channel, ..)| {
            // A silent row has no direction: its products are zero.
            if channel == 0 { 0.0 } else { random.random_range(-1.0..1.5f32) }
        });
        let model =
            Model::open(&edit.into_bytes(), "test", &Options { threads: 2, ..Options::default() }).unwrap();
        assert_eq!(model.integer_layers(), ["gram"]);
        let mut session = model.session(&[("x", picture.shape())]).unwrap();
        let outputs = session.run(&[("x", Input::F32(picture.view().into_dyn()))]).unwrap();
        let found = outputs.get("y").unwrap();
        let row = |channel: usize| -> Vec<f64> {
            let plane = picture.slice(ndarray::s![0, channel, .., ..]);
            plane.iter().map(|&value| f64::from(coded(value, scale, zero, true) - zero)).collect()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for head in 0..heads {
            for i in 0..rows {
                for j in 0..rows {
                    let (q, k) = (row(head * rows + i), row(channels + head * rows + j));
                    let lengths = dot(&q, &q).sqrt().max(1e-9) * dot(&k, &k).sqrt().max(1e-9);
                    let expected = dot(&q, &k) / lengths;
                    let found = f64::from(found[[0, head, i, j].as_slice()]);
                    assert!((found - expected).abs() < 1e-6, "seed {seed}: {found}, not {expected}");
                }
            }
        }
    }
}

/// What a model makes of a picture.
fn picture_through(edit: Edit, picture: &Array4<f32>) -> ArrayD<f32> {
    let model =
        Model::open(&edit.into_bytes(), "test", &Options { threads: 2, ..Options::default() }).unwrap();
    let mut session = model.session(&[("x", picture.shape())]).unwrap();
    let outputs = session.run(&[("x", Input::F32(picture.view().into_dyn()))]).unwrap();
    outputs.get("y").unwrap().to_owned()
}

/// At most one step apart, and that hardly ever.
fn assert_steps(found: &ArrayD<f32>, expected: &ArrayD<f32>, step: f32) {
    assert_eq!(found.shape(), expected.shape());
    let apart = |(a, b): (&f32, &f32)| ((a - b) / step).abs();
    let most = found.iter().zip(expected).map(apart).fold(0.0, f32::max);
    let others = found.iter().zip(expected).map(apart).filter(|steps| *steps > 0.01).count();
    assert!(most < 1.01 && others * 500 <= found.len(), "{most} steps, {others} of {}", found.len());
}

#[test]
fn a_gate_between_bytes_is_the_product_with_gelu() {
    for seed in 0..10 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (half, height, width) = (random.random_range(1..6usize), 9, random.random_range(3..80));
        let (scale, step) = (4.0 / 128.0, 1.5 / 128.0);
        let (zero, rounded) = (random.random_range(-20..=20), random.random_bool(0.7));
        let mut edit = empty();
        let constants =
            [("xs", scale), ("ys", step), ("sqrt2", std::f32::consts::SQRT_2), ("one", 1.0), ("half", 0.5)];
        constants.iter().for_each(|(name, value)| edit.set_floats(name, &scalar(*value)));
        edit.set_constant("xz", DataType::Int8, &[], vec![i32::to_le_bytes(zero)[0]]);
        edit.set_constant("yz", DataType::Int8, &[], vec![0]);
        let mut split = node("Split", "a", &["xd"], Some(1));
        split.output = vec!["a".into(), "b".into()];
        let mut nodes = vec![
            node("QuantizeLinear", "xq", &["x", "xs", "xz"], None),
            node("DequantizeLinear", "xd", &["xq", "xs", "xz"], None),
            split,
            node("Div", "div", &["a", "sqrt2"], None),
            node("Erf", "erf", &["div"], None),
            node("Add", "add", &["erf", "one"], None),
            node("Mul", "mul", &["a", "add"], None),
            node("Mul", "gelu", &["mul", "half"], None),
            node("Mul", if rounded { "gated" } else { "y" }, &["gelu", "b"], None),
        ];
        if rounded {
            nodes.push(node("QuantizeLinear", "yq", &["gated", "ys", "yz"], None));
            nodes.push(node("DequantizeLinear", "y", &["yq", "ys", "yz"], None));
        }
        edit.set_nodes(nodes);
        let picture =
            Array4::from_shape_fn((1, 2 * half, height, width), |_| random.random_range(-3.0..3.0f32));
        let found = picture_through(edit, &picture);
        let value = |channel: usize, y: usize, x: usize| {
            f64::from(coded(picture[[0, channel, y, x]], scale, zero, true) - zero) * f64::from(scale)
        };
        let expected = ArrayD::from_shape_fn(IxDyn(&[1, half, height, width]), |at| {
            let (a, b) = (value(at[1], at[2], at[3]), value(half + at[1], at[2], at[3]));
            let gated = (0.5 * a * (1.0 + libm::erf(a / std::f64::consts::SQRT_2)) * b) as f32;
            if rounded { coded(gated, step, 0, true) as f32 * step } else { gated }
        });
        if rounded {
            assert_steps(&found, &expected, step);
        } else {
            let error = (&found - &expected).iter().fold(0.0f32, |most, x| most.max(x.abs()));
            assert!(error < 1e-5, "{error}");
        }
    }
}

#[test]
fn a_norm_before_bytes_is_that_over_the_channels() {
    for seed in 0..10 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (channels, height, width) = (random.random_range(2..20usize), 7, random.random_range(3..200));
        let step = 4.0 / 128.0;
        let mut edit = empty();
        let mut row = || -> Vec<f32> { (0..channels).map(|_| random.random_range(-1.0..1.5)).collect() };
        let (gain, bias) = (row(), row());
        edit.set_floats("gain", &vector(&gain));
        edit.set_floats("bias", &vector(&bias));
        edit.set_floats("ys", &scalar(step));
        edit.set_constant("yz", DataType::Int8, &[], vec![0]);
        let turned = |from: &str, to: &str, axes: &[usize]| {
            let mut turn = node("Transpose", to, &[from], None);
            turn.attribute = vec![ints("perm", axes)];
            turn
        };
        let mut norm = node("LayerNormalization", "normed", &["last", "gain", "bias"], Some(-1));
        norm.attribute.push(pb::AttributeProto {
            name: "epsilon".into(),
            f: 1e-5,
            r#type: AttributeType::Float as i32,
            ..Default::default()
        });
        edit.set_nodes(vec![
            turned("x", "last", &[0, 2, 3, 1]),
            norm,
            turned("normed", "first", &[0, 3, 1, 2]),
            node("QuantizeLinear", "yq", &["first", "ys", "yz"], None),
            node("DequantizeLinear", "y", &["yq", "ys", "yz"], None),
        ]);
        let picture =
            Array4::from_shape_fn((1, channels, height, width), |_| random.random_range(-2.0..3.0f32));
        let found = picture_through(edit, &picture);
        let expected = ArrayD::from_shape_fn(IxDyn(&[1, channels, height, width]), |at| {
            let pixel = picture.slice(ndarray::s![0, .., at[2], at[3]]).mapv(f64::from);
            let mean = pixel.mean().unwrap();
            let variance = pixel.mapv(|x| (x - mean).powi(2)).mean().unwrap();
            let unit = (pixel[at[1]] - mean) / (variance + 1e-5).sqrt();
            let normed = unit * f64::from(gain[at[1]]) + f64::from(bias[at[1]]);
            coded(normed as f32, step, 0, true) as f32 * step
        });
        assert_steps(&found, &expected, step);
    }
}

#[test]
fn the_attention_map_times_v_is_their_product() {
    for seed in 0..10 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (heads, rows) = (random.random_range(1..4usize), random.random_range(1..8usize));
        let (channels, height, width) = (heads * rows, 8, random.random_range(3..90));
        let (scale, step, zero) = (3.0 / 128.0, 2.0 / 128.0, random.random_range(-9..=9));
        let mut edit = empty();
        edit.set_floats("xs", &scalar(scale));
        edit.set_floats("ys", &scalar(step));
        edit.set_constant("xz", DataType::Int8, &[], vec![i32::to_le_bytes(zero)[0]]);
        edit.set_constant("yz", DataType::Int8, &[], vec![0]);
        let shape =
            [1, heads as i64, rows as i64, -1].iter().flat_map(|extent| extent.to_le_bytes()).collect();
        edit.set_constant("shape", DataType::Int64, &[4], shape);
        let logits =
            ArrayD::from_shape_fn(IxDyn(&[1, heads, rows, rows]), |_| random.random_range(-2.0..2.0f32));
        edit.set_floats("logits", &logits);
        let mut split = node("Split", "k", &["xd"], Some(1));
        split.output = vec!["k".into(), "v".into()];
        edit.set_nodes(vec![
            node("QuantizeLinear", "xq", &["x", "xs", "xz"], None),
            node("DequantizeLinear", "xd", &["xq", "xs", "xz"], None),
            split,
            node("Softmax", "map", &["logits"], Some(-1)),
            node("Reshape", "rows", &["v", "shape"], None),
            node("MatMul", "mixed", &["map", "rows"], None),
            node("Shape", "sides", &["v"], None),
            node("Reshape", "picture", &["mixed", "sides"], None),
            node("QuantizeLinear", "yq", &["picture", "ys", "yz"], None),
            node("DequantizeLinear", "y", &["yq", "ys", "yz"], None),
        ]);
        let picture =
            Array4::from_shape_fn((1, 2 * channels, height, width), |_| random.random_range(-2.0..2.0f32));
        let found = picture_through(edit, &picture);
        let expected = ArrayD::from_shape_fn(IxDyn(&[1, channels, height, width]), |at| {
            let (head, row) = (at[1] / rows, at[1] % rows);
            let weight = |column: usize| f64::from(logits[[0, head, row, column].as_slice()]).exp();
            let v = |column: usize| {
                let value = picture[[0, channels + head * rows + column, at[2], at[3]]];
                f64::from(coded(value, scale, zero, true) - zero) * f64::from(scale)
            };
            let sum: f64 = (0..rows).map(|column| weight(column) * v(column)).sum();
            let mixed = (sum / (0..rows).map(weight).sum::<f64>()) as f32;
            coded(mixed, step, 0, true) as f32 * step
        });
        assert_steps(&found, &expected, step);
    }
}
