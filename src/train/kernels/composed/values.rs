//! A backend's tensor under operators, so that the formulas read as such.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Shape, Slice};
use std::ops::{Add, Div, Mul, Range, Sub};

/// A tensor `[..]` of any rank; the operators broadcast extents of 1.
pub(super) struct Values<B: Backend>(pub FloatTensor<B>);

impl<B: Backend> Clone for Values<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend> Values<B> {
    /// The extents of a tensor of rank `D`.
    pub fn extents<const D: usize>(&self) -> [usize; D] {
        let shape = self.0.shape();
        std::array::from_fn(|dimension| shape[dimension])
    }

    pub fn reshape(self, extents: impl Into<Shape>) -> Self {
        Self(B::float_reshape(self.0, extents.into()))
    }

    /// The part `range` along one dimension.
    pub fn narrow(&self, dimension: usize, range: Range<usize>) -> Self {
        let cut = |(index, &extent): (usize, &usize)| {
            Slice::from(if index == dimension { range.clone() } else { 0..extent })
        };
        let slices: Vec<Slice> = self.0.shape().iter().enumerate().map(cut).collect();
        Self(B::float_slice(self.0.clone(), &slices))
    }

    /// A border of zeros, one value wide, around the last two of four dimensions.
    pub fn framed(self) -> Self {
        Self(B::float_pad(self.0, &[(0, 0), (0, 0), (1, 1), (1, 1)], PadMode::Constant(0.0)))
    }

    pub fn joined(parts: Vec<Self>, dimension: usize) -> Self {
        Self(B::float_cat(parts.into_iter().map(|part| part.0).collect(), dimension))
    }

    pub fn turned(self, dimensions: &[usize]) -> Self {
        Self(B::float_flip(self.0, dimensions))
    }

    /// The last two dimensions swapped.
    pub fn transposed(self) -> Self {
        let rank = self.0.shape().len();
        Self(B::float_swap_dims(self.0, rank - 2, rank - 1))
    }

    pub fn matmul(self, other: Self) -> Self {
        Self(B::float_matmul(self.0, other.0))
    }

    /// Convolved 3×3, zero-padded, each channel by a kernel of its own, `[C, 1, 3, 3]`.
    pub fn convolved(self, kernels: Self) -> Self {
        let [channels] = kernels.extents();
        let options = ConvOptions::new([1, 1], [1, 1], [1, 1], channels);
        Self(B::conv2d(self.0, kernels.0, None, options))
    }

    /// The sum along a dimension, which stays with extent 1.
    pub fn sum(self, dimension: usize) -> Self {
        Self(B::float_sum_dim(self.0, dimension))
    }

    /// The mean along a dimension, which stays with extent 1.
    pub fn mean(self, dimension: usize) -> Self {
        Self(B::float_mean_dim(self.0, dimension))
    }

    /// The maximum along a dimension, which stays with extent 1.
    pub fn max(self, dimension: usize) -> Self {
        Self(B::float_max_dim(self.0, dimension))
    }

    pub fn square(self) -> Self {
        self.clone() * self
    }

    pub fn sqrt(self) -> Self {
        Self(B::float_sqrt(self.0))
    }

    /// To the nearest integers, halves to even ones.
    pub fn rounded(self) -> Self {
        Self(B::float_round(self.0))
    }

    pub fn clamped(self, least: f32, most: f32) -> Self {
        Self(B::float_clamp(self.0, least.into(), most.into()))
    }

    /// 1 where it is above 0, else 0.
    pub fn positive(self) -> Self {
        Self(B::float_sign(self.0)).clamped(0.0, 1.0)
    }

    pub fn exp(self) -> Self {
        Self(B::float_exp(self.0))
    }

    pub fn erf(self) -> Self {
        Self(B::float_erf(self.0))
    }
}

/// An operator between tensors, and between a tensor and a number.
macro_rules! operator {
    ($trait:ident, $name:ident, $tensors:ident, $number:ident) => {
        impl<B: Backend> $trait for Values<B> {
            type Output = Self;

            fn $name(self, other: Self) -> Self {
                Self(B::$tensors(self.0, other.0))
            }
        }

        impl<B: Backend> $trait<f32> for Values<B> {
            type Output = Self;

            fn $name(self, number: f32) -> Self {
                Self(B::$number(self.0, number.into()))
            }
        }
    };
}

operator!(Add, add, float_add, float_add_scalar);
operator!(Sub, sub, float_sub, float_sub_scalar);
operator!(Mul, mul, float_mul, float_mul_scalar);
operator!(Div, div, float_div, float_div_scalar);
