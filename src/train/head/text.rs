//! The text tower in training: tokens to d_T.

use super::layers::{adapter, layer_norm, transformer};
use crate::Result;
use crate::arch::ClipConfig;
use crate::train::parameters::Parameters;
use crate::vlm::tokenize;
use burn::tensor::{Device, Int, Tensor, TensorData, module};

/// Texts as tokens, `[B, T]`, with where each ends.
#[derive(Clone, Debug)]
pub struct Tokens {
    ids: Tensor<2, Int>,
    /// One-hot rows `[B, 1, T]` that pick the end-of-text token.
    end: Tensor<3>,
}

impl Tokens {
    /// The tokens of some texts, padded to the longest of them: what follows a text's end
    /// does not change its vector, for attention looks back only.
    ///
    /// # Errors
    /// [`crate::Error::Input`] where a text has more tokens than the tower takes.
    pub fn new<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        config: &ClipConfig,
        device: &Device,
    ) -> Result<Self> {
        let mut rows = Vec::new();
        for text in texts {
            let ids = tokenize(text, config.context)?;
            // The first of the largest id, as the reference's argmax finds it.
            let end = ids
                .iter()
                .enumerate()
                .fold(0, |best, (place, id)| if *id > ids[best] { place } else { best });
            rows.push((ids, end));
        }
        let length = rows.iter().map(|(_, end)| end + 1).max().unwrap_or(1);
        let ids: Vec<i64> = rows.iter().flat_map(|(ids, _)| ids[..length].iter().copied()).collect();
        let picks: Vec<f32> = rows
            .iter()
            .flat_map(|(_, end)| (0..length).map(move |place| if place == *end { 1.0 } else { 0.0 }))
            .collect();
        Ok(Self {
            ids: Tensor::from_data(TensorData::new(ids, [rows.len(), length]), device),
            end: Tensor::from_data(TensorData::new(picks, [rows.len(), 1, length]), device),
        })
    }
}

/// CLIP's own text feature: `[B, 512]`, before the adapter.
pub fn text_feature(parameters: &Parameters, config: &ClipConfig, tokens: &Tokens) -> Tensor<2> {
    let clip = parameters.at("clip_model");
    let [_, length] = tokens.ids.dims();
    let x = module::embedding(parameters.get("clip_model.token_embedding.weight"), tokens.ids.clone());
    let positions: Tensor<2> = clip.get("positional_embedding");
    let x = x + positions.narrow(0, 0, length).unsqueeze::<3>();
    let x = transformer(
        &clip.at("transformer"),
        &config.text,
        x,
        Some(&causal_mask(length, &tokens.end.device())),
    );
    let x = layer_norm(&clip.at("ln_final"), x);
    let feature: Tensor<2> = tokens.end.clone().matmul(x).squeeze_dim(1);
    feature.matmul(clip.get("text_projection"))
}

/// d_T of each text, `[B, 512]`.
pub fn text_vector(parameters: &Parameters, config: &ClipConfig, tokens: &Tokens) -> Tensor<2> {
    adapter(&parameters.at("text_adapter"), text_feature(parameters, config, tokens))
}

fn causal_mask(length: usize, device: &Device) -> Tensor<2> {
    let allowed = |at: usize| if at % length > at / length { f32::NEG_INFINITY } else { 0.0 };
    let mask: Vec<f32> = (0..length * length).map(allowed).collect();
    Tensor::from_data(TensorData::new(mask, [length, length]), device)
}
