//! What lies between two products in float, from the bytes of one to those of the next.

use super::{Byte, FLIP, round};
use crate::backend::kernels::vectorised;

/// How floats become bytes: round(x) + zero, saturated; scales have been multiplied in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Coder {
    flip: u8,
    zero: i32,
}

impl Coder {
    pub(crate) fn new(element: Byte, zero: i32) -> Self {
        Self { flip: element.flip() ^ FLIP, zero: element.raised(zero) - i32::from(FLIP) }
    }

    #[inline(always)]
    pub(super) fn code(self, value: f32) -> u8 {
        ((round(value) + self.zero).clamp(-128, 127) as u8) ^ self.flip
    }

    /// Codes numbers times a factor.
    pub(crate) fn scaled(self, values: &[f32], factor: f32, to: &mut [u8]) {
        vectorised(
            #[inline(always)]
            || {
                for (byte, &value) in to.iter_mut().zip(values) {
                    *byte = self.code(value * factor);
                }
            },
        );
    }
}

/// Numbers that something else is computed from, as bytes of this element less their zero.
#[derive(Clone, Copy)]
pub(crate) struct Decoder {
    flip: u8,
    zero: f32,
}

impl Decoder {
    pub(crate) fn new(element: Byte, zero: i32) -> Self {
        Self { flip: element.flip() ^ FLIP, zero: (element.raised(zero) - i32::from(FLIP)) as f32 }
    }

    #[inline(always)]
    fn decode(self, byte: u8) -> f32 {
        f32::from((byte ^ self.flip) as i8) - self.zero
    }
}

/// gate(a) * b with what `gate` makes of each byte, multiplied by all scales.
pub(crate) fn gate(table: &[f32; 256], decoder: Decoder, [a, b]: [&[u8]; 2], to: Place<'_>) {
    vectorised(
        #[inline(always)]
        || to.fill(a.iter().zip(b).map(|(&a, &b)| table[usize::from(a)] * decoder.decode(b))),
    );
}

/// Where numbers go.
pub(crate) enum Place<'a> {
    Bytes(&'a mut [u8], Coder),
    Floats(&'a mut [f32]),
}

impl Place<'_> {
    #[inline(always)]
    fn fill(self, values: impl Iterator<Item = f32>) {
        match self {
            Self::Bytes(to, coder) => to.iter_mut().zip(values).for_each(|(to, x)| *to = coder.code(x)),
            Self::Floats(to) => to.iter_mut().zip(values).for_each(|(to, x)| *to = x),
        }
    }
}

/// The mean and the reciprocal of the deviation of each pixel over its channels.
pub(crate) fn moments(planes: &[&[f32]], epsilon: f32, mean: &mut [f32], reciprocal: &mut [f32]) {
    let share = 1.0 / planes.len() as f32;
    vectorised(
        #[inline(always)]
        || {
            mean.fill(0.0);
            reciprocal.fill(0.0);
            for plane in planes {
                mean.iter_mut().zip(*plane).for_each(|(sum, x)| *sum += x);
            }
            mean.iter_mut().for_each(|sum| *sum *= share);
            for plane in planes {
                for ((square, &mean), &x) in reciprocal.iter_mut().zip(&*mean).zip(*plane) {
                    *square += (x - mean) * (x - mean);
                }
            }
            reciprocal.iter_mut().for_each(|square| *square = 1.0 / (*square * share + epsilon).sqrt());
        },
    );
}

/// (x - mean) * reciprocal * gain + bias, coded.
pub(crate) fn normalise(
    plane: &[f32],
    [mean, reciprocal]: [&[f32]; 2],
    [gain, bias]: [f32; 2],
    coder: Coder,
    to: &mut [u8],
) {
    vectorised(
        #[inline(always)]
        || {
            for (((to, &x), &mean), &reciprocal) in to.iter_mut().zip(plane).zip(mean).zip(reciprocal) {
                *to = coder.code((x - mean) * reciprocal * gain + bias);
            }
        },
    );
}

/// Bytes as floats, times a factor.
pub(crate) fn decode(bytes: &[u8], decoder: Decoder, factor: f32, to: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || to.iter_mut().zip(bytes).for_each(|(to, &byte)| *to = decoder.decode(byte) * factor),
    );
}

/// Adds up rows, each times its weight.
pub(crate) fn blend(rows: &[f32], length: usize, weights: &[f32], sums: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            sums.fill(0.0);
            for (row, &weight) in rows.chunks_exact(length).zip(weights) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x);
            }
        },
    );
}
