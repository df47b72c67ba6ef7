//! Restoring in tiles that share the attentions of the whole picture.
//!
//! Tiles restored each on its own differ where they meet: every attention is computed from all
//! pixels, so each tile gets another brightness and colour (up to 157 of 255 on a night scene).
//! Here a first guess of the attention maps comes from the whole picture made small. Each pass
//! over the tiles runs with the maps of the pass before, and pools the tiles' sums of q·kᵀ, |q|²
//! and |k|² into the next ones, which brings those of deeper layers nearer to the whole
//! picture's; when they stay as they are, the pass's picture is the result.

use super::tiles::{Tiling, window};
use crate::arch::{DEGRADATION_DIM, Level, VluNetConfig};
use crate::backend::{self, Input, Model, Session};
use crate::frame::{Planes, resize_bicubic};
use crate::onnx::tiles::{Attention, TiledRestorer, prompt_name, stretched_prompt_name, weight_name};
use crate::vlm::Degradation;
use crate::{Error, Result};
use ndarray::{Array2, Array3, Array4, ArrayD, ArrayView3, Axis, Ix4, s};
use std::collections::HashMap;

/// Passes over the tiles, at the most.
const MAX_PASSES: usize = 4;

/// The maps are done when no entry (0..=1) moves by more than this from one pass to the next.
const SETTLED: f32 = 2e-3;

/// What runs the tiles of a picture.
pub(super) struct Pooled {
    config: VluNetConfig,
    attentions: Vec<Attention>,
    prompts: Session,
    guide: Model,
    tile: Model,
    /// The session of the last tile size.
    tile_session: Option<((usize, usize), Session)>,
}

/// Tensors for a run, by name.
type Tensors = Vec<(String, ArrayD<f32>)>;

impl Pooled {
    pub(super) fn new(onnx: &[u8], config: &VluNetConfig, options: &backend::Options) -> Result<Self> {
        let TiledRestorer { prompts, guide, tile, attentions } = TiledRestorer::cut(onnx, config)?;
        let prompts = Model::open(&prompts, "the restorer's prompts", options)?;
        Ok(Self {
            config: config.clone(),
            attentions,
            prompts: prompts.session(&[("degradation", &[1, DEGRADATION_DIM])])?,
            guide: Model::open(&guide, "the restorer's guide", options)?,
            tile: Model::open(&tile, "the restorer for tiles", options)?,
            tile_session: None,
        })
    }

    /// Restores a picture whose sides are multiples of the network's; not clamped.
    pub(super) fn restore(
        &mut self,
        image: ArrayView3<'_, f32>,
        degradation: &Degradation,
        tiling: &Tiling,
    ) -> Result<Planes> {
        let prompts = self.prompts(degradation)?;
        let attentions = self.attentions.clone();
        let mut maps = self.guide_maps(image, degradation, tiling)?;
        let mut pass = 1;
        loop {
            let mut pools: Vec<Pool> = attentions.iter().map(Pool::new).collect();
            let mut blended = Array3::zeros(image.dim());
            self.for_each_tile(image, tiling, &prompts, &maps, |outputs, area, weights| {
                pools.iter_mut().try_for_each(|pool| pool.add(outputs))?;
                blend(&mut blended, outputs, area, weights)
            })?;
            let pooled: Tensors = pools.into_iter().map(Pool::map).collect();
            let change = largest_change(&maps, &pooled);
            log::debug!("pass {pass} over {} tiles: attention maps move by {change:.1e}", tiling.len());
            if change <= SETTLED || pass == MAX_PASSES {
                return Ok(blended);
            }
            maps = pooled;
            pass += 1;
        }
    }

