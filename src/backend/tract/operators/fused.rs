//! What lies between two layers on integers, in one pass from float or bytes to bytes: LayerNorm
//! over channels, GDFN's gate, and the attention map times v.
#![allow(unsafe_code)]

use super::{Element, bytes, in_parallel};
use crate::backend::kernels::int8::{
    Byte, Coder, Decoder, Output, Place, blend, decode, gate, moments, normalise,
};
use std::sync::Arc;
use tract_onnx::tract_hir::internal::*;

/// Pixels that are worked on at once.
const PART: usize = 512;

/// LayerNorm over the channels of `[1, C, H, W]`, as bytes.
#[derive(Clone, Debug)]
pub(in super::super) struct NormEncode {
    /// Gain and bias of each channel, in steps of the output.
    pub(in super::super) channels: Arc<Vec<[f32; 2]>>,
    pub(in super::super) epsilon: f32,
    pub(in super::super) element: Byte,
    pub(in super::super) zero: i32,
}

/// gate(a) * b of the halves a and b of `[1, 2C, H, W]` of bytes.
#[derive(Clone, Debug)]
pub(in super::super) struct Gate {
    /// gate(a) for each byte, times the scale of b and, for bytes, in steps of the output.
    pub(in super::super) table: Arc<[f32; 256]>,
    pub(in super::super) zero: i32,
    pub(in super::super) element: Element,
}

/// `[1, heads, c, c]` times v, whose `heads * c` channels are the last ones of `[1, .., H, W]` of
/// bytes; as bytes.
#[derive(Clone, Debug)]
pub(in super::super) struct Mix {
    pub(in super::super) heads: usize,
    pub(in super::super) channels: usize,
    /// Which of that many equal parts of the channels v is.
    pub(in super::super) index: usize,
    pub(in super::super) of: usize,
    pub(in super::super) zero: i32,
    /// v's scale in steps of the output.
    pub(in super::super) factor: f32,
    pub(in super::super) out_element: Byte,
    pub(in super::super) out_zero: i32,
}

impl PartialEq for NormEncode {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.channels, &other.channels)
            && self.element == other.element
            && self.zero == other.zero
    }
}

impl Eq for NormEncode {}

impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table) && self.element == other.element && self.zero == other.zero
    }
}

impl Eq for Gate {}

impl PartialEq for Mix {
    fn eq(&self, other: &Self) -> bool {
        let key = |mix: &Self| {
            let Self { heads, channels, index, of, zero, factor, out_element, out_zero } = *mix;
            ((heads, channels, index, of), (zero, factor.to_bits(), out_element == Byte::I8, out_zero))
        };
        key(self) == key(other)
    }
}

impl Eq for Mix {}

/// One picture's channels and pixels.
fn planes(shape: &[usize]) -> TractResult<(usize, usize)> {
    match shape {
        &[1, channels, height, width] => Ok((channels, height * width)),
        other => bail!("one picture is taken, not {other:?}"),
    }
}

impl Op for NormEncode {
    fn name(&self) -> StaticName {
        "NormEncode".into()
    }

    op_as_typed_op!();
}

impl TypedOp for NormEncode {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let element = Element::Byte(self.element, self.zero);
        Ok(tvec!(element.datum_type().fact(inputs[0].shape.clone())))
    }

    as_op!();
}

impl EvalOp for NormEncode {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let (channels, pixels) = planes(input.shape())?;
        ensure!(channels == self.channels.len(), "{channels} channels");
        let values = input.try_as_plain_ram()?.as_slice::<f32>()?;
        let element = Element::Byte(self.element, self.zero);
        let coder = Coder::new(self.element, self.zero);
        // SAFETY: every element is written below; any bits are a byte.
        let mut result = unsafe { Tensor::uninitialized_dt(element.datum_type(), input.shape())? };
        if let Output::Bytes { values: output, .. } = element.output(&mut result)? {
            in_parallel(pixels.div_ceil(PART), |index, (mean, reciprocal): &mut (Vec<f32>, Vec<f32>)| {
                let at = index * PART;
                let length = PART.min(pixels - at);
                let planes: Vec<&[f32]> =
                    values.chunks_exact(pixels).map(|plane| &plane[at..at + length]).collect();
                mean.resize(length, 0.0);
                reciprocal.resize(length, 0.0);
                moments(&planes, self.epsilon, mean, reciprocal);
                for (channel, (plane, affine)) in planes.iter().zip(&*self.channels).enumerate() {
                    // SAFETY: parts don't overlap.
                    let to = unsafe { output.part(channel * pixels + at, length) };
                    normalise(plane, [mean, reciprocal], *affine, coder, to);
                }
            });
        }
        Ok(tvec!(result.into_tvalue()))
    }
}

