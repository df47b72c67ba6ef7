//! Patches cut from samples: what a network is trained on in one step.

use super::round::Sample;
use super::seeds::derived;
use crate::bundle::Task;
use crate::{Error, Result};
use image::RgbImage;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Patches of degraded pictures with their clean ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Side of a patch in pixels.
    pub patch: usize,
    /// The degraded patches, `[N, 3, patch, patch]`, RGB in 0..=1.
    pub input: Vec<f32>,
    /// The clean ones, likewise.
    pub target: Vec<f32>,
    /// The index of the sample that each patch is from, `[N]`.
    pub samples: Vec<usize>,
}

impl Batch {
    /// The same patches in another order: by a key of their samples.
    pub fn sorted_by_key<K: Ord>(&self, key: impl Fn(usize) -> K) -> Self {
        let mut order: Vec<usize> = (0..self.samples.len()).collect();
        order.sort_by_key(|&place| key(self.samples[place]));
        let size = 3 * self.patch * self.patch;
        let sorted = |values: &[f32]| {
            order.iter().flat_map(|&place| &values[place * size..(place + 1) * size]).copied().collect()
        };
        Self {
            patch: self.patch,
            input: sorted(&self.input),
            target: sorted(&self.target),
            samples: order.iter().map(|&place| self.samples[place]).collect(),
        }
    }
}

/// Cuts `count` patches for the `step`-th batch of a round: the samples come in random order,
/// each once before any comes again, over all steps. Patches are turned and mirrored at random;
/// those of rain and haze are only mirrored, as neither falls sideways.
///
/// # Errors
/// [`Error::Input`] where there are no samples, or one is smaller than a patch.
pub fn cut(samples: &[Sample], patch: usize, count: usize, seed: u64, step: u64) -> Result<Batch> {
    if let Some(small) = samples.iter().find(|sample| {
        let (width, height) = sample.target.dimensions();
        sample.degraded.dimensions() != (width, height) || (width.min(height) as usize) < patch
    }) {
        let (width, height) = small.target.dimensions();
        return Err(Error::Input(format!(
            "a {width}x{height} picture of set {} is smaller than the {patch}x{patch} patches",
            small.set
        )));
    }
    if samples.is_empty() {
        return Err(Error::Input("there are no samples to cut patches from".into()));
    }
    let places: Vec<u64> = (step * count as u64..(step + 1) * count as u64).collect();
    let chosen = in_random_order(&places, samples.len(), seed);
    let size = 3 * patch * patch;
    let (mut input, mut target) = (vec![0.0; count * size], vec![0.0; count * size]);
    if size > 0 {
        input
            .par_chunks_exact_mut(size)
            .zip(target.par_chunks_exact_mut(size))
            .zip(chosen.par_iter().zip(&places))
            .for_each(|((input, target), (&sample, &place))| {
                let sample = &samples[sample];
                let view = View::draw(sample, patch, derived(seed, place));
                view.copy(&sample.degraded, input);
                view.copy(&sample.target, target);
            });
    }
    Ok(Batch { patch, input, target, samples: chosen })
}

/// The samples at these places of an endless row of shuffled passes.
fn in_random_order(places: &[u64], samples: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    let mut shuffled = None;
    let mut chosen = Vec::with_capacity(places.len());
    for &place in places {
        let (pass, at) = (place / samples as u64, (place % samples as u64) as usize);
        if shuffled != Some(pass) {
            order = (0..samples).collect();
            order.shuffle(&mut ChaCha8Rng::seed_from_u64(derived(!seed, pass)));
            shuffled = Some(pass);
        }
        chosen.push(order[at]);
    }
    chosen
}

/// A square of a picture, turned and mirrored.
struct View {
    left: usize,
    top: usize,
    patch: usize,
    mirror: bool,
    flip: bool,
    transpose: bool,
}

impl View {
    fn draw(sample: &Sample, patch: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (width, height) = sample.target.dimensions();
        let falls = matches!(sample.task, Task::Derain | Task::Dehaze);
        Self {
            left: rng.random_range(0..=width as usize - patch),
            top: rng.random_range(0..=height as usize - patch),
            patch,
            mirror: rng.random(),
            flip: rng.random(),
            transpose: !falls && rng.random(),
        }
    }

    /// The square as planes `[3, patch, patch]` in 0..=1.
    fn copy(&self, rgb: &RgbImage, planes: &mut [f32]) {
        let (size, stride) = (self.patch, 3 * rgb.width() as usize);
        let pixels = rgb.as_raw();
        let turned = |at: usize, over: bool| if over { size - 1 - at } else { at };
        for y in 0..size {
            for x in 0..size {
                let (from_y, from_x) = if self.transpose { (x, y) } else { (y, x) };
                let row = self.top + turned(from_y, self.flip);
                let column = self.left + turned(from_x, self.mirror);
                let from = row * stride + 3 * column;
                for channel in 0..3 {
                    planes[(channel * size + y) * size + x] = f32::from(pixels[from + channel]) / 255.0;
                }
            }
        }
    }
}
