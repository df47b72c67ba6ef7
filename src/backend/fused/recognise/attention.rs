//! Attentions over channels: project_out(softmax(q̂·k̂ᵀ·τ)·v).

use super::super::program::{Attention, Key, Layer, Weights};
use super::layers::{Conv, Graph, Kind, plain};
use crate::backend::reader::UnitRows;
use crate::onnx::edit::ints_attribute;
use tract_onnx::pb::NodeProto;

/// An attention whose numbers aren't read yet.
pub(super) struct Found<'a> {
    /// What its first layer takes.
    pub(super) from: &'a str,
    /// The prompt that k is made of, where it is.
    pub(super) prompt: Option<&'a str>,
    heads: usize,
    channels: usize,
    epsilon: f32,
    temperature: &'a str,
    point: Conv<'a>,
    depthwise: Conv<'a>,
    /// The layers of k, where it comes from a prompt.
    key: Option<[Conv<'a>; 2]>,
    project_out: Conv<'a>,
}

impl<'a> Graph<'a> {
    /// The attention that gives a value.
    pub(super) fn attention(&self, value: &str) -> Option<Found<'a>> {
        let reader = &self.reader;
        let project_out = self.conv(value).filter(|conv| conv.output.is_none())?;
        let picture = reader.producer(project_out.from, "Reshape")?;
        let [mixed, shape] = picture.input.as_slice() else { return None };
        let [map, rows] = reader.producer(mixed, "MatMul")?.input.as_slice() else { return None };
        let [v, per_head] = reader.producer(rows, "Reshape")?.input.as_slice() else { return None };
        // The picture is of the shape of v.
        let of_v = reader.producer(shape, "Shape")?.input.first()? == v;

        let scaled = reader.producer(map, "Softmax")?.input.first()?;
        let [gram, temperature] = reader.producer(scaled, "Mul")?.input.as_slice() else { return None };
        let [q, turned] = reader.producer(gram, "MatMul")?.input.as_slice() else { return None };
        let turn = reader.producer(turned, "Transpose")?;
        let (q, k) = (reader.unit_rows(q)?, reader.unit_rows(turn.input.first()?)?);
        let alike = |rows: &UnitRows<'_>| (rows.heads, rows.channels, rows.epsilon.to_bits());
        let sound = of_v
            && ints_attribute(turn, "perm")? == [0, 1, 3, 2]
            && alike(&q) == alike(&k)
            && reader.heads(per_head)? == [q.heads, q.channels]
            && q.epsilon.is_finite();
        let split = reader.producer(q.picture, "Split").filter(|_| sound)?;

        let depthwise = self.conv(split.input.first()?)?;
        let point = self.conv(depthwise.from).filter(|conv| conv.output.is_none())?;
        let key = self.key(split, [q.picture, k.picture, v])?;
        Some(Found {
            from: point.from,
            prompt: key.map(|[point, _]| point.from),
            heads: q.heads,
            channels: q.heads.checked_mul(q.channels)?,
            epsilon: q.epsilon,
            temperature,
            point,
            depthwise,
            key,
            project_out,
        })
    }

    /// The layers that make k, where it isn't a part of what is split.
    fn key(&self, split: &NodeProto, [q, k, v]: [&str; 3]) -> Option<Option<[Conv<'a>; 2]>> {
        let parts: Vec<&str> = split.output.iter().map(String::as_str).collect();
        if parts == [q, k, v] {
            return Some(None);
        }
        let depthwise = self.conv(k).filter(|_| parts == [q, v])?;
        let point = self.conv(depthwise.from).filter(|conv| conv.output.is_none())?;
        Some(Some([point, depthwise]))
    }

    /// Reads the numbers of an attention.
    pub(super) fn read_attention(&self, found: &Found<'a>) -> Option<Attention> {
        let &Found { heads, channels, epsilon, .. } = found;
        let depthwise = self.layer(found.depthwise, Kind::Depthwise)?;
        let point = self.layer(found.point, Kind::Point)?;
        let (point, is_int) = coded_between(point, &depthwise)?;
        if depthwise.output.is_some() != is_int {
            return None;
        }
        // Integers behind a map of floats would be rounded where Program has no rounding.
        let project_out = self.layer(found.project_out, Kind::Point)?;
        if matches!(project_out.weights, Weights::Int { .. }) && !is_int {
            return None;
        }
        let key = match found.key {
            Some(convs) => Some(self.read_key(convs, is_int, channels)?),
            None => None,
        };
        let parts = if key.is_some() { 2 } else { 3 };
        let temperature = self.temperature(found.temperature, heads)?;
        let sound = depthwise.outputs == channels.checked_mul(parts)?
            && point.outputs == depthwise.outputs
            && point.inputs == channels
            && [project_out.outputs, project_out.inputs] == [channels; 2];
        let (project_out, project_bias) = plain(project_out);
        let attention =
            Attention { heads, point, depthwise, key, temperature, project_out, project_bias, epsilon };
        sound.then_some(attention)
    }

    fn read_key(&self, [point, depthwise]: [Conv<'a>; 2], is_int: bool, channels: usize) -> Option<Key> {
        let depthwise = self.layer(depthwise, Kind::Depthwise)?;
        let (point, of_integers) = coded_between(self.layer(point, Kind::Point)?, &depthwise)?;
        let output = depthwise.output;
        let sound = of_integers == is_int
            && output.is_some() == is_int
            && [point.outputs, depthwise.outputs] == [channels; 2];
        let ((point, point_bias), (depthwise, depthwise_bias)) = (plain(point), plain(depthwise));
        sound.then_some(Key { point, point_bias, depthwise, depthwise_bias, output })
    }

    /// τ, `[heads, 1, 1]`.
    fn temperature(&self, name: &str, heads: usize) -> Option<Vec<f32>> {
        let fits = self.reader.edit.shape(name)? == [heads, 1, 1];
        if fits { self.floats(name) } else { None }
    }
}

/// The first of two layers, with the code in which the second takes what it gives, and whether
/// they are of integers: both or neither.
pub(super) fn coded_between(mut first: Layer, second: &Layer) -> Option<(Layer, bool)> {
    match (&first.weights, &second.weights) {
        (Weights::Float(_), Weights::Float(_)) => Some((first, false)),
        (Weights::Int { .. }, Weights::Int { input, .. }) => {
            first.output = Some(*input);
            Some((first, true))
        }
        _ => None,
    }
}