impl Op for Gate {
    fn name(&self) -> StaticName {
        "Gate".into()
    }

    op_as_typed_op!();
}

impl TypedOp for Gate {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut extents = inputs[0].shape.to_tvec();
        ensure!(extents.len() == 4, "one picture");
        extents[1] = extents[1].clone() / 2;
        Ok(tvec!(self.element.datum_type().fact(extents)))
    }

    as_op!();
}

impl EvalOp for Gate {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let (channels, _) = planes(input.shape())?;
        ensure!(channels % 2 == 0, "{channels} channels have no halves");
        let mut extents: TVec<usize> = input.shape().into();
        extents[1] /= 2;
        let (source, element) = bytes(&input)?;
        let (first, second) = source.split_at(source.len() / 2);
        let decoder = Decoder::new(element, self.zero);
        // SAFETY: every element is written below; any bits are a byte or a float.
        let mut result = unsafe { Tensor::uninitialized_dt(self.element.datum_type(), &extents)? };
        let output = self.element.output(&mut result)?;
        let part = 16 * PART;
        in_parallel(first.len().div_ceil(part), |index, (): &mut ()| {
            let at = index * part;
            let length = part.min(first.len() - at);
            // SAFETY: parts don't overlap.
            let to = unsafe {
                match &output {
                    Output::Bytes { values, element, zero } => {
                        Place::Bytes(values.part(at, length), Coder::new(*element, *zero))
                    }
                    Output::Floats(values) | Output::Added { values, .. } => {
                        Place::Floats(values.part(at, length))
                    }
                }
            };
            gate(&self.table, decoder, [&first[at..at + length], &second[at..at + length]], to);
        });
        Ok(tvec!(result.into_tvalue()))
    }
}

impl Op for Mix {
    fn name(&self) -> StaticName {
        "Mix".into()
    }

    op_as_typed_op!();
}

impl TypedOp for Mix {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut extents = inputs[0].shape.to_tvec();
        ensure!(extents.len() == 4, "one picture");
        extents[1] = (self.heads * self.channels).to_dim();
        let element = Element::Byte(self.out_element, self.out_zero);
        Ok(tvec!(element.datum_type().fact(extents)))
    }

    as_op!();
}

impl EvalOp for Mix {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (input, map) = args_2!(inputs);
        let (whole, pixels) = planes(input.shape())?;
        let (rows, channels) = (self.channels, self.heads * self.channels);
        ensure!(whole == self.of * channels, "{whole} channels");
        let map: Vec<f32> =
            map.try_as_plain_ram()?.as_slice::<f32>()?.iter().map(|x| x * self.factor).collect();
        ensure!(map.len() == channels * rows, "a map of {} weights", map.len());
        let (source, element) = bytes(&input)?;
        let v = &source[self.index * channels * pixels..][..channels * pixels];
        let decoder = Decoder::new(element, self.zero);
        let element = Element::Byte(self.out_element, self.out_zero);
        let coder = Coder::new(self.out_element, self.out_zero);
        let extents = [1, channels, input.shape()[2], input.shape()[3]];
        // SAFETY: every element is written below; any bits are a byte.
        let mut result = unsafe { Tensor::uninitialized_dt(element.datum_type(), &extents)? };
        if let Output::Bytes { values: output, .. } = element.output(&mut result)? {
            in_parallel(pixels.div_ceil(PART), |index, (floats, sums): &mut (Vec<f32>, Vec<f32>)| {
                let at = index * PART;
                let length = PART.min(pixels - at);
                floats.resize(rows * length, 0.0);
                sums.resize(length, 0.0);
                for (head, map) in map.chunks_exact(rows * rows).enumerate() {
                    for (row, to) in floats.chunks_exact_mut(length).enumerate() {
                        decode(&v[(head * rows + row) * pixels + at..][..length], decoder, 1.0, to);
                    }
                    for (row, weights) in map.chunks_exact(rows).enumerate() {
                        blend(floats, length, weights, sums);
                        // SAFETY: parts don't overlap.
                        let to = unsafe { output.part((head * rows + row) * pixels + at, length) };
                        coder.scaled(sums, 1.0, to);
                    }
                }
            });
        }
        Ok(tvec!(result.into_tvalue()))
    }
}
