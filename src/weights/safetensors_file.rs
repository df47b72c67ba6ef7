//! The safetensors format, for weights in float32 (float16, bfloat16 and float64 are widened
//! or narrowed on reading).

use super::Weights;
use super::elements::{ElementType, to_array};
use super::foreign_text::{brief, check_names};
use crate::arch::Shapes;
use crate::{Error, Result};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

pub(super) fn element_type(dtype: Dtype) -> Option<ElementType> {
    match dtype {
        Dtype::F64 => Some(ElementType::F64),
        Dtype::F32 => Some(ElementType::F32),
        Dtype::F16 => Some(ElementType::F16),
        Dtype::BF16 => Some(ElementType::BF16),
        _ => None,
    }
}

/// A safetensors file whose header has been read, once, and checked.
pub(super) struct SafetensorsFile {
    bytes: Vec<u8>,
    /// Where the header ends and the numbers begin.
    data: usize,
    index: Metadata,
}

impl SafetensorsFile {
    pub(super) fn parse(bytes: Vec<u8>, name: &str) -> Result<Self> {
        let (header, index) = SafeTensors::read_metadata(&bytes).map_err(|e| broken(name, &e))?;
        check_names(index.tensors().keys().map(String::as_str), name)?;
        Ok(Self { bytes, data: N_LEN + header, index })
    }

    pub(super) fn shapes(&self) -> Shapes {
        self.index.tensors().into_iter().map(|(name, info)| (name, info.shape.clone())).collect()
    }

    /// A tensor's type, shape and bytes.
    pub(super) fn get(&self, name: &str) -> Option<(Dtype, &[usize], &[u8])> {
        let info = self.index.info(name)?;
        let (start, end) = info.data_offsets;
        let bytes = self.bytes.get(self.data..)?.get(start..end)?;
        Some((info.dtype, &info.shape, bytes))
    }
}

/// Bytes of the header's length, which a file opens with.
const N_LEN: usize = 8;

fn parse<'a>(bytes: &'a [u8], name: &str) -> Result<SafeTensors<'a>> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| broken(name, &e))?;
    check_names(file.names(), name)?;
    Ok(file)
}

fn broken(name: &str, error: &SafeTensorError) -> Error {
    Error::Weights(format!("{name} is no whole safetensors file: {}", brief(error)))
}

/// Reads every tensor of a safetensors file, and its metadata.
///
/// `name` stands for the file in messages.
///
/// # Errors
/// [`Error::Weights`] where the bytes are no safetensors file or a tensor isn't of floats.
pub fn parse_safetensors(bytes: &[u8], name: &str) -> Result<(Weights, HashMap<String, String>)> {
    let file = parse(bytes, name)?;
    let weights = file
        .iter()
        .map(|(tensor, view)| {
            let element = element_type(view.dtype()).ok_or_else(|| {
                Error::Weights(format!("{tensor} of {name} holds {:?}, not floats", view.dtype()))
            })?;
            Ok((tensor.to_owned(), to_array(tensor, element, view.shape(), view.data())?))
        })
        .collect::<Result<Weights>>()?;
    let (_, metadata) =
        SafeTensors::read_metadata(bytes).map_err(|e| Error::Weights(format!("{name}: {e}")))?;
    Ok((weights, metadata.metadata().clone().unwrap_or_default()))
}

/// [`parse_safetensors`] of a file of at most `limit` bytes.
///
/// # Errors
/// As [`parse_safetensors`], and [`Error::Io`] where it can't be read.
pub fn read_safetensors(path: &Path, limit: u64) -> Result<(Weights, HashMap<String, String>)> {
    let name = path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(Error::io("open", path))?;
    if !metadata.is_file() || metadata.len() > limit {
        return Err(Error::Weights(format!("{name} is no file of at most {limit} bytes")));
    }
    parse_safetensors(&std::fs::read(path).map_err(Error::io("read", path))?, &name)
}

/// The bytes of a safetensors file with these tensors (float32) and one entry of metadata; the
/// same weights give the same bytes.
///
/// # Errors
/// [`Error::Weights`] where the format can't hold them.
pub fn to_safetensors(weights: &Weights, metadata: Option<(&str, &str)>) -> Result<Vec<u8>> {
    let bytes: Vec<(&str, &[usize], Vec<u8>)> = weights
        .iter()
        .map(|(name, tensor)| (name, tensor.shape(), tensor.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    let fail = |e| Error::Weights(format!("cannot write safetensors: {e}"));
    let views = bytes
        .iter()
        .map(|(name, shape, data)| {
            Ok((*name, TensorView::new(Dtype::F32, shape.to_vec(), data).map_err(fail)?))
        })
        .collect::<Result<Vec<_>>>()?;
    // A map of several keys would be written in random order: one keeps the bytes the same.
    let metadata = metadata.map(|(key, value)| HashMap::from([(key.to_owned(), value.to_owned())]));
    safetensors::serialize(views, metadata).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{ArrayD, IxDyn};

    #[test]
    fn tensors_and_metadata_survive_the_round_trip() {
        let mut weights = Weights::default();
        weights.insert("b", ArrayD::from_shape_vec(IxDyn(&[2, 1]), vec![1.0, -2.0]).unwrap());
        weights.insert("a", ArrayD::from_elem(IxDyn(&[]), 0.5));
        let bytes = to_safetensors(&weights, Some(("config", "{}"))).unwrap();
        assert_eq!(bytes, to_safetensors(&weights, Some(("config", "{}"))).unwrap());
        let (read, metadata) = parse_safetensors(&bytes, "test").unwrap();
        assert_eq!(read, weights);
        assert_eq!(metadata["config"], "{}");
        for end in 0..bytes.len() {
            assert!(parse_safetensors(&bytes[..end], "test").is_err(), "cut at {end}");
        }
    }
}