    /// The prompt of each level, before it is stretched.
    fn prompts(&mut self, degradation: &Degradation) -> Result<HashMap<&'static str, Array4<f32>>> {
        let outputs = self.prompts.run(&[("degradation", Input::F32(degradation.as_row()))])?;
        let prompt = |level: Level| {
            let prompt = outputs.get(&prompt_name(&level))?.to_owned().into_dimensionality::<Ix4>();
            let expected = (1, level.prompt_channels(), level.prompt_size(), level.prompt_size());
            let prompt = prompt.ok().filter(|prompt| prompt.dim() == expected);
            let unexpected = || Error::Model(format!("the prompt of {} has an unexpected shape", level.name));
            Ok((level.name, prompt.ok_or_else(unexpected)?))
        };
        self.config.levels().into_iter().map(prompt).collect()
    }

    /// The attention maps of the whole picture, made small enough for one run.
    fn guide_maps(
        &self,
        image: ArrayView3<'_, f32>,
        degradation: &Degradation,
        tiling: &Tiling,
    ) -> Result<Tensors> {
        let (_, height, width) = image.dim();
        let multiple = self.config.multiple();
        let scale = ((tiling.height * tiling.width) as f64 / (height * width) as f64).sqrt().min(1.0);
        let small = |side: usize| ((side as f64 * scale) as usize / multiple * multiple).max(multiple);
        let (height, width) = (small(height), small(width));
        let image = resize_bicubic(image, height, width)?.mapv_into(|value| value.clamp(0.0, 1.0));
        let shape = [1, 3, height, width];
        let mut session = self.guide.session(&[("image", &shape), ("degradation", &[1, DEGRADATION_DIM])])?;
        let image = image.insert_axis(Axis(0)).into_dyn();
        let inputs = [("image", Input::F32(image.view())), ("degradation", Input::F32(degradation.as_row()))];
        let outputs = session.run(&inputs)?;
        let names = self.attentions.iter().map(Attention::map);
        names.map(|name| Ok((name.clone(), outputs.get(&name)?.to_owned()))).collect()
    }

    fn for_each_tile(
        &mut self,
        image: ArrayView3<'_, f32>,
        tiling: &Tiling,
        prompts: &HashMap<&'static str, Array4<f32>>,
        maps: &Tensors,
        mut seen: impl FnMut(&backend::Outputs<'_>, &Area, &Weights) -> Result<()>,
    ) -> Result<()> {
        let (_, height, width) = image.dim();
        for (row, &top) in tiling.tops.iter().enumerate() {
            for (column, &left) in tiling.lefts.iter().enumerate() {
                let area = Area { top, left, height: tiling.height, width: tiling.width };
                let weights = Weights {
                    rows: window(&tiling.tops, row, tiling.height),
                    columns: window(&tiling.lefts, column, tiling.width),
                };
                let tile = image.slice(s![.., top..top + area.height, left..left + area.width]);
                let mut tensors: Tensors = Vec::new();
                for level in self.config.levels() {
                    let divisor = self.config.stem * level.scale;
                    let prompt =
                        prompts.get(level.name).ok_or_else(|| Error::Model("a prompt is missing".into()))?;
                    let stretched = stretch(prompt, (height, width), &area, divisor);
                    tensors.push((stretched_prompt_name(&level), stretched.into_dyn()));
                    tensors.push((weight_name(&level), weights.at_scale(divisor).into_dyn()));
                }
                let session = self.tile_session(&area, &tensors, maps)?;
                let mut inputs = vec![("image", Input::F32(tile.insert_axis(Axis(0)).into_dyn()))];
                inputs.extend(
                    tensors.iter().chain(maps).map(|(name, t)| (name.as_str(), Input::F32(t.view()))),
                );
                seen(&session.run(&inputs)?, &area, &weights)?;
            }
        }
        Ok(())
    }

    fn tile_session(&mut self, area: &Area, tensors: &Tensors, maps: &Tensors) -> Result<&mut Session> {
        let size = (area.height, area.width);
        let session = match self.tile_session.take() {
            Some((kept, session)) if kept == size => session,
            _ => {
                let image = [1, 3, area.height, area.width];
                let mut shapes: Vec<(&str, &[usize])> = vec![("image", &image)];
                shapes.extend(tensors.iter().chain(maps).map(|(name, t)| (name.as_str(), t.shape())));
                self.tile.session(&shapes)?
            }
        };
        Ok(&mut self.tile_session.insert((size, session)).1)
    }
}

/// Adds a tile's part of the restored picture.
fn blend(target: &mut Planes, outputs: &backend::Outputs<'_>, area: &Area, weights: &Weights) -> Result<()> {
    let tile = outputs.get("restored")?.into_dimensionality::<Ix4>().ok();
    let tile = tile.filter(|tile| tile.dim() == (1, 3, area.height, area.width));
    let tile = tile.ok_or_else(|| Error::Model("a restored tile has an unexpected shape".into()))?;
    let mut target =
        target.slice_mut(s![.., area.top..area.top + area.height, area.left..area.left + area.width]);
    ndarray::Zip::indexed(&mut target)
        .and(tile.index_axis(Axis(0), 0))
        .for_each(|(_, y, x), sum, &value| *sum += weights.rows[y] * weights.columns[x] * value);
    Ok(())
}

