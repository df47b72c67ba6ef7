//! A convolution on integers.
#![allow(unsafe_code)]

use super::{Element, bytes, in_parallel, shape};
use crate::backend::kernels::int8::{Byte, Depthwise, Output, Product, Rows, SLACK, TILE};
use std::sync::Arc;
use tract_onnx::tract_hir::internal::*;

/// Rows of a channel that a thread works on at a time, and tiles of a product.
const STRIP: usize = 16;

/// A convolution whose input is `[1, C, H, W]` of bytes.
#[derive(Clone, Debug)]
pub(in super::super) struct IntConv {
    pub(in super::super) kind: Arc<Kernel>,
    pub(in super::super) element: Element,
    /// Zero of the input, as uint8: what the frame is filled with.
    pub(in super::super) zero: u8,
    pub(in super::super) window: Window,
    pub(in super::super) inputs: usize,
    pub(in super::super) outputs: usize,
}

/// What a convolution is computed by.
#[derive(Debug)]
pub(in super::super) enum Kernel {
    Product(Product),
    Depthwise(Depthwise),
}

/// How a kernel goes over a picture: height and width, steps, and how far it reaches beyond the
/// four sides (top, left, bottom, right).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Window {
    pub(in super::super) kernel: [usize; 2],
    pub(in super::super) strides: [usize; 2],
    pub(in super::super) pads: [usize; 4],
}

impl Window {
    const POINT: Self = Self { kernel: [1, 1], strides: [1, 1], pads: [0; 4] };

    /// Height and width of the output.
    fn output(&self, height: usize, width: usize) -> Option<[usize; 2]> {
        let [top, left, bottom, right] = self.pads;
        let extent =
            |whole: usize, axis: usize| Some(whole.checked_sub(self.kernel[axis])? / self.strides[axis] + 1);
        Some([extent(height + top + bottom, 0)?, extent(width + left + right, 1)?])
    }
}

impl PartialEq for IntConv {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.kind, &other.kind) && self.element == other.element
    }
}

impl Eq for IntConv {}

impl Op for IntConv {
    fn name(&self) -> StaticName {
        "IntConv".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{:?}, {} to {} channels", self.window, self.inputs, self.outputs)])
    }

    op_as_typed_op!();
}

impl TypedOp for IntConv {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let extents = shape(&inputs[0].shape.to_tvec())?;
        let [1, channels, height, width] = *extents else {
            bail!("an integer convolution takes one picture, not {extents:?}")
        };
        ensure!(channels == self.inputs, "{channels} channels instead of {}", self.inputs);
        let Some([height, width]) = self.window.output(height, width) else {
            bail!("a kernel larger than its picture")
        };
        Ok(tvec!(self.element.datum_type().fact([1, self.outputs, height, width])))
    }

    as_op!();
}

impl EvalOp for IntConv {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let [1, channels, height, width] = *input.shape() else { bail!("one picture") };
        let Some([out_height, out_width]) = self.window.output(height, width) else {
            bail!("a kernel larger than its picture")
        };
        ensure!(channels == self.inputs, "channels");
        let out_shape = [1, self.outputs, out_height, out_width];
        // SAFETY: all of it is written below; any bits are a byte or a float.
        let mut result = unsafe { Tensor::uninitialized_dt(self.element.datum_type(), &out_shape)? };
        let output = self.element.output(&mut result)?;
        let (source, element) = bytes(&input)?;
        match &*self.kind {
            Kernel::Product(product) if self.window == Window::POINT => {
                self.pointwise(product, source, element, height * width, &output);
            }
            Kernel::Product(product) => {
                self.spatial(product, source, element, [height, width], [out_height, out_width], &output);
            }
            Kernel::Depthwise(kernels) => {
                self.depthwise(kernels, source, element, [height, width], &output);
            }
        }
        Ok(tvec!(result.into_tvalue()))
    }
}

impl IntConv {
    fn pointwise(&self, product: &Product, source: &[u8], element: Byte, pixels: usize, output: &Output<'_>) {
        let offsets: Vec<usize> = (0..self.inputs).map(|channel| channel * pixels).collect();
        let rows = Rows { bytes: source, offsets: &offsets, element };
        let part = STRIP * TILE;
        in_parallel(pixels.div_ceil(part), |index, panel: &mut Vec<u8>| {
            panel.resize(product.panel(), 0);
            for at in (index * part..pixels.min((index + 1) * part)).step_by(TILE) {
                let count = TILE.min(pixels - at);
                // SAFETY: tiles don't overlap.
                unsafe { product.tile(&rows, at, count, output, (at, pixels), panel) };
            }
        });
    }

