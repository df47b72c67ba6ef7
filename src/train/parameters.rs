//! The parameters of a network in training, by their names in the table of [`crate::arch`].

use crate::arch::Parameter;
use crate::weights::Weights;
use crate::{Error, Result};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use ndarray::ArrayD;
use std::collections::BTreeMap;

/// Tensors by name, flat, each with the shape that the network sees.
///
/// Flat tensors let optimizer, averages and checkpoints treat all alike.
#[derive(Clone, Debug)]
pub struct Parameters {
    tensors: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    shape: Vec<usize>,
    values: Tensor<1>,
}

impl Parameters {
    /// Every used parameter of the table, by `value`.
    pub fn new(table: &[Parameter], device: &Device, mut value: impl FnMut(&Parameter) -> Vec<f32>) -> Self {
        let tensors = table.iter().filter(|parameter| parameter.used).map(|parameter| {
            let values = TensorData::new(value(parameter), [parameter.elements()]);
            let entry = Entry { shape: parameter.shape.clone(), values: Tensor::from_data(values, device) };
            (parameter.name.clone(), entry)
        });
        Self { tensors: tensors.collect() }
    }

    /// The weights of a network of that table.
    ///
    /// # Errors
    /// [`Error::Weights`] where a tensor is missing or of another shape.
    pub fn from_weights(table: &[Parameter], weights: &Weights, device: &Device) -> Result<Self> {
        for parameter in table.iter().filter(|parameter| parameter.used) {
            let shape = weights.get(&parameter.name)?.shape();
            if shape != parameter.shape {
                return Err(Error::Weights(format!(
                    "{} is {shape:?}, but this network's is {:?}",
                    parameter.name, parameter.shape
                )));
            }
        }
        Ok(Self::new(table, device, |parameter| {
            weights.get(&parameter.name).map(|tensor| tensor.iter().copied().collect()).unwrap_or_default()
        }))
    }

    /// The numbers, as the runtime holds them.
    ///
    /// # Errors
    /// [`Error::Weights`] where the device does not give them back.
    pub fn to_weights(&self) -> Result<Weights> {
        let array = |(name, entry): (&String, &Entry)| {
            let values = entry.values.clone().into_data().try_into_vec::<f32>();
            let values = values.map_err(|e| Error::Weights(format!("{name}: {e:?}")))?;
            let array = ArrayD::from_shape_vec(entry.shape.clone(), values);
            Ok((name.clone(), array.map_err(|e| Error::Weights(format!("{name}: {e}")))?))
        };
        self.tensors.iter().map(array).collect()
    }

    /// The parameters as leaves of a new autodiff graph.
    pub fn tracked(&self) -> Self {
        self.map(|_, values| values.clone().autodiff().require_grad())
    }

    /// The gradients of tracked parameters; those that the loss does not depend on are zero.
    pub fn gradients(&self, gradients: &mut Gradients) -> Self {
        self.map(|_, values| {
            let gradient = values.grad_remove(gradients);
            gradient.unwrap_or_else(|| values.clone().inner().zeros_like())
        })
    }

    /// A copy on another device, which travels as one tensor; where they are there already,
    /// the parameters themselves.
    pub fn to_device(&self, device: &Device) -> Self {
        if self.device() == *device {
            return self.clone();
        }
        self.with_joined(self.joined().to_device(device))
    }

    /// The device that they are on; the default one where there are none.
    pub fn device(&self) -> Device {
        self.tensors.values().next().map(|entry| entry.values.device()).unwrap_or_default()
    }

    /// The length (Euclidean norm) of each tensor, in the order of their names.
    pub fn lengths(&self) -> Tensor<1> {
        Tensor::cat(self.iter().map(|(_, values)| values.clone().square().sum().sqrt()).collect(), 0)
    }

    /// All values in one flat tensor, in the order of their names.
    pub fn joined(&self) -> Tensor<1> {
        Tensor::cat(self.iter().map(|(_, values)| values.clone()).collect(), 0)
    }

    /// The values of a tensor as [`Self::joined`] makes it, under the same names.
    pub fn with_joined(&self, joined: Tensor<1>) -> Self {
        let mut from = 0;
        self.map(|_, values| {
            let [count] = values.dims();
            from += count;
            joined.clone().narrow(0, from - count, count)
        })
    }

    /// Other values under the same names.
    pub fn map(&self, mut f: impl FnMut(&str, &Tensor<1>) -> Tensor<1>) -> Self {
        let other = |(name, entry): (&String, &Entry)| {
            let entry = Entry { shape: entry.shape.clone(), values: f(name, &entry.values) };
            (name.clone(), entry)
        };
        Self { tensors: self.tensors.iter().map(other).collect() }
    }

    /// Names and flat values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<1>)> {
        self.tensors.iter().map(|(name, entry)| (name.as_str(), &entry.values))
    }

    /// The flat values of that name.
    ///
    /// # Panics
    /// Where the table has no such parameter: the network and its table disagree.
    pub fn values(&self, name: &str) -> &Tensor<1> {
        &self.entry(name).values
    }

    /// The tensor of that name in its shape.
    ///
    /// # Panics
    /// Where the table has no such parameter, or one of another rank: the network and its
    /// table disagree.
    pub fn get<const D: usize>(&self, name: &str) -> Tensor<D> {
        let entry = self.entry(name);
        let shape: Result<[usize; D], _> = entry.shape.clone().try_into();
        entry.values.clone().reshape(shape.unwrap_or_else(|shape| panic!("{name} is {shape:?}")))
    }

    /// The parameters below a prefix.
    pub fn at(&self, prefix: &str) -> Scope<'_> {
        Scope { parameters: self, prefix: prefix.into() }
    }

    fn entry(&self, name: &str) -> &Entry {
        self.tensors.get(name).unwrap_or_else(|| panic!("the table of parameters lacks {name}"))
    }
}

/// The parameters whose names begin alike.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    parameters: &'a Parameters,
    prefix: String,
}

impl Scope<'_> {
    /// The parameters below a longer prefix.
    pub fn at(&self, name: &str) -> Self {
        Self { parameters: self.parameters, prefix: format!("{}.{name}", self.prefix) }
    }

    /// The tensor of that name below the prefix; panics as [`Parameters::get`].
    pub fn get<const D: usize>(&self, name: &str) -> Tensor<D> {
        self.parameters.get(&format!("{}.{name}", self.prefix))
    }
}
