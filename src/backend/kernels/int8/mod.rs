//! Products of integers, with what turns their sums into the next layer's integers.
//!
//! Activations are bytes: uint8, or int8 whose top bit is flipped on the way in, which makes it
//! uint8 of a zero that is 128 higher. Weights are int8. Sums are exact int32; then
//! `round(sum * multiplier) + zero`, ties to even, saturated.

// Other processors have other forms, and don't read all that these take.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

mod cosines;
mod depthwise;
mod fused;
mod gate;
mod gram;
mod norm;
mod portable;
mod product;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub(crate) use cosines::{Gram, Side};
pub(crate) use depthwise::{Depthwise, SLACK};
pub(crate) use fused::{Coder, Decoder, Place, blend, decode, gate, moments, normalise};
pub(crate) use gate::Gate;
pub(crate) use gram::{PART as GRAM_PART, Planes, gram};
pub(crate) use norm::NormBytes;
pub(crate) use product::{Product, Rows};

use super::Shared;

/// Pixels that are worked on at once.
pub(crate) const TILE: usize = 64;

/// What turns int8 into uint8 of the same order, and back.
const FLIP: u8 = 0x80;

/// Instructions that a kernel is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// What the compiler makes of plain loops.
    Portable,
    /// AVX2: products and depthwise convolutions; the rest is as in the portable form.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with VNNI and VBMI.
    #[cfg(target_arch = "x86_64")]
    Vnni,
    /// Advanced SIMD of Arm.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// Advanced SIMD with FEAT_DotProd.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Form {
    /// All that this processor has, the fastest last.
    pub(crate) fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut forms = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            forms.extend(avx2::is_available().then_some(Self::Avx2));
            forms.extend(vnni::is_available().then_some(Self::Vnni));
        }
        #[cfg(target_arch = "aarch64")]
        {
            forms.push(Self::Neon);
            forms.extend(neon::has_dot().then_some(Self::NeonDot));
        }
        forms
    }

    /// The fastest that this processor has.
    pub(crate) fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    /// How much less than uint8 the activations are that it multiplies by weights.
    fn lowered(self) -> i32 {
        match self {
            #[cfg(target_arch = "aarch64")]
            Self::Neon | Self::NeonDot => i32::from(FLIP),
            _ => 0,
        }
    }

    /// Inputs of a product whose weights lie beside each other.
    fn inputs(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 2,
            _ => 4,
        }
    }

    /// Outputs of a product whose weights lie beside each other.
    fn outputs(self) -> usize {
        match self {
            #[cfg(target_arch = "aarch64")]
            Self::Neon | Self::NeonDot => neon::OUTPUTS,
            _ => 1,
        }
    }
}

/// An element of a tensor of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Byte {
    I8,
    U8,
}

impl Byte {
    /// What brings it to uint8.
    pub(crate) fn flip(self) -> u8 {
        match self {
            Self::I8 => FLIP,
            Self::U8 => 0,
        }
    }

    /// A zero point of this element, as uint8.
    pub(crate) fn raised(self, zero: i32) -> i32 {
        match self {
            Self::I8 => zero + i32::from(FLIP),
            Self::U8 => zero,
        }
    }
}

/// Where sums go, and as what.
pub(crate) enum Output<'a> {
    /// round(sum * multiplier) + zero, in bytes.
    Bytes { values: Shared<'a, u8>, element: Byte, zero: i32 },
    /// sum * multiplier.
    Floats(Shared<'a, f32>),
    /// sum * multiplier, and what `add` has at the same place.
    Added { values: Shared<'a, f32>, add: &'a [f32] },
}

impl Output<'_> {
    /// How many numbers it has room for.
    fn len(&self) -> usize {
        match self {
            Self::Bytes { values, .. } => values.len(),
            Self::Floats(values) => values.len(),
            Self::Added { values, add } => values.len().min(add.len()),
        }
    }
}

/// Rounds, ties to even, within what any byte can be told from; in a way that vectorises.
#[inline(always)]
fn round(value: f32) -> i32 {
    // Behind 1.5 * 2^23 there is no place for a fraction, and the last bits are the integer's.
    const SHIFT: f32 = 12_582_912.0;
    let shifted = value.clamp(-65536.0, 65536.0) + SHIFT;
    (shifted.to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32)
}

/// What is less than this is far from the ends of int32.
const BOUND: f32 = 1e9;

/// What becomes of the sums of one output channel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Finish {
    /// What the sum starts from: the bias, less what the zero of the activations adds.
    start: i32,
    /// What it is multiplied by at the end.
    multiplier: f32,
    /// Whether that can't come near the ends of int32.
    bounded: bool,
}

impl Finish {
    /// Of a channel of these weights; `zero` is the activations', as uint8.
    fn new(weights: &[i8], bias: i32, multiplier: f32, zero: i32) -> Self {
        let sum: i32 = weights.iter().map(|&weight| i32::from(weight)).sum();
        let start = bias.wrapping_sub(zero.wrapping_mul(sum));
        let furthest: i64 = weights.iter().map(|&weight| 255 * i64::from(weight).abs()).sum();
        let furthest = (furthest + i64::from(start).abs()) as f32;
        Self { start, multiplier, bounded: furthest * multiplier.abs() < BOUND }
    }
}
