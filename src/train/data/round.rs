//! The samples of one round of training.

use super::library::{Library, Set};
use super::mix::{Entry, Mix};
use super::seeds::derived;
use crate::bundle::Task;
use crate::eval::degrade::draw::{Degrade, Kind, severity};
use crate::frame::{from_rgb8, resize_bicubic, to_rgb8};
use crate::{Error, Result};
use image::RgbImage;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::sync::Arc;

/// A degraded picture with what it should become.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The degraded picture.
    pub degraded: Arc<RgbImage>,
    /// The clean one, of the same size.
    pub target: Arc<RgbImage>,
    /// What is to be undone.
    pub task: Task,
    /// The degradation in words.
    pub prompt: String,
    /// The set it is from.
    pub set: String,
    /// How bad it is, 0 to 1.
    pub severity: f32,
    /// For noise that was drawn, its standard deviation in 8-bit units.
    pub sigma: Option<f32>,
    /// What came on top, mildly.
    pub second: Option<Kind>,
}

/// Longest side that is degraded: of a larger clean picture a random part is taken, which keeps
/// a round's time and memory near the same whatever the photos.
const LARGEST: u32 = 640;

/// Makes the samples of any round.
#[derive(Clone, Debug)]
pub struct Rounds {
    library: Arc<Library>,
    mix: Mix,
    count: usize,
    seed: u64,
}

impl Rounds {
    /// Rounds of `count` samples.
    ///
    /// # Errors
    /// [`Error::Input`] where the mix can't be drawn from the library, or `count` is 0.
    pub fn new(library: Arc<Library>, mix: Mix, count: usize, seed: u64) -> Result<Self> {
        mix.check(&library)?;
        if count == 0 {
            return Err(Error::Input("a round has at least one sample".into()));
        }
        Ok(Self { library, mix, count, seed })
    }

    /// Samples per round.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The library that is drawn from.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The samples of round `index`, in random order. Each entry of the mix has its share of
    /// them, to within one; within an entry each picture comes up once before any comes again.
    /// The same on any number of threads.
    ///
    /// # Errors
    /// [`Error::Input`] where the library lacks a set, which [`Self::new`] has ruled out.
    pub fn round(&self, index: u64) -> Result<Vec<Sample>> {
        let seed = derived(self.seed, index);
        let plan = self.plan(index);
        plan.par_iter()
            .enumerate()
            .map(|(i, &(entry, turn))| {
                self.sample(&self.mix.entries[entry], entry, turn, derived(seed, i as u64))
            })
            .collect()
    }

    /// For each sample of a round, its entry, and the turn that this entry is at.
    fn plan(&self, index: u64) -> Vec<(usize, u64)> {
        let mut rng = ChaCha8Rng::seed_from_u64(derived(self.seed, !index));
        // One comb over the shares per round gives each entry its share to within one; shifting
        // it by the golden ratio from round to round evens out what is left.
        let shift = (index as f64 * 0.618_033_988_749_894_9).fract();
        let mut plan = Vec::with_capacity(self.count);
        let (mut passed, mut total) = (0usize, 0.0);
        let shares = self.mix.shares();
        for (entry, share) in shares.iter().enumerate() {
            total += share;
            let until = match entry + 1 == shares.len() {
                true => self.count,
                // The comb's teeth are at `shift`, `1 + shift`, … of `count`.
                false => ((total * self.count as f64 - shift).ceil().max(0.0) as usize).min(self.count),
            };
            let first = (index as f64 * share * self.count as f64) as u64;
            plan.extend((passed..until).enumerate().map(|(i, _)| (entry, first + i as u64)));
            passed = until.max(passed);
        }
        plan.shuffle(&mut rng);
        plan
    }

    fn sample(&self, entry: &Entry, number: usize, turn: u64, seed: u64) -> Result<Sample> {
        let set = self.library.set(&entry.set)?;
        let at = self.picked(set.len(), number, turn);
        let of = |degraded: Arc<RgbImage>, target: Arc<RgbImage>, severity: f32, sigma: Option<f32>| Sample {
            degraded,
            target,
            task: entry.task,
            prompt: entry.prompt(sigma).to_owned(),
            set: entry.set.clone(),
            severity,
            sigma,
            second: None,
        };
        let pictures = match set {
            Set::Pairs(pairs) => {
                let pair = &pairs[at];
                let severity = severity(typical(entry.task), &pair.input, &pair.target);
                return Ok(of(pair.input.clone(), pair.target.clone(), severity, None));
            }
            Set::Clean(pictures) => pictures,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut clean = part(&pictures[at], &mut rng);
        if let Some(least) = entry.shrink {
            clean = smaller(&clean, rng.random_range(least..=1.0))?;
        }
        let Some(degrade) = &entry.degrade else {
            return Ok(of(clean.clone(), clean, 0.0, None));
        };
        let mixed = !entry.mixed_with.is_empty() && rng.random::<f32>() < entry.mixed_chance;
        let second = mixed.then(|| entry.mixed_with[rng.random_range(0..entry.mixed_with.len())]);
        let drawn = match second {
            Some(second) => degrade.draw_with(&Degrade::mild(second), &clean, rng.random()),
            None => degrade.draw(&clean, rng.random()),
        };
        Ok(Sample { second, ..of(Arc::new(drawn.picture), clean, drawn.severity, drawn.sigma) })
    }

    /// The picture of an entry's `turn`: a new random order each time all have had theirs.
    fn picked(&self, pictures: usize, entry: usize, turn: u64) -> usize {
        let (pass, place) = (turn / pictures as u64, (turn % pictures as u64) as usize);
        let seed = derived(derived(self.seed, 0x5E7 + entry as u64), pass);
        let mut order: Vec<u32> = (0..pictures as u32).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        order[place] as usize
    }
}

/// The kind by which the severity of a task's pairs is measured.
fn typical(task: Task) -> Kind {
    match task {
        Task::Denoise => Kind::Noise,
        Task::Derain => Kind::RainHeavy,
        Task::Dehaze => Kind::Haze,
        Task::Deblur => Kind::MotionBlur,
        Task::LowLight => Kind::LowLight,
        Task::Clear => Kind::Clear,
    }
}

fn part(picture: &Arc<RgbImage>, rng: &mut ChaCha8Rng) -> Arc<RgbImage> {
    let (width, height) = picture.dimensions();
    if width.max(height) <= LARGEST {
        return picture.clone();
    }
    let (wide, tall) = (width.min(LARGEST), height.min(LARGEST));
    let (left, top) = (rng.random_range(0..=width - wide), rng.random_range(0..=height - tall));
    Arc::new(image::imageops::crop_imm(picture.as_ref(), left, top, wide, tall).to_image())
}

/// Shorter sides are not made.
const LEAST_SIDE: f32 = 160.0;

/// A picture made smaller by a factor, as far as [`LEAST_SIDE`] allows.
fn smaller(picture: &Arc<RgbImage>, factor: f32) -> Result<Arc<RgbImage>> {
    let (width, height) = picture.dimensions();
    let factor = factor.max(LEAST_SIDE / width.min(height) as f32);
    if factor >= 1.0 {
        return Ok(picture.clone());
    }
    let scaled = |side: u32| (side as f32 * factor).round() as usize;
    let planes = resize_bicubic(from_rgb8(picture).view(), scaled(height), scaled(width))?;
    Ok(Arc::new(to_rgb8(planes.view())))
}
