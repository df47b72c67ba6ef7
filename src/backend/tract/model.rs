//! A model as read, before its input sizes are known.

use super::threads::{self, Pool};
use super::{Session, error, guarded, lower};
use crate::backend::Options;
use crate::onnx::edit::Edit;
use crate::{Error, Result};
use half::f16;
use std::collections::HashMap;
use tract_onnx::model::ParseResult;
use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{DimLike, Factoid, GenericFactoid};

/// An ONNX model that is parsed once and optimised for each set of input shapes.
pub struct Model {
    name: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    integers: Vec<String>,
    graph: InferenceModel,
    pool: Pool,
}

/// An input's name and shape.
type Shaped = (String, Vec<usize>);

/// What is known of a value without running the model.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) shape: Vec<usize>,
    pub(crate) is_f16: bool,
}

impl Model {
    /// Takes a model as it is, whatever this CPU computes in.
    pub(crate) fn of(proto: pb::ModelProto, name: &str, options: &Options) -> Result<Self> {
        let (mut model, outlets) = Self::as_written(&proto, name, options)?;
        let edit = Edit::of(proto)?;
        let what = format!("{name} is no model that can be read");
        model.integers = guarded(&what, || lower::lower(&edit, &mut model.graph, outlets))?;
        Ok(model)
    }

    /// A model without passes of ours, and where its values come from.
    fn as_written(proto: &pb::ModelProto, name: &str, options: &Options) -> Result<(Self, lower::Outlets)> {
        let unreadable = |why: &str| Error::Model(format!("{name} is no model that can be read: {why}"));
        let Some(graph) = &proto.graph else { return Err(unreadable("it is empty")) };
        let is_constant = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
        let inputs =
            graph.input.iter().map(|info| info.name.clone()).filter(|name| !is_constant(name)).collect();
        let outputs = graph.output.iter().map(|info| info.name.clone()).collect();
        // Output shapes are left to inference: the file names them H and W, sessions give numbers.
        let reader = tract_onnx::onnx().with_ignore_output_shapes(true);
        let what = format!("{name} is no model that can be read");
        let ParseResult { model: graph, unresolved_inputs, outlets_by_name } =
            guarded(&what, || reader.parse(proto, None))?;
        if let Some(missing) = unresolved_inputs.first() {
            return Err(unreadable(&format!("nothing gives {missing}")));
        }
        let pool = threads::pool(options.threads);
        let model = Self { name: name.into(), inputs, outputs, integers: Vec::new(), graph, pool };
        Ok((model, outlets_by_name))
    }

    /// Names of the inputs, in the file's order.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Names of the outputs, in the file's order.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// The layers (by their nodes' names) that run on integers.
    pub fn integer_layers(&self) -> &[String] {
        &self.integers
    }

    /// What stands for the model in messages.
    pub(in super::super) fn name(&self) -> &str {
        &self.name
    }

    /// The threads that it runs on, if not the caller's.
    pub(in super::super) fn pool(&self) -> Pool {
        self.pool.clone()
    }

    /// The inputs in the file's order, with these shapes.
    ///
    /// # Errors
    /// As [`Model::session`].
    pub(in super::super) fn check(&self, shapes: &[(&str, &[usize])]) -> Result<Vec<Shaped>> {
        self.at(shapes).map(|(_, inputs)| inputs)
    }

    /// Optimises the model for inputs of these shapes.
    ///
    /// # Errors
    /// [`Error::Model`] where an input is missing, unknown or of a shape that the model can't
    /// take.
    pub fn session(&self, shapes: &[(&str, &[usize])]) -> Result<Session> {
        let (graph, inputs) = self.at(shapes)?;
        let run = RunOptions { executor: Some(threads::executor(&self.pool)), ..Default::default() };
        let what = format!("{} does not fit inputs {shapes:?}", self.name);
        let plan = guarded(&what, || graph.into_optimized()?.into_runnable_with_options(&run))?;
        Ok(Session::new(&self.name, inputs, &self.outputs, plan, self.pool.clone()))
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
        let (model, _) = Self::as_written(proto, name, &Options { threads: 1, ..Options::default() })?;
        let (mut graph, _) = model.at(shapes)?;
        guarded(&format!("{name} does not fit inputs {shapes:?}"), || graph.analyse(false))?;
        let mut facts = HashMap::new();
        for node in graph.nodes() {
            for (slot, outlet) in node.outputs.iter().enumerate() {
                // Inputs and constants have no label; their nodes are called after them.
                let name = graph.outlet_label(OutletId::new(node.id, slot)).unwrap_or(&node.name);
                let extents = outlet.fact.shape.concretize();
                let shape = extents
                    .and_then(|extents| extents.iter().map(|dim| dim.to_usize().ok()).collect::<Option<_>>());
                if let Some(shape) = shape {
                    let is_f16 = outlet.fact.datum_type.concretize() == Some(f16::datum_type());
                    facts.insert(name.to_owned(), Fact { shape, is_f16 });
                }
            }
        }
        Ok(facts)
    }

    /// The graph with these input shapes, and the inputs in the file's order.
    fn at(&self, shapes: &[(&str, &[usize])]) -> Result<(InferenceModel, Vec<Shaped>)> {
        if let Some((unknown, _)) =
            shapes.iter().find(|(name, _)| !self.inputs.iter().any(|input| input == name))
        {
            return Err(Error::Model(format!(
                "{} has no input {unknown}; it has {}",
                self.name,
                self.inputs.join(", ")
            )));
        }
        let mut graph = self.graph.clone();
        let mut inputs = Vec::new();
        for (index, name) in self.inputs.iter().enumerate() {
            let Some((_, shape)) = shapes.iter().find(|(given, _)| given == name) else {
                return Err(Error::Model(format!("{} wants an input {name}, which is not given", self.name)));
            };
            let declared = graph.input_fact(index).map_err(|e| error(&self.name, &e))?;
            if !accepts(declared, shape) {
                return Err(Error::Model(format!(
                    "{} takes an input {name} of shape {:?}, not {shape:?}",
                    self.name, declared.shape
                )));
            }
            let element = declared.datum_type.concretize().unwrap_or(f32::datum_type());
            let fact = InferenceFact::dt_shape(element, *shape);
            graph.set_input_fact(index, fact).map_err(|e| error(&self.name, &e))?;
            inputs.push((name.clone(), shape.to_vec()));
        }
        Ok((graph, inputs))
    }
}

/// Whether a declared fact (numbers, symbols, unknowns) takes a shape.
fn accepts(declared: &InferenceFact, shape: &[usize]) -> bool {
    let Some(rank) = declared.shape.rank().concretize() else { return true };
    let fits = |(declared, &extent): (&GenericFactoid<TDim>, &usize)| {
        declared.concretize().and_then(|dim| dim.to_usize().ok()).is_none_or(|fixed| fixed == extent)
    };
    rank as usize == shape.len() && declared.shape.dims().zip(shape).all(fits)
}
