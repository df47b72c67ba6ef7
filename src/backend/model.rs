//! A model of any engine.

use super::fused::tower::{self, Head};
use super::fused::{self, Network, recognise, recognise_tower};
use super::session::Blocks;
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
    /// The same model in fused blocks, where it is one that has them.
    fused: Option<Fused>,
}

/// A model in fused blocks.
enum Fused {
    Restorer(Arc<Network>),
    /// The image tower of a VLM head.
    Head(Arc<Head>),
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
        let fused = match options.engine {
            // What can't be read has its error from tract.
            Engine::Auto => Edit::of(proto.clone()).ok().and_then(|edit| Fused::of(&edit)),
            Engine::Tract => None,
        };
        let any = tract::Model::of(proto, name, options)?;
        let fused = fused.filter(|fused| fused.is_called_as(&any));
        Ok(Self { any, fused })
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

    /// Whether it runs in fused blocks of ours, as restorers and image towers do, and not operator by
    /// operator.
    pub fn is_fused(&self) -> bool {
        self.fused.is_some()
    }

    /// Makes the model ready for inputs of these shapes.
    ///
    /// # Errors
    /// [`Error::Model`] where an input is missing, unknown or of a shape that the model can't
    /// take.
    pub fn session(&self, shapes: &[(&str, &[usize])]) -> Result<Session> {
        match &self.fused {
            None => Ok(Session::of_tract(self.any.session(shapes)?)),
            Some(Fused::Restorer(network)) => self.restorer(network, shapes),
            Some(Fused::Head(head)) => {
                let inputs = self.any.check(shapes)?;
                let session = tower::Session::new(Arc::clone(head), self.any.pool())?;
                Ok(Session::of_fused(self.any.name(), inputs, head.feature(), Blocks::Head(session)))
            }
        }
    }

    /// Bytes that a session of a restorer for pictures of this size holds beside the weights, where it
    /// is known: a restorer in fused blocks takes all of its memory beforehand.
    pub fn session_memory(&self, height: usize, width: usize) -> Option<usize> {
        let threads = self.any.pool().map_or(1, |pool| pool.current_num_threads());
        match &self.fused {
            Some(Fused::Restorer(network)) => Some(network.session_bytes(threads, height, width)),
            _ => None,
        }
    }

    fn restorer(&self, network: &Arc<Network>, shapes: &[(&str, &[usize])]) -> Result<Session> {
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
        Ok(Session::of_fused(self.any.name(), inputs, Network::RESTORED, Blocks::Restorer(session)))
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

impl Fused {
    fn of(edit: &Edit) -> Option<Self> {
        let restorer =
            recognise(edit).and_then(Network::new).map(|network| Self::Restorer(Arc::new(network)));
        restorer.or_else(|| {
            recognise_tower(edit).and_then(|tower| Head::new(&tower)).map(|head| Self::Head(Arc::new(head)))
        })
    }

    /// Whether a model's inputs and outputs have the names that it runs with.
    fn is_called_as(&self, model: &tract::Model) -> bool {
        let (inputs, outputs) = (model.inputs(), model.outputs());
        match self {
            Self::Restorer(_) => {
                inputs == [Network::IMAGE, Network::DEGRADATION] && outputs == [Network::RESTORED]
            }
            Self::Head(head) => inputs == [head.image()] && outputs == [head.feature()],
        }
    }
}
