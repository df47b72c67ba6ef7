//! The restorer cut open at its attentions, so that tiles of one picture can share them.
//!
//! Everything in VLU-Net is local except for two things: each attention map A = softmax(q̂·k̂ᵀ·τ)
//! is computed from all pixels, and each prompt is stretched over the whole picture. Given both
//! from outside, a tile is restored as the whole picture would be, but for its borders. And
//! since q·kᵀ and the squared norms are sums over pixels, the tiles' own add up to the whole
//! picture's.

use crate::arch::{DGDM_HEADS, Level, VluNetConfig};
use crate::{Error, Result};
use prost::Message;
use std::collections::HashSet;
use tract_onnx::pb;

/// One attention of the network.
#[derive(Clone, Debug)]
pub struct Attention {
    /// Name of its layer, as `latent.gradient_descent.phi`.
    pub name: String,
    /// Its stage block.
    pub level: Level,
    /// Heads.
    pub heads: usize,
    /// The learned temperature τ of each head.
    pub temperature: Vec<f32>,
}

impl Attention {
    /// The map A, `[1, heads, C/heads, C/heads]`.
    pub fn map(&self) -> String {
        format!("{}.map", self.name)
    }

    /// q̂·k̂ᵀ, of the map's shape.
    pub fn gram(&self) -> String {
        format!("{}.gram", self.name)
    }

    /// |q| of each channel, `[1, heads, C/heads, 1]`.
    pub fn q_norm(&self) -> String {
        format!("{}.q.norm", self.name)
    }

    /// |k| of each channel.
    pub fn k_norm(&self) -> String {
        format!("{}.k.norm", self.name)
    }

    /// Channels of one head.
    pub fn channels_per_head(&self) -> usize {
        self.level.channels / self.heads
    }
}

/// Name of a level's prompt before it is stretched, `[1, P, S, S]`.
pub fn prompt_name(level: &Level) -> String {
    format!("{}.gradient_descent.prompt", level.name)
}

/// Name of a level's prompt at the size of its features, `[1, P, h, w]`.
pub fn stretched_prompt_name(level: &Level) -> String {
    format!("{}.gradient_descent.prompt.resized", level.name)
}

/// Name of the square root of the weight that each pixel of a level has in its attentions'
/// sums, `[1, 1, h, w]`.
pub fn weight_name(level: &Level) -> String {
    format!("{}.weight", level.name)
}

/// A restorer in the pieces that tiles need.
pub struct TiledRestorer {
    /// `degradation` to the prompt of each level.
    pub prompts: Vec<u8>,
    /// `image` and `degradation` to the map of each attention.
    pub guide: Vec<u8>,
    /// `image`, and for each level its stretched prompt and weight, and each attention's map, to
    /// `restored` and each attention's gram, |q| and |k|.
    pub tile: Vec<u8>,
    /// The attentions, in the order in which they run.
    pub attentions: Vec<Attention>,
}

impl TiledRestorer {
    /// Cuts a restorer that [`super::restorer()`] made.
    ///
    /// # Errors
    /// [`Error::Model`] where it is none.
    pub fn cut(onnx: &[u8], config: &VluNetConfig) -> Result<Self> {
        let model = pb::ModelProto::decode(onnx).map_err(|e| Error::Model(format!("the restorer: {e}")))?;
        let attentions = attentions(config, &model)?;
        let levels = config.levels();
        let names = |name: fn(&Level) -> String| levels.iter().map(name).collect::<Vec<_>>();
        let maps: Vec<String> = attentions.iter().map(Attention::map).collect();

        let prompts = extract(&model, &["degradation".into()], &names(prompt_name))?;
        let guide = extract(&model, &["image".into(), "degradation".into()], &maps)?;
        let mut weighted = model;
        for attention in &attentions {
            weigh_pixels(&mut weighted, attention)?;
        }
        let mut inputs = vec!["image".to_owned()];
        inputs.extend(names(stretched_prompt_name));
        inputs.extend(names(weight_name));
        inputs.extend(maps);
        let mut outputs = vec!["restored".to_owned()];
        outputs.extend(attentions.iter().flat_map(|a| [a.gram(), a.q_norm(), a.k_norm()]));
        let tile = extract(&weighted, &inputs, &outputs)?;
        Ok(Self { prompts, guide, tile, attentions })
    }
}

