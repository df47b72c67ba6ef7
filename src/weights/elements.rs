//! Little-endian bytes to float32.

use crate::{Error, Result};
use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};

/// Element types that weights come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementType {
    F64,
    F32,
    F16,
    BF16,
}

/// A float32 tensor of that shape from its bytes.
pub(super) fn to_array(
    name: &str,
    element: ElementType,
    shape: &[usize],
    bytes: &[u8],
) -> Result<ArrayD<f32>> {
    let values: Vec<f32> = match element {
        ElementType::F64 => convert(bytes, |b: [u8; 8]| f64::from_le_bytes(b) as f32),
        ElementType::F32 => convert(bytes, f32::from_le_bytes),
        ElementType::F16 => convert(bytes, |b: [u8; 2]| f16::from_le_bytes(b).to_f32()),
        ElementType::BF16 => convert(bytes, |b: [u8; 2]| bf16::from_le_bytes(b).to_f32()),
    };
    let count = values.len();
    ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|_| {
        Error::Weights(format!("{name} holds {count} numbers, which do not make the shape {shape:?}"))
    })
}

fn convert<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| number(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_type_gives_the_same_numbers() {
        let numbers = [0.0_f32, -1.5, 0.25, 96.0];
        let bytes = |f: fn(f32) -> Vec<u8>| numbers.iter().flat_map(|x| f(*x)).collect::<Vec<u8>>();
        for (element, bytes) in [
            (ElementType::F64, bytes(|x| f64::from(x).to_le_bytes().to_vec())),
            (ElementType::F32, bytes(|x| x.to_le_bytes().to_vec())),
            (ElementType::F16, bytes(|x| f16::from_f32(x).to_le_bytes().to_vec())),
            (ElementType::BF16, bytes(|x| bf16::from_f32(x).to_le_bytes().to_vec())),
        ] {
            let array = to_array("t", element, &[2, 2], &bytes).unwrap();
            assert_eq!(array.as_slice().unwrap(), numbers, "{element:?}");
            assert!(to_array("t", element, &[3, 2], &bytes).is_err());
        }
    }
}
