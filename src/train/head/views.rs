//! Pictures as the image tower meets them: parts of any size and exposure, resized to its side.

use super::prompts::{Mixture, blend, of_noise, of_task};
use crate::Result;
use crate::bundle::Task;
use crate::eval::degrade::Jpeg;
use crate::eval::degrade::draw::Kind;
use crate::frame::{Planes, from_rgb8, resize_bicubic, to_rgb8};
use crate::train::data::seeds::derived;
use crate::train::data::{Rounds, Sample};
use image::{RgbImage, imageops};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// A picture `[3, side, side]`, plane by plane, and what the head should say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// 8-bit values.
    pub pixels: Vec<u8>,
    /// How much of each prompt it shows.
    pub wanted: Mixture,
}

/// Makes the views of any round of samples.
#[derive(Clone, Debug)]
pub struct Views {
    rounds: Rounds,
    side: usize,
    looks: usize,
    seed: u64,
}

/// One clear view for so many samples, beside the mix's own clear pictures.
const SAMPLES_PER_CLEAR_VIEW: usize = 2;

/// How much of a mixture is its first degradation; the second is mild.
const FIRST_SHARE: f32 = 0.7;

/// Mean squared error, in the tower's input, below which a degraded picture teaches nothing:
/// 34.5 dB. Blur changes edges alone, where it shows more: 37 dB.
fn visible_error(task: Task) -> f32 {
    match task {
        Task::Deblur => 2.0e-4,
        _ => 3.5e-4,
    }
}

/// Parts smaller than this have lost too much to say what is wrong with them.
const LEAST_PART: u32 = 150;

impl Views {
    /// `looks` views of `side` pixels of each degraded picture of a round.
    pub fn new(rounds: Rounds, side: usize, looks: usize, seed: u64) -> Self {
        Self { rounds, side, looks, seed }
    }

