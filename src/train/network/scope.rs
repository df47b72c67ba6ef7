//! The layers below a prefix, by the names that their nodes have in the ONNX graph.

use super::layers;
use super::rounding::Rounding;
use crate::train::kernels;
use crate::train::parameters::Parameters;
use burn::tensor::Tensor;

/// A part of the network: its parameters, and how it rounds.
#[derive(Clone, Debug)]
pub(super) struct Scope<'a> {
    parameters: &'a Parameters,
    rounding: Option<&'a Rounding>,
    prefix: String,
}

impl<'a> Scope<'a> {
    /// The whole network.
    pub(super) fn new(parameters: &'a Parameters, rounding: Option<&'a Rounding>) -> Self {
        Self { parameters, rounding, prefix: String::new() }
    }

    /// The part below a longer prefix.
    pub(super) fn at(&self, name: &str) -> Self {
        Self { prefix: self.path(name), ..self.clone() }
    }

    /// The tensor of that name; panics as [`Parameters::get`].
    pub(super) fn get<const D: usize>(&self, name: &str) -> Tensor<D> {
        self.parameters.get(&self.path(name))
    }

    /// A layer's weights.
    pub(super) fn weights(&self, layer: &str) -> Tensor<4> {
        self.matrix(layer, self.get(&format!("{}.weight", layer.trim_end_matches('\''))))
    }

    /// Weights of a layer whose tensor has another form than the parameter.
    pub(super) fn matrix<const D: usize>(&self, layer: &str, weights: Tensor<D>) -> Tensor<D> {
        match self.rounding {
            Some(rounding) => rounding.weights(&self.path(layer), weights),
            None => weights,
        }
    }

    /// What a layer takes.
    pub(super) fn input(&self, layer: &str, x: Tensor<4>) -> Tensor<4> {
        match self.rounding {
            Some(rounding) => rounding.input(self.parameters, &self.path(layer), x),
            None => x,
        }
    }

    /// What a layer gives.
    pub(super) fn output(&self, layer: &str, x: Tensor<4>) -> Tensor<4> {
        match self.rounding {
            Some(rounding) => rounding.output(self.parameters, &self.path(layer), x),
            None => x,
        }
    }

    /// A 1×1 convolution.
    pub(super) fn pointwise(&self, layer: &str, x: Tensor<4>) -> Tensor<4> {
        self.output(layer, layers::pointwise(self.input(layer, x), self.weights(layer)))
    }

    /// A 3×3 convolution.
    pub(super) fn convolution(&self, layer: &str, x: Tensor<4>) -> Tensor<4> {
        self.output(layer, layers::convolution(self.input(layer, x), self.weights(layer)))
    }

    /// `N` feature maps, each a 1×1 convolution and a depthwise one behind it, by its own part of
    /// their weights: no copy of the features is cut apart.
    pub(super) fn projected<const N: usize>(
        &self,
        pointwise: &str,
        depthwise: &str,
        x: Tensor<4>,
    ) -> [Tensor<4>; N] {
        let x = self.input(pointwise, x);
        let [first, second] = [pointwise, depthwise].map(|layer| self.weights(layer));
        let channels = first.dims()[0] / N;
        std::array::from_fn(|part| {
            let cut = |weight: &Tensor<4>| weight.clone().narrow(0, part * channels, channels);
            let hidden = self.output(pointwise, layers::pointwise(x.clone(), cut(&first)));
            let hidden = self.input(depthwise, hidden);
            self.output(depthwise, kernels::depthwise(hidden, cut(&second)))
        })
    }

    fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.into() } else { format!("{}.{name}", self.prefix) }
    }
}
