//! What an engine is built for.

use super::Version;
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The numbers that an engine computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// Floats of 32 bits.
    Fp32,
    /// Floats of 16 bits, where they are enough.
    Fp16,
    /// Integers of 8 bits where the model is quantized (QDQ), else as [`Dtype::Fp16`].
    Int8,
}

impl Dtype {
    /// As the command line has it: `fp32`, `fp16`, `int8`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
        }
    }

    /// The variant of a bundle's model to hand over.
    ///
    /// TensorRT 10 chooses types itself and is told which layers stay in float32: it takes the model
    /// in float32. From 11 on it takes the types of the model as they are, so that for float16 it
    /// must be the one in float16 (and one in QDQ computes in float32 what isn't quantized).
    pub const fn variant(self, version: Version) -> Variant {
        match self {
            Self::Int8 => Variant::Int8,
            Self::Fp16 if version.major() > 10 => Variant::F16,
            Self::Fp16 | Self::Fp32 => Variant::F32,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Fp32, Self::Fp16, Self::Int8]
            .into_iter()
            .find(|dtype| dtype.as_str() == text)
            .ok_or_else(|| Error::Input(format!("{text} is no dtype of an engine: fp32, fp16 or int8")))
    }
}

/// A variant of a bundle's model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// All in float32.
    F32,
    /// In float16 where that is enough.
    F16,
    /// Quantized by Q/DQ, in float32 else.
    Int8,
}

/// The shapes of an input that an engine is built for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The input's name.
    pub input: String,
    /// The smallest.
    pub min: Vec<usize>,
    /// The one that it is to be fastest at.
    pub opt: Vec<usize>,
    /// The largest.
    pub max: Vec<usize>,
}

/// The shapes of all inputs that an engine is built for, together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile(pub Vec<Range>);

impl Profile {
    /// One shape each, as for a camera's frames: the fastest.
    pub fn fixed(shapes: &[(&str, &[usize])]) -> Self {
        let range = |&(input, shape): &(&str, &[usize])| Range {
            input: input.into(),
            min: shape.to_vec(),
            opt: shape.to_vec(),
            max: shape.to_vec(),
        };
        Self(shapes.iter().map(range).collect())
    }
}

/// How an engine is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What it computes in.
    pub dtype: Dtype,
    /// The sizes that it takes.
    pub profiles: Vec<Profile>,
    /// Bytes of GPU memory that a layer may work in; none for TensorRT's own limit (all).
    pub workspace: Option<u64>,
    /// The DLA core that runs it, the GPU what that can't. A DLA doesn't compute in float32.
    pub dla_core: Option<u32>,
    /// How long TensorRT looks for fast kernels: 0 to 5; none for its own (3).
    pub optimization_level: Option<u8>,
    /// TF32 in place of float32, in products: faster, with the precision of float16.
    pub tf32: bool,
    /// Normalisations stay in float32 (TensorRT 10, where that is chosen here).
    pub pin_normalisation: bool,
    /// A plan that the lean library runs, and only that.
    pub lean: bool,
}

impl Options {
    /// For these sizes, with what else is best for a restorer.
    pub fn new(dtype: Dtype, profiles: Vec<Profile>) -> Self {
        Self {
            dtype,
            profiles,
            workspace: None,
            dla_core: None,
            optimization_level: None,
            tf32: false,
            pin_normalisation: true,
            lean: false,
        }
    }

    /// # Errors
    /// [`Error::Input`] where they make no sense together.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Input(what));
        if self.profiles.is_empty() {
            return wrong("an engine is built for one size at least".into());
        }
        if self.dla_core.is_some() && self.dtype == Dtype::Fp32 {
            return wrong("a DLA doesn't compute in float32: take fp16 or int8, or leave it out".into());
        }
        if self.optimization_level.is_some_and(|level| level > 5) {
            return wrong("the optimization level goes from 0 to 5".into());
        }
        for range in self.profiles.iter().flat_map(|profile| &profile.0) {
            let [min, opt, max] = [&range.min, &range.opt, &range.max];
            let rises = min.len() == opt.len()
                && opt.len() == max.len()
                && min.iter().zip(opt).zip(max).all(|((min, opt), max)| 0 < *min && min <= opt && opt <= max);
            if !rises {
                return wrong(format!("{}: {min:?}, {opt:?}, {max:?} are no range of sizes", range.input));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let size: &[usize] = &[1, 3, 360, 640];
        let good = Options::new(Dtype::Fp16, vec![Profile::fixed(&[("image", size)])]);
        assert!(good.check().is_ok());
        let mut shrinks = good.clone();
        shrinks.profiles[0].0[0].max = vec![1, 3, 180, 320];
        for bad in [
            Options { profiles: vec![], ..good.clone() },
            Options { dla_core: Some(0), dtype: Dtype::Fp32, ..good.clone() },
            Options { optimization_level: Some(6), ..good.clone() },
            shrinks,
        ] {
            assert!(matches!(bad.check(), Err(Error::Input(_))), "{bad:?}");
        }
    }

    #[test]
    fn each_major_gets_the_file_that_it_can_use() {
        let [ten, eleven] = [100_300, 110_400].map(Version::of);
        assert_eq!(Dtype::Fp16.variant(ten), Variant::F32);
        assert_eq!(Dtype::Fp16.variant(eleven), Variant::F16);
        assert_eq!(Dtype::Int8.variant(ten), Variant::Int8);
        assert_eq!("fp16".parse::<Dtype>().unwrap(), Dtype::Fp16);
        assert!("f16".parse::<Dtype>().is_err());
    }
}
