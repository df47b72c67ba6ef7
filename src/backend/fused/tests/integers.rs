//! Networks of integers: all forms give the same, and nearly what floats give.

use super::super::program::{Attention, Code, Layer, Program, Step, Weights};
use super::{Inputs, distance, float_forms, int_forms, nano, network, onnx, program, small};
use crate::arch::VluNetConfig;
use crate::backend::kernels::int8::Byte;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Most activations are no larger than this.
const RANGE: f32 = 5.0;

/// Rounds the layers of a program of floats, so that there are integers of any shape.
struct Rounding(ChaCha8Rng);

impl Rounding {
    fn code(&mut self) -> Code {
        let element = if self.0.random_bool(0.5) { Byte::I8 } else { Byte::U8 };
        let middle = if element == Byte::I8 { 0 } else { 128 };
        Code { scale: RANGE / 100.0, zero: middle + self.0.random_range(-20..=20), element }
    }

    fn layer(&mut self, layer: &mut Layer) {
        let Weights::Float(floats) = &layer.weights else { return };
        let rows = floats.chunks_exact(layer.inputs * layer.taps);
        let scales: Vec<f32> =
            rows.clone().map(|row| row.iter().fold(1e-6f32, |most, x| most.max(x.abs())) / 127.0).collect();
        let values =
            rows.zip(&scales).flat_map(|(row, scale)| row.iter().map(move |x| (x / scale).round() as i8));
        let (values, bias) = (values.collect(), vec![0; layer.outputs]);
        layer.weights = Weights::Int { values, scales, bias, input: self.code() };
    }

    fn pair(&mut self, first: &mut Layer, second: &mut Layer, is_coded: bool) {
        self.layer(first);
        self.layer(second);
        let Weights::Int { input, .. } = &second.weights else { return };
        first.output = Some(*input);
        second.output = is_coded.then(|| self.code());
    }

    fn attention(&mut self, attention: &mut Attention) {
        self.pair(&mut attention.point, &mut attention.depthwise, true);
        if let Some(key) = &mut attention.key {
            key.output = Some(self.code());
        }
    }

    fn program(&mut self, program: &Program) -> Program {
        let mut program = program.clone();
        for step in &mut program.steps {
            match step {
                Step::Unshuffle { .. } | Step::Concat { .. } => {}
                Step::Conv { layer, .. } => {
                    if self.0.random_bool(0.8) {
                        self.layer(layer);
                        layer.output = self.0.random_bool(0.3).then(|| self.code());
                    }
                }
                Step::Attend { attention, .. } => self.attention(attention),
                Step::Gradient { phi, phit, .. } => {
                    self.attention(phi);
                    self.attention(phit);
                }
                Step::Feed { gdfn, .. } => {
                    let (is_last_int, is_coded) = (self.0.random_bool(0.6), self.0.random_bool(0.5));
                    self.pair(&mut gdfn.point, &mut gdfn.depthwise, is_last_int || is_coded);
                    if is_last_int {
                        self.layer(&mut gdfn.project_out);
                    }
                }
            }
        }
        program
    }
}

#[test]
fn all_forms_and_threads_give_nanos_picture_bit_by_bit() {
    let program = program(&nano("int8"));
    for (height, width) in [(16, 16), (64, 400), (176, 32), (176, 336)] {
        let inputs = Inputs::new(height, width, 1);
        let mut floats = None;
        // Of floats each form has its own: nano's last layers are of them.
        for float in float_forms() {
            let mut all = Vec::new();
            for forms in int_forms().into_iter().map(|forms| super::Forms { float: float.float, ..forms }) {
                if format!("{:?}", forms.float) != format!("{:?}", float.float) {
                    continue;
                }
                let network = network(&program, forms);
                all.extend([1, 3].map(|threads| (threads, forms.int, inputs.run(&network, threads))));
            }
            for (threads, form, picture) in &all {
                assert!(*picture == all[0].2, "{width}x{height}, {form:?} on {threads}");
            }
            let picture = all.swap_remove(0).2;
            let [most, _] = distance(floats.get_or_insert_with(|| picture.clone()), &picture);
            assert!(most < 1e-3, "{width}x{height}, {:?}: {most}", float.float);
        }
    }
}

#[test]
fn all_forms_and_threads_give_any_networks_picture_bit_by_bit() {
    for seed in 0..6 {
        let stem = [1, 2, 4][seed as usize % 3];
        let config = VluNetConfig { heads: [2, 1, 5, 4], num_blocks: [1, 1, 1, 2], ..small(stem) };
        let floats = program(&onnx(&config, seed));
        let integers = Rounding(ChaCha8Rng::seed_from_u64(seed)).program(&floats);
        let (height, width) = (config.multiple() * 3, config.multiple() * if seed < 3 { 5 } else { 60 });
        let inputs = Inputs::new(height, width, seed);
        let float = float_forms().pop().unwrap().float;
        let mut all = Vec::new();
        for int in crate::backend::kernels::int8::Form::available() {
            let network = network(&integers, super::Forms { float, int });
            all.extend([1, 2].map(|threads| (threads, int, inputs.run(&network, threads))));
        }
        for (threads, form, picture) in &all {
            assert!(*picture == all[0].2, "seed {seed}, {form:?} on {threads}");
        }
        // Where numbers stand can't be wrong if the picture is nearly that of floats.
        let expected = inputs.run(&network(&floats, float_forms().pop().unwrap()), 1);
        let [_, apart] = distance(&all[0].2, &expected);
        let [_, size] = distance(&expected, &inputs.image);
        assert!(apart < 0.3 * size, "seed {seed}: {apart} apart, of {size}");
    }
}