fn largest_change(before: &Tensors, after: &Tensors) -> f32 {
    let pairs = before.iter().zip(after).flat_map(|((_, a), (_, b))| a.iter().zip(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Where a tile is in its picture, in pixels.
struct Area {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

/// The share of each row and column of a tile in the picture; over all tiles they add up to 1.
struct Weights {
    rows: Vec<f32>,
    columns: Vec<f32>,
}

impl Weights {
    /// The square roots of the weights of features that are `divisor` times smaller.
    fn at_scale(&self, divisor: usize) -> Array4<f32> {
        let mean = |cell: &[f32]| cell.iter().sum::<f32>() / cell.len() as f32;
        let rows: Vec<f32> = self.rows.chunks(divisor).map(mean).collect();
        let columns: Vec<f32> = self.columns.chunks(divisor).map(mean).collect();
        Array4::from_shape_fn((1, 1, rows.len(), columns.len()), |(_, _, y, x)| (rows[y] * columns[x]).sqrt())
    }
}

/// The sums of one attention over all tiles, per head.
struct Pool<'a> {
    attention: &'a Attention,
    products: Vec<Array2<f64>>,
    q_squares: Vec<Vec<f64>>,
    k_squares: Vec<Vec<f64>>,
}

impl<'a> Pool<'a> {
    fn new(attention: &'a Attention) -> Self {
        let channels = attention.channels_per_head();
        Self {
            attention,
            products: vec![Array2::zeros((channels, channels)); attention.heads],
            q_squares: vec![vec![0.0; channels]; attention.heads],
            k_squares: vec![vec![0.0; channels]; attention.heads],
        }
    }

    fn add(&mut self, outputs: &backend::Outputs<'_>) -> Result<()> {
        let gram = outputs.get(&self.attention.gram())?;
        let (q_norm, k_norm) =
            (outputs.get(&self.attention.q_norm())?, outputs.get(&self.attention.k_norm())?);
        let channels = self.attention.channels_per_head();
        let norms = [1, self.attention.heads, channels, 1];
        if gram.shape() != [1, self.attention.heads, channels, channels]
            || q_norm.shape() != norms
            || k_norm.shape() != norms
        {
            return Err(Error::Model(format!("{} has an unexpected shape", self.attention.name)));
        }
        for head in 0..self.attention.heads {
            let norm = |norms: &ndarray::ArrayViewD<'_, f32>, c| f64::from(norms[[0, head, c, 0]]);
            for ((q, k), product) in self.products[head].indexed_iter_mut() {
                *product += f64::from(gram[[0, head, q, k]]) * norm(&q_norm, q) * norm(&k_norm, k);
            }
            for c in 0..channels {
                self.q_squares[head][c] += norm(&q_norm, c).powi(2);
                self.k_squares[head][c] += norm(&k_norm, c).powi(2);
            }
        }
        Ok(())
    }

    /// softmax(q̂·k̂ᵀ·τ) of the sums.
    fn map(self) -> (String, ArrayD<f32>) {
        let channels = self.attention.channels_per_head();
        let mut map = Array4::zeros((1, self.attention.heads, channels, channels));
        for (head, products) in self.products.iter().enumerate() {
            let temperature = f64::from(self.attention.temperature[head]);
            for (q, row) in products.rows().into_iter().enumerate() {
                let norm = |c: usize| (self.q_squares[head][q] * self.k_squares[head][c]).sqrt().max(1e-24);
                let scores: Vec<f64> =
                    row.iter().enumerate().map(|(c, p)| temperature * p / norm(c)).collect();
                let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let powers: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
                let total: f64 = powers.iter().sum();
                for (k, power) in powers.iter().enumerate() {
                    map[[0, head, q, k]] = (power / total) as f32;
                }
            }
        }
        (self.attention.map(), map.into_dyn())
    }
}

/// The part of a prompt that lies over a tile, when the prompt `[1, P, S, S]` is stretched
/// bilinearly (half-pixel centres) over features of the whole picture, `divisor` times smaller.
fn stretch(
    prompt: &Array4<f32>,
    (height, width): (usize, usize),
    area: &Area,
    divisor: usize,
) -> Array4<f32> {
    let (_, channels, side, _) = prompt.dim();
    let rows = sample(side, height / divisor, area.top / divisor, area.height / divisor);
    let columns = sample(side, width / divisor, area.left / divisor, area.width / divisor);
    Array4::from_shape_fn((1, channels, rows.len(), columns.len()), |(_, c, y, x)| {
        let ((y0, y1, fy), (x0, x1, fx)) = (rows[y], columns[x]);
        let at = |y: usize, x: usize| prompt[[0, c, y, x]];
        let across = |y: usize| at(y, x0) + fx * (at(y, x1) - at(y, x0));
        across(y0) + fy * (across(y1) - across(y0))
    })
}

/// For each of `count` cells from `start` on of `length` that `side` cells are stretched over:
/// the two cells between which it lies, and how far it is from the first to the second.
fn sample(side: usize, length: usize, start: usize, count: usize) -> Vec<(usize, usize, f32)> {
    let last = side.saturating_sub(1);
    (start..start + count)
        .map(|cell| {
            let at = ((cell as f64 + 0.5) * side as f64 / length as f64 - 0.5).clamp(0.0, last as f64);
            let first = at as usize;
            (first, (first + 1).min(last), (at - first as f64) as f32)
        })
        .collect()
}
