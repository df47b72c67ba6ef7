//! A model of any engine.

use super::fused::{self, Network, recognise};
use super::tract::{self, Fact};
use super::{Engine, Options, Session};
use crate::onnx::edit::Edit;
use crate::onnx::widen;
use crate::{Error, Result, cpu};
use prost::Message;
use std::collections::HashMap;
use std::sync::{Arc, Once};
use tract_onnx::pb;

/// An ONNX model that is parsed once and made ready for each set of input shapes.
pub struct Model {
    any: tract::Model,
    /// The same model in fused blocks, where it is a restorer.
    network: Option<Arc<Network>>,
}

impl Model {
    /// Reads a model from the bytes of an ONNX file; `name` stands for it in messages.
    ///
    /// # Errors
    /// [`Error::Model`] where the bytes are no ONNX model or hold an operator that no engine has.
    pub fn open(onnx: &[u8], name: &str, options: &Options) -> Result<Self> {
        let unreadable = |why: &str| Error::Model(format!("{name} is no model that can be read: {why}"));
        let mut proto = pb::ModelProto::decode(onnx).map_err(|e| unreadable(&e.to_string()))?;
        if !cpu::computes_in_f16() && widen(&mut proto).map_err(|e| unreadable(&e.to_string()))? {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                log::warn!("this CPU doesn't compute in float16: the model runs in float32, at its speed");
            });
        }
        Self::of(proto, name, options)
    }

    /// Takes a model as it is, whatever this CPU computes in.
    pub(crate) fn of(proto: pb::ModelProto, name: &str, options: &Options) -> Result<Self> {
        let program = match options.engine {
            Engine::Auto => recognise(&Edit::of(proto.clone())?),
            Engine::Tract => None,
        };
        let any = tract::Model::of(proto, name, options)?;
        let is_restorer =
            any.inputs() == [Network::IMAGE, Network::DEGRADATION] && any.outputs() == [Network::RESTORED];
        let network = program.filter(|_| is_restorer).and_then(Network::new).map(Arc::new);
        Ok(Self { any, network })
    }

    /// Names of the inputs, in the file's order.
    pub fn inputs(&self) -> &[String] {
        self.any.inputs()
    }

    /// Names of the outputs, in the file's order.
    pub fn outputs(&self) -> &[String] {
        self.any.outputs()
    }

    /// The layers (by their nodes' names) that run on integers.
    pub fn integer_layers(&self) -> &[String] {
        self.any.integer_layers()
    }

    /// Whether it runs in fused blocks of ours, as restorers do, and not operator by operator.
    pub fn is_fused(&self) -> bool {
        self.network.is_some()
    }

    /// Makes the model ready for inputs of these shapes.
    ///
    /// # Errors
    /// [`Error::Model`] where an input is missing, unknown or of a shape that the model can't
    /// take.
    pub fn session(&self, shapes: &[(&str, &[usize])]) -> Result<Session> {
        let Some(network) = &self.network else { return Ok(Session::of_tract(self.any.session(shapes)?)) };
        let inputs = self.any.check(shapes)?;
        let [height, width] = *shapes
            .iter()
            .find(|(name, _)| *name == Network::IMAGE)
            .and_then(|(_, shape)| shape.last_chunk::<2>())
            .ok_or_else(|| Error::Model(format!("{} takes pictures", self.any.name())))?;
        let multiple = network.multiple();
        if height == 0 || width == 0 || !height.is_multiple_of(multiple) || !width.is_multiple_of(multiple) {
            return Err(Error::Model(format!(
                "{} does not fit a picture of {width}x{height}: its sides must be multiples of {multiple}",
                self.any.name()
            )));
        }
        let session = fused::Session::new(Arc::clone(network), self.any.pool(), height, width)?;
        Ok(Session::of_fused(self.any.name(), inputs, session))
    }

    /// What the values of a file's graph are at these input shapes, by name, as far as it can be
    /// told.
    ///
    /// # Errors
    /// As [`Model::open`] and [`Model::session`].
    pub(crate) fn facts(
        proto: &pb::ModelProto,
        name: &str,
        shapes: &[(&str, &[usize])],
    ) -> Result<HashMap<String, Fact>> {
        tract::Model::facts(proto, name, shapes)
    }
}