    /// Each output row as a product with rows of a framed picture that are shifted against each
    /// other, or, where the kernel moves by more than a pixel, with picked ones.
    fn spatial(
        &self,
        product: &Product,
        source: &[u8],
        element: Byte,
        [height, width]: [usize; 2],
        [out_height, out_width]: [usize; 2],
        output: &Output<'_>,
    ) {
        let Window { kernel: [kernel_height, kernel_width], strides: [down, across], pads } = self.window;
        let (framed_height, framed_width) = (height + pads[0] + pads[2], width + pads[1] + pads[3]);
        let mut framed = vec![self.zero; self.inputs * framed_height * framed_width];
        let flip = element.flip();
        for (from, to) in source
            .chunks_exact((height * width).max(1))
            .zip(framed.chunks_exact_mut((framed_height * framed_width).max(1)))
        {
            let rows = to.chunks_exact_mut(framed_width).skip(pads[0]);
            for (from, to) in from.chunks_exact(width).zip(rows) {
                frame_row(from, flip, &mut to[pads[1]..]);
            }
        }
        let taps = |each: &dyn Fn(usize, usize, usize) -> usize| -> Vec<usize> {
            (0..self.inputs * kernel_height * kernel_width)
                .map(|at| {
                    let (channel, tap) =
                        (at / (kernel_height * kernel_width), at % (kernel_height * kernel_width));
                    each(channel, tap / kernel_width, tap % kernel_width)
                })
                .collect()
        };
        let offsets = taps(&|channel, y, x| (channel * framed_height + y) * framed_width + x);
        let picked_offsets: Vec<usize> = (0..offsets.len()).map(|at| at * out_width).collect();
        let stride = out_height * out_width;
        in_parallel(out_height, |y, (panel, picked): &mut (Vec<u8>, Vec<u8>)| {
            panel.resize(product.panel(), 0);
            let start = y * down * framed_width;
            let rows = if across == 1 {
                Rows { bytes: &framed, offsets: &offsets, element: Byte::U8 }
            } else {
                picked.clear();
                for offset in &offsets {
                    picked.extend(framed[offset + start..].iter().step_by(across).take(out_width));
                }
                Rows { bytes: picked, offsets: &picked_offsets, element: Byte::U8 }
            };
            let start = if across == 1 { start } else { 0 };
            for x in (0..out_width).step_by(TILE) {
                let (count, place) = (TILE.min(out_width - x), (y * out_width + x, stride));
                // SAFETY: tiles don't overlap.
                unsafe { product.tile(&rows, start + x, count, output, place, panel) };
            }
        });
    }

    fn depthwise(
        &self,
        kernels: &Depthwise,
        source: &[u8],
        element: Byte,
        [height, width]: [usize; 2],
        output: &Output<'_>,
    ) {
        let (flip, framed) = (element.flip(), width + SLACK);
        let strips = height.div_ceil(STRIP);
        in_parallel(self.outputs * strips, |index, scratch: &mut Vec<u8>| {
            let (channel, first) = (index / strips, index % strips * STRIP);
            let last = height.min(first + STRIP);
            scratch.clear();
            scratch.resize((last - first + 2) * framed, self.zero);
            for (y, to) in (first..last + 2).zip(scratch.chunks_exact_mut(framed)) {
                // Row y of the framed picture is row y - 1 of the picture.
                if (1..=height).contains(&y) {
                    frame_row(&source[(channel * height + y - 1) * width..][..width], flip, &mut to[1..]);
                }
            }
            for y in first..last {
                let row = |dy: usize| &scratch[(y - first + dy) * framed..][..framed];
                let rows = [row(0), row(1), row(2)];
                let place = (channel * height + y) * width;
                // SAFETY: rows don't overlap.
                unsafe { kernels.row(channel, rows, width, output, place) };
            }
        });
    }
}

/// Copies a row of bytes as uint8.
fn frame_row(from: &[u8], flip: u8, to: &mut [u8]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from ^ flip;
    }
}
