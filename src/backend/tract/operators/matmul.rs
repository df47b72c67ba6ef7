//! A product of rows of features with constant integers.
#![allow(unsafe_code)]

use super::{Element, bytes, in_parallel};
use crate::backend::kernels::Shared;
use crate::backend::kernels::int8::{Output, Product, Rows, TILE};
use std::sync::Arc;
use tract_onnx::tract_hir::internal::*;

/// `[.., K]` of bytes times `[K, N]`, which gives `[.., N]` of floats.
#[derive(Clone, Debug)]
pub(in super::super) struct IntMatMul {
    pub(in super::super) product: Arc<Product>,
    pub(in super::super) inputs: usize,
    pub(in super::super) outputs: usize,
}

impl PartialEq for IntMatMul {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.product, &other.product)
    }
}

impl Eq for IntMatMul {}

impl Op for IntMatMul {
    fn name(&self) -> StaticName {
        "IntMatMul".into()
    }

    op_as_typed_op!();
}

impl TypedOp for IntMatMul {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut extents = inputs[0].shape.to_tvec();
        let Some(last) = extents.last_mut() else { bail!("a scalar") };
        ensure!(*last == self.inputs.to_dim(), "{last} features instead of {}", self.inputs);
        *last = self.outputs.to_dim();
        Ok(tvec!(f32::fact(extents)))
    }

    as_op!();
}

/// Scratch of a thread: features of a tile's rows by input, the kernel's own, and its sums.
type Scratch = (Vec<u8>, Vec<u8>, Vec<f32>);

impl EvalOp for IntMatMul {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let (source, element) = bytes(&input)?;
        let mut extents: TVec<usize> = input.shape().into();
        ensure!(extents.last() == Some(&self.inputs), "features");
        extents.pop();
        extents.push(self.outputs);
        let tokens = source.len() / self.inputs.max(1);
        // SAFETY: all of it is written below; any bits are a float.
        let mut result = unsafe { Tensor::uninitialized_dt(f32::datum_type(), &extents)? };
        if let Output::Floats(output) = Element::Float.output(&mut result)? {
            let offsets: Vec<usize> = (0..self.inputs).map(|input| input * TILE).collect();
            in_parallel(tokens.div_ceil(TILE), |index, (columns, panel, sums): &mut Scratch| {
                panel.resize(self.product.panel(), 0);
                let first = index * TILE;
                let count = TILE.min(tokens - first);
                columns.resize(self.inputs * TILE, 0);
                let tile = &source[first * self.inputs..][..count * self.inputs];
                for (token, features) in tile.chunks_exact(self.inputs).enumerate() {
                    for (input, &feature) in features.iter().enumerate() {
                        columns[input * TILE + token] = feature;
                    }
                }
                sums.resize(self.outputs * TILE, 0.0);
                let rows = Rows { bytes: columns, offsets: &offsets, element };
                let to = Output::Floats(Shared::new(sums));
                // SAFETY: the scratch is this thread's.
                unsafe { self.product.tile(&rows, 0, count, &to, (0, TILE), panel) };
                // SAFETY: tiles don't overlap.
                let place = unsafe { output.part(first * self.outputs, count * self.outputs) };
                for (token, features) in place.chunks_exact_mut(self.outputs).enumerate() {
                    for (output, feature) in features.iter_mut().enumerate() {
                        *feature = sums[output * TILE + token];
                    }
                }
            });
        }
        Ok(tvec!(result.into_tvalue()))
    }
}
