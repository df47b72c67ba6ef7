//! The layers that both the restorer and the VLM head are made of.

use super::graph::{Attribute, Graph, Value};
use crate::weights::Weights;
use crate::{Error, Result};
use ndarray::ArrayD;
use serde::Serialize;

/// Added to the variance in every LayerNorm (reference: 1e-5 in both networks).
const LAYER_NORM_EPSILON: f32 = 1e-5;

/// A graph and the weights that go into it.
pub(super) struct Net<'a> {
    pub(super) graph: Graph,
    weights: &'a Weights,
}

impl<'a> Net<'a> {
    pub(super) fn new(name: &str, weights: &'a Weights) -> Self {
        Self { graph: Graph::new(name), weights }
    }

    pub(super) fn tensor(&self, name: &str) -> Result<&'a ArrayD<f32>> {
        self.weights.get(name)
    }

    /// The bytes of the model file, which says what it was built from.
    pub(super) fn finish(self, config: &impl Serialize) -> Result<Vec<u8>> {
        let config = serde_json::to_string(config).map_err(|e| Error::Config(e.to_string()))?;
        Ok(self.graph.finish(&[("vlunet.config", config), ("vlunet.weights.sha256", self.weights.sha256())]))
    }

    /// A weight as it is.
    pub(super) fn weight(&mut self, name: &str) -> Result<Value> {
        let tensor = self.weights.get(name)?;
        Ok(self.graph.floats(name, tensor))
    }

    /// A convolution of stride 1 that keeps the size; `group` is 1, or the number of channels
    /// for a depthwise one. The node is named after the layer.
    pub(super) fn conv(&mut self, layer: &str, x: &Value, depthwise: bool) -> Result<Value> {
        let name = format!("{layer}.weight");
        let shape = self.tensor(&name)?.shape();
        let &[outputs, _, kernel, _] = shape else {
            return Err(Error::Weights(format!("{name} has shape {shape:?}, not that of a convolution")));
        };
        let weight = self.weight(&name)?;
        let (kernel, pad) = (kernel as i64, kernel as i64 / 2);
        Ok(self.graph.node(
            "Conv",
            layer,
            &[x, &weight],
            &[
                ("group", Attribute::Int(if depthwise { outputs as i64 } else { 1 })),
                ("kernel_shape", Attribute::Ints(&[kernel, kernel])),
                ("pads", Attribute::Ints(&[pad; 4])),
                ("strides", Attribute::Ints(&[1, 1])),
            ],
        ))
    }

    /// x·Wᵀ + b on the last axis.
    pub(super) fn linear(&mut self, layer: &str, weight: &str, bias: &str, x: &Value) -> Result<Value> {
        let matrix = self.tensor(weight)?.t().as_standard_layout().into_owned();
        let matrix = self.graph.floats(&format!("{weight}.t"), &matrix);
        let product = self.graph.node("MatMul", &format!("{layer}.matmul"), &[x, &matrix], &[]);
        let bias = self.weight(bias)?;
        Ok(self.graph.node("Add", layer, &[&product, &bias], &[]))
    }

    /// LayerNorm over the last axis; `layer` holds `weight` and `bias`.
    pub(super) fn layer_norm(&mut self, layer: &str, x: &Value) -> Result<Value> {
        let weight = self.weight(&format!("{layer}.weight"))?;
        let bias = self.weight(&format!("{layer}.bias"))?;
        Ok(self.graph.node(
            "LayerNormalization",
            layer,
            &[x, &weight, &bias],
            &[("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(LAYER_NORM_EPSILON))],
        ))
    }

    /// The exact GELU, x/2·(1 + erf(x/√2)), in the form that engines fuse.
    pub(super) fn gelu(&mut self, name: &str, x: &Value) -> Value {
        let sqrt2 = self.graph.scalar("sqrt2", std::f32::consts::SQRT_2);
        let one = self.graph.scalar("one", 1.0);
        let half = self.graph.scalar("half", 0.5);
        let scaled = self.graph.node("Div", &format!("{name}.div"), &[x, &sqrt2], &[]);
        let erf = self.graph.node("Erf", &format!("{name}.erf"), &[&scaled], &[]);
        let shifted = self.graph.node("Add", &format!("{name}.add"), &[&erf, &one], &[]);
        let gated = self.graph.node("Mul", &format!("{name}.mul"), &[x, &shifted], &[]);
        self.graph.node("Mul", name, &[&gated, &half], &[])
    }

    pub(super) fn add(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.graph.node("Add", name, &[a, b], &[])
    }

    pub(super) fn sub(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.graph.node("Sub", name, &[a, b], &[])
    }

    pub(super) fn mul(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.graph.node("Mul", name, &[a, b], &[])
    }

    pub(super) fn matmul(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.graph.node("MatMul", name, &[a, b], &[])
    }

    pub(super) fn transpose(&mut self, name: &str, x: &Value, order: &[i64]) -> Value {
        self.graph.node("Transpose", name, &[x], &[("perm", Attribute::Ints(order))])
    }

    /// A reshape to constant extents (0 keeps the input's, one −1 is inferred).
    pub(super) fn reshape(&mut self, name: &str, x: &Value, shape: &[i64]) -> Value {
        let extents: Vec<String> = shape.iter().map(i64::to_string).collect();
        let shape = self.graph.ints(&format!("shape.{}", extents.join("x")), shape);
        self.graph.node("Reshape", name, &[x, &shape], &[])
    }

    pub(super) fn softmax(&mut self, name: &str, x: &Value) -> Value {
        self.graph.node("Softmax", name, &[x], &[("axis", Attribute::Int(-1))])
    }

    pub(super) fn concat(&mut self, name: &str, parts: &[&Value], axis: i64) -> Value {
        self.graph.node("Concat", name, parts, &[("axis", Attribute::Int(axis))])
    }
}
