//! QuantizeLinear and DequantizeLinear of activations, on all threads.
#![allow(unsafe_code)]

use super::{Element, bytes, in_parallel};
use crate::backend::kernels::int8::{Byte, Coder, Decoder, Output, decode};
use tract_onnx::tract_hir::internal::*;

/// Numbers that a thread works on at a time.
const PART: usize = 1 << 14;

/// round(x / scale) + zero, saturated; the division is a product, as in tract, so what lies between
/// two steps by less than a float's last digit may go to either.
#[derive(Clone, Debug)]
pub(in super::super) struct Encode {
    pub(in super::super) scale: f32,
    pub(in super::super) element: Byte,
    pub(in super::super) zero: i32,
}

/// (x - zero) * scale.
#[derive(Clone, Debug)]
pub(in super::super) struct Decode {
    pub(in super::super) scale: f32,
    pub(in super::super) zero: i32,
}

impl PartialEq for Encode {
    fn eq(&self, other: &Self) -> bool {
        (self.scale.to_bits(), self.element, self.zero) == (other.scale.to_bits(), other.element, other.zero)
    }
}

impl Eq for Encode {}

impl PartialEq for Decode {
    fn eq(&self, other: &Self) -> bool {
        (self.scale.to_bits(), self.zero) == (other.scale.to_bits(), other.zero)
    }
}

impl Eq for Decode {}

impl Op for Encode {
    fn name(&self) -> StaticName {
        "Encode".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Encode {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let values = input.try_as_plain_ram()?.as_slice::<f32>()?;
        let element = Element::Byte(self.element, self.zero);
        // SAFETY: every element is written below; any bits are a byte.
        let mut result = unsafe { Tensor::uninitialized_dt(element.datum_type(), input.shape())? };
        if let Output::Bytes { values: output, .. } = element.output(&mut result)? {
            let (coder, factor) = (Coder::new(self.element, self.zero), self.scale.recip());
            in_parallel(values.len().div_ceil(PART), |at, (): &mut ()| {
                let values = &values[at * PART..values.len().min((at + 1) * PART)];
                // SAFETY: parts don't overlap.
                let output = unsafe { output.part(at * PART, values.len()) };
                coder.scaled(values, factor, output);
            });
        }
        Ok(tvec!(result.into_tvalue()))
    }
}

impl TypedOp for Encode {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let element = Element::Byte(self.element, self.zero);
        Ok(tvec!(element.datum_type().fact(inputs[0].shape.clone())))
    }

    as_op!();
}

impl Op for Decode {
    fn name(&self) -> StaticName {
        "Decode".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Decode {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let (values, element) = bytes(&input)?;
        // SAFETY: every element is written below; any bits are a float.
        let mut result = unsafe { Tensor::uninitialized_dt(f32::datum_type(), input.shape())? };
        if let Output::Floats(output) = Element::Float.output(&mut result)? {
            let decoder = Decoder::new(element, self.zero);
            in_parallel(values.len().div_ceil(PART), |at, (): &mut ()| {
                let values = &values[at * PART..values.len().min((at + 1) * PART)];
                // SAFETY: parts don't overlap.
                let output = unsafe { output.part(at * PART, values.len()) };
                decode(values, decoder, self.scale, output);
            });
        }
        Ok(tvec!(result.into_tvalue()))
    }
}

impl TypedOp for Decode {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(inputs[0].shape.clone())))
    }

    as_op!();
}