fn attentions(config: &VluNetConfig, model: &pb::ModelProto) -> Result<Vec<Attention>> {
    let mut attentions = Vec::new();
    for level in config.levels() {
        let gradient = ["phi", "phit"].map(|part| format!("{}.gradient_descent.{part}", level.name));
        let gradient = gradient.map(|name| (name, DGDM_HEADS));
        let block = |block| (format!("{}.denoiser.blocks.{block}.attn", level.name), level.heads);
        for (name, heads) in gradient.into_iter().chain((0..level.blocks).map(block)) {
            let temperature = constant(model, &format!("{name}.temperature"))?;
            if temperature.len() != heads {
                return Err(Error::Model(format!(
                    "{name} has {} temperatures for {heads} heads",
                    temperature.len()
                )));
            }
            attentions.push(Attention { name, level, heads, temperature });
        }
    }
    Ok(attentions)
}

fn constant(model: &pb::ModelProto, name: &str) -> Result<Vec<f32>> {
    let graph = model.graph.as_ref();
    let tensor = graph.and_then(|graph| graph.initializer.iter().find(|tensor| tensor.name == name));
    let tensor = tensor.ok_or_else(|| Error::Model(format!("the restorer has no constant {name}")))?;
    if !tensor.float_data.is_empty() {
        return Ok(tensor.float_data.clone());
    }
    Ok(tensor.raw_data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Multiplies q and k of an attention by the square root of the pixels' weights, so that gram
/// and norms are weighted sums. v stays as it is.
fn weigh_pixels(model: &mut pb::ModelProto, attention: &Attention) -> Result<()> {
    let nodes = &mut model.graph.get_or_insert_default().node;
    for part in ["q", "k"] {
        let rows = format!("{}.{part}.rows", attention.name);
        let missing = || Error::Model(format!("the restorer has no node {rows}"));
        let at = nodes.iter().position(|node| node.output == [rows.clone()]).ok_or_else(missing)?;
        let weighted = format!("{}.{part}.weighted", attention.name);
        let source = nodes[at].input.first_mut().ok_or_else(missing)?;
        let source = std::mem::replace(source, weighted.clone());
        nodes.insert(
            at,
            pb::NodeProto {
                op_type: "Mul".into(),
                name: weighted.clone(),
                input: vec![source, weight_name(&attention.level)],
                output: vec![weighted],
                ..Default::default()
            },
        );
    }
    Ok(())
}

/// The part of a model that leads from some of its values to others.
fn extract(model: &pb::ModelProto, inputs: &[String], outputs: &[String]) -> Result<Vec<u8>> {
    let graph = model.graph.as_ref().ok_or_else(|| Error::Model("the restorer is empty".into()))?;
    let mut wanted: HashSet<&str> = outputs.iter().map(String::as_str).collect();
    let mut nodes = Vec::new();
    // Nodes stand in the order in which they run: backwards, each is met after its users.
    for node in graph.node.iter().rev() {
        let given = |output: &String| inputs.contains(output);
        if node.output.iter().any(|output| wanted.contains(output.as_str()) && !given(output)) {
            wanted.extend(node.input.iter().map(String::as_str));
            nodes.push(node.clone());
        }
    }
    nodes.reverse();
    let info = |name: &String| graph.input.iter().find(|input| input.name == *name).cloned();
    let unknown = |name: &String| pb::ValueInfoProto {
        name: name.clone(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(pb::type_proto::Tensor {
                elem_type: pb::tensor_proto::DataType::Float as i32,
                shape: None,
            })),
            ..Default::default()
        }),
        ..Default::default()
    };
    let part = pb::GraphProto {
        name: graph.name.clone(),
        node: nodes,
        input: inputs.iter().map(|name| info(name).unwrap_or_else(|| unknown(name))).collect(),
        output: outputs.iter().map(unknown).collect(),
        initializer: graph
            .initializer
            .iter()
            .filter(|tensor| wanted.contains(tensor.name.as_str()))
            .cloned()
            .collect(),
        ..Default::default()
    };
    let part = pb::ModelProto {
        graph: Some(part),
        ir_version: model.ir_version,
        opset_import: model.opset_import.clone(),
        producer_name: model.producer_name.clone(),
        ..Default::default()
    };
    Ok(part.encode_to_vec())
}