    /// The views of round `index`; the same on any number of threads.
    ///
    /// # Errors
    /// As [`Rounds::round`].
    pub fn round(&self, index: u64) -> Result<Vec<View>> {
        let seed = derived(self.seed, index);
        let samples = self.rounds.round(index)?;
        let views = samples.par_iter().enumerate().map(|(number, sample)| {
            let mut rng = ChaCha8Rng::seed_from_u64(derived(seed, number as u64));
            let mut views = Vec::with_capacity(self.looks + 1);
            for _ in 0..self.looks {
                views.extend(self.degraded(sample, &mut rng)?);
            }
            if number % SAMPLES_PER_CLEAR_VIEW == 0 {
                let part = Part::of(&sample.target, &mut rng).cut(&sample.target);
                views.push(self.view(part, &Exposure::FREE, of_task(Task::Clear), &mut rng)?);
            }
            Ok(views)
        });
        Ok(views.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// A view of a sample's degraded picture; none where nobody would see what is wrong.
    fn degraded(&self, sample: &Sample, rng: &mut ChaCha8Rng) -> Result<Option<View>> {
        let wanted = wanted(sample);
        let part = Part::of(&sample.degraded, rng);
        let (degraded, target) = (part.cut(&sample.degraded), part.cut(&sample.target));
        if sample.task == Task::Clear {
            return self.view(degraded, &Exposure::FREE, wanted, rng).map(Some);
        }
        let error = self.resized(&degraded)? - self.resized(&target)?;
        if error.mapv(|x| x * x).mean().unwrap_or(0.0) < visible_error(sample.task) {
            return Ok(None);
        }
        let exposure = if sample.task == Task::LowLight { &Exposure::KEPT } else { &Exposure::NARROW };
        self.view(degraded, exposure, wanted, rng).map(Some)
    }

    fn resized(&self, part: &RgbImage) -> Result<Planes> {
        resize_bicubic(from_rgb8(part).view(), self.side, self.side)
    }

    fn view(
        &self,
        part: RgbImage,
        exposure: &Exposure,
        wanted: Mixture,
        rng: &mut ChaCha8Rng,
    ) -> Result<View> {
        let mut part = exposure.changed(part, rng);
        // Files say nothing of what their pictures show.
        if rng.random::<f32>() < 0.4 {
            part = Jpeg { quality: rng.random_range(60..=97) }.apply(&part);
        }
        let eight_bit = |x: &f32| (x * 255.0).round().clamp(0.0, 255.0) as u8;
        Ok(View { pixels: self.resized(&part)?.iter().map(eight_bit).collect(), wanted })
    }
}

fn wanted(sample: &Sample) -> Mixture {
    let first = match (sample.task, sample.sigma) {
        (Task::Denoise, Some(sigma)) => of_noise(sigma),
        (task, _) => of_task(task),
    };
    match sample.second.and_then(task_of_kind) {
        Some(Task::Denoise) => blend(&first, &of_noise(0.0), FIRST_SHARE),
        Some(second) => blend(&first, &of_task(second), FIRST_SHARE),
        None => first,
    }
}

/// JPEG has no prompt.
fn task_of_kind(kind: Kind) -> Option<Task> {
    match kind {
        Kind::Noise | Kind::SensorNoise => Some(Task::Denoise),
        Kind::RainLight | Kind::RainHeavy | Kind::RainFine => Some(Task::Derain),
        Kind::Haze => Some(Task::Dehaze),
        Kind::MotionBlur | Kind::ForwardMotion | Kind::Defocus => Some(Task::Deblur),
        Kind::LowLight => Some(Task::LowLight),
        Kind::Jpeg | Kind::Clear => None,
    }
}

/// A square part: often as large as the tower sees of a whole picture, else smaller.
struct Part {
    left: u32,
    top: u32,
    side: u32,
}

impl Part {
    fn of(picture: &RgbImage, rng: &mut ChaCha8Rng) -> Self {
        let (width, height) = picture.dimensions();
        let largest = width.min(height);
        let least = LEAST_PART.max(largest / 2).min(largest);
        let side = if rng.random::<f32>() < 0.4 { largest } else { rng.random_range(least..=largest) };
        Self { left: rng.random_range(0..=width - side), top: rng.random_range(0..=height - side), side }
    }

    fn cut(&self, picture: &RgbImage) -> RgbImage {
        imageops::crop_imm(picture, self.left, self.top, self.side, self.side).to_image()
    }
}

/// How far brightness and contrast may be from what they were.
struct Exposure {
    gain: [f32; 2],
    gamma: [f32; 2],
    contrast: [f32; 2],
    tint: f32,
}

impl Exposure {
    /// A clear picture stays clear in the evening and under clouds.
    const FREE: Self = Self { gain: [0.55, 1.15], gamma: [0.75, 1.35], contrast: [0.75, 1.15], tint: 0.08 };

    /// What is wrong with a degraded one must stay visible.
    const NARROW: Self = Self { gain: [0.8, 1.1], gamma: [0.9, 1.15], contrast: [0.9, 1.1], tint: 0.04 };

    /// Darkness is how low light shows.
    const KEPT: Self = Self { gain: [1.0; 2], gamma: [1.0; 2], contrast: [1.0; 2], tint: 0.0 };

    /// Changes half of the pictures.
    fn changed(&self, rgb: RgbImage, rng: &mut ChaCha8Rng) -> RgbImage {
        if rng.random() {
            return rgb;
        }
        let mut within = |[low, high]: [f32; 2]| rng.random_range(low..=high);
        let (gain, gamma, contrast) = (within(self.gain), within(self.gamma), within(self.contrast));
        let tints: [f32; 3] = std::array::from_fn(|_| 1.0 + within([-self.tint, self.tint]));
        let mut planes = from_rgb8(&rgb);
        let middle = planes.mean().unwrap_or(0.5);
        for (mut plane, tint) in planes.outer_iter_mut().zip(tints) {
            plane.mapv_inplace(|x| {
                let spread = (middle + (x - middle) * contrast).clamp(0.0, 1.0);
                spread.powf(gamma) * gain * tint
            });
        }
        to_rgb8(planes.view())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::data::{Library, Mix, Pair, Set};
    use std::sync::Arc;

    fn views(gain: u8, seed: u64) -> Vec<View> {
        let picture = |gain: u8| {
            RgbImage::from_fn(200, 180, |x, y| image::Rgb([x as u8 / gain, (x * y) as u8 / gain, 40 / gain]))
        };
        let pair = Pair { input: Arc::new(picture(gain)), target: Arc::new(picture(1)) };
        let library = Library::of_sets([("dark".to_owned(), Set::Pairs(vec![pair]))]);
        let mix = toml::from_str::<std::collections::BTreeMap<String, Mix>>(
            "data = [{ set = \"dark\", task = \"low-light\" }]",
        );
        let rounds = Rounds::new(Arc::new(library), mix.unwrap().remove("data").unwrap(), 4, 1).unwrap();
        Views::new(rounds, 32, 2, seed).round(0).unwrap()
    }

    #[test]
    fn each_view_has_its_own_part_and_says_what_it_shows() {
        let all = views(4, 1);
        let dark: Vec<&View> = all.iter().filter(|view| view.wanted == of_task(Task::LowLight)).collect();
        let clear: Vec<&View> = all.iter().filter(|view| view.wanted == of_task(Task::Clear)).collect();
        assert_eq!((dark.len(), clear.len(), all.len()), (8, 2, 10));
        assert!(all.iter().all(|view| view.pixels.len() == 3 * 32 * 32));
        let mean = |view: &View| view.pixels.iter().map(|x| f64::from(*x)).sum::<f64>() / 3072.0;
        assert!(dark.iter().all(|view| mean(view) < 40.0) && clear.iter().all(|view| mean(view) > 40.0));
        assert!(dark.windows(2).any(|pair| pair[0].pixels != pair[1].pixels));
        assert_eq!(all, views(4, 1));
        assert_ne!(all, views(4, 2));
    }

    #[test]
    fn a_degradation_that_nobody_sees_is_no_lesson() {
        let all = views(1, 1);
        assert!(all.len() == 2 && all.iter().all(|view| view.wanted == of_task(Task::Clear)));
    }

    #[test]
    fn a_mixture_says_both_of_its_degradations_and_most_of_the_first() {
        let picture = Arc::new(RgbImage::new(160, 160));
        let sample = Sample {
            degraded: picture.clone(),
            target: picture,
            task: Task::Dehaze,
            prompt: String::new(),
            set: String::new(),
            severity: 0.5,
            sigma: None,
            second: Some(Kind::RainLight),
        };
        let (haze, rain) = (of_task(Task::Dehaze), of_task(Task::Derain));
        assert_eq!(wanted(&sample), blend(&haze, &rain, FIRST_SHARE));
        assert_eq!(wanted(&Sample { second: Some(Kind::Jpeg), ..sample.clone() }), haze);
        let noise = Sample { task: Task::Denoise, sigma: Some(50.0), second: None, ..sample };
        assert_eq!(wanted(&noise), of_noise(50.0));
    }
}
