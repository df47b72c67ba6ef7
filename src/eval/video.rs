//! How steadily a restorer treats a video: what flickers or pumps that the scene doesn't.
//!
//! With r the restored frame, c the clean one and Δx_t = x_t − x_{t−1}:
//!
//! - flicker is the mean of |Δr − Δc| over pixels and frames: what moves in the video and not
//!   in the scene.
//! - pumping is the mean of |Δ(mean(r) − mean(c))|: steps of the whole picture's brightness.
//! - the PSNR's step is the mean of |ΔPSNR|.
//!
//! Where no clean video is known, regions of the input that stand still take its place: there
//! Δc is 0, and the input's brightness stands for the clean one's.

use super::degrade::guided::box_mean;
use super::metrics::psnr;
use crate::frame::Planes;
use ndarray::{Array2, ArrayView3, Axis, Zip};
use serde::Serialize;

/// Stands for the infinite PSNR of equal pictures, which no mean and no JSON can hold.
const EQUAL_PSNR: f64 = 100.0;

/// A pixel stands still where the mean brightness around it changes by less than this (in
/// 0..=1): three times what noise of sigma 25 of 255 changes it by.
const STILL: f32 = 4.0 / 255.0;

/// Half of the side of that neighbourhood, in pixels.
const AROUND: usize = 8;

/// Values are reported in steps of 8-bit pixels.
const STEPS: f64 = 255.0;

/// PSNR over a video, in dB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PsnrInTime {
    /// Over all frames; 100 stands for equal pictures.
    pub mean: f64,
    /// Standard deviation over the frames.
    pub deviation: f64,
    /// Mean difference from one frame to the next.
    pub step: f64,
}

/// Scores against the clean video; flicker and pumping are in steps of 8-bit values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct AgainstClean {
    /// PSNR of the input.
    pub psnr_in: PsnrInTime,
    /// PSNR of the restored video.
    pub psnr_out: PsnrInTime,
    /// What moves in the input and not in the scene.
    pub flicker_in: f64,
    /// What moves in the restored video and not in the scene.
    pub flicker_out: f64,
    /// Steps of the input's brightness that the scene doesn't have.
    pub pumping_in: f64,
    /// Those of the restored video.
    pub pumping_out: f64,
}

/// Scores where the input stands still; flicker and pumping are in steps of 8-bit values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct WhereStill {
    /// How much of the video that is, 0..=1.
    pub share: f64,
    /// What moves there in the input: noise, rain, compression.
    pub flicker_in: f64,
    /// What moves there in the restored video.
    pub flicker_out: f64,
    /// Steps of the restored video's brightness that the input doesn't have.
    pub pumping: f64,
}

/// Scores of a video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct VideoScores {
    /// Number of frames.
    pub frames: usize,
    /// Where the clean video is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against_clean: Option<AgainstClean>,
    /// Where the input stands still.
    pub where_still: WhereStill,
}

/// A frame of a video, planes `[3, H, W]` of one size, RGB in 0..=1.
#[derive(Clone, Copy)]
pub struct VideoFrame<'a> {
    /// As the camera saw it.
    pub input: ArrayView3<'a, f32>,
    /// What the restorer made of it.
    pub restored: ArrayView3<'a, f32>,
    /// As it should be, where that is known.
    pub clean: Option<ArrayView3<'a, f32>>,
}

/// Takes the frames of a video one after the other.
#[derive(Debug, Default)]
pub struct VideoEvaluation {
    frames: usize,
    before: Option<Before>,
    psnr_in: Vec<f64>,
    psnr_out: Vec<f64>,
    flicker_in: Mean,
    flicker_out: Mean,
    pumping_in: Mean,
    pumping_out: Mean,
    still: Mean,
    still_flicker_in: Mean,
    still_flicker_out: Mean,
    still_pumping: Mean,
}

#[derive(Debug)]
struct Before {
    input: Planes,
    restored: Planes,
    clean: Option<Planes>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

impl VideoEvaluation {
    /// Takes the next frame; one of another size than the last begins anew.
    ///
    /// # Panics
    /// Where the pictures of a frame differ in shape.
    pub fn add(&mut self, frame: VideoFrame<'_>) {
        self.frames += 1;
        if let Some(clean) = frame.clean {
            self.psnr_in.push(psnr(frame.input, clean).min(EQUAL_PSNR));
            self.psnr_out.push(psnr(frame.restored, clean).min(EQUAL_PSNR));
        }
        let before = self.before.take().filter(|before| before.input.dim() == frame.input.dim());
        if let Some(before) = before {
            let input = &frame.input - &before.input;
            let restored = &frame.restored - &before.restored;
            if let (Some(clean), Some(clean_before)) = (frame.clean, &before.clean) {
                let clean = &clean - clean_before;
                self.flicker_in.add(mean_difference(&input, &clean));
                self.flicker_out.add(mean_difference(&restored, &clean));
                self.pumping_in.add((mean(&input) - mean(&clean)).abs());
                self.pumping_out.add((mean(&restored) - mean(&clean)).abs());
            }
            self.add_still(&input, &restored);
        }
        self.before = Some(Before {
            input: frame.input.to_owned(),
            restored: frame.restored.to_owned(),
            clean: frame.clean.map(|clean| clean.to_owned()),
        });
    }

    fn add_still(&mut self, input: &Planes, restored: &Planes) {
        let change = input.mean_axis(Axis(0)).map(|change| box_mean(&change, AROUND));
        let Some(change) = change else { return };
        let still: Array2<bool> = change.mapv(|change| change.abs() < STILL);
        let count = still.iter().filter(|&&still| still).count();
        self.still.add(count as f64 / still.len().max(1) as f64);
        if count == 0 {
            return;
        }
        let samples = 3.0 * count as f64;
        let over = |planes: &Planes, value: fn(f32) -> f32| {
            let mut sum = 0.0;
            for plane in planes.outer_iter() {
                Zip::from(plane).and(&still).for_each(|&x, &still| {
                    sum += if still { f64::from(value(x)) } else { 0.0 };
                });
            }
            sum / samples
        };
        self.still_flicker_in.add(over(input, f32::abs));
        self.still_flicker_out.add(over(restored, f32::abs));
        self.still_pumping.add((over(restored, |x| x) - over(input, |x| x)).abs());
    }

    /// The scores of all frames so far.
    pub fn scores(&self) -> VideoScores {
        let against_clean = (!self.psnr_in.is_empty()).then(|| AgainstClean {
            psnr_in: in_time(&self.psnr_in),
            psnr_out: in_time(&self.psnr_out),
            flicker_in: STEPS * self.flicker_in.value(),
            flicker_out: STEPS * self.flicker_out.value(),
            pumping_in: STEPS * self.pumping_in.value(),
            pumping_out: STEPS * self.pumping_out.value(),
        });
        let where_still = WhereStill {
            share: self.still.value(),
            flicker_in: STEPS * self.still_flicker_in.value(),
            flicker_out: STEPS * self.still_flicker_out.value(),
            pumping: STEPS * self.still_pumping.value(),
        };
        VideoScores { frames: self.frames, against_clean, where_still }
    }
}

fn mean(planes: &Planes) -> f64 {
    planes.iter().map(|&value| f64::from(value)).sum::<f64>() / planes.len().max(1) as f64
}

fn mean_difference(a: &Planes, b: &Planes) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum();
    sum / a.len().max(1) as f64
}

fn in_time(values: &[f64]) -> PsnrInTime {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let steps: f64 = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
    PsnrInTime { mean, deviation: variance.sqrt(), step: steps / (values.len().max(2) - 1) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(value: impl Fn(usize, usize) -> f32) -> Planes {
        Planes::from_shape_fn((3, 40, 60), |(_, y, x)| value(y, x))
    }

    fn scores(frames: &[(Planes, Planes, Option<Planes>)]) -> VideoScores {
        let mut evaluation = VideoEvaluation::default();
        for (input, restored, clean) in frames {
            let clean = clean.as_ref().map(|clean| clean.view());
            evaluation.add(VideoFrame { input: input.view(), restored: restored.view(), clean });
        }
        evaluation.scores()
    }

    #[test]
    fn a_perfect_restorer_neither_flickers_nor_pumps() {
        let frame = |t: usize| {
            // The scene itself moves, and the input's brightness jumps about it.
            let clean = planes(|_, x| if (x + 3 * t) % 20 < 10 { 0.2 } else { 0.6 });
            (&clean + 0.1 * (t % 2) as f32, clean.clone(), Some(clean))
        };
        let scores = scores(&[frame(0), frame(1), frame(2)]);
        let against = scores.against_clean.unwrap();
        assert_eq!((against.flicker_out, against.pumping_out, against.psnr_out.mean), (0.0, 0.0, 100.0));
        assert!((against.flicker_in - 25.5).abs() < 1e-3 && (against.pumping_in - 25.5).abs() < 1e-3);
        assert_eq!((scores.frames, against.psnr_out.step), (3, 0.0));
        assert!((against.psnr_in.step - 80.0).abs() < 1e-3, "{:?}", against.psnr_in);
    }

    #[test]
    fn regions_that_stand_still_are_found_without_a_clean_video() {
        // Left: still, with noise of one checkerboard step. Right: a brightness that changes.
        let frame = |t: usize| {
            let input = planes(|y, x| match x {
                0..30 => 0.5 + if (x + y + t).is_multiple_of(2) { 0.05 } else { -0.05 },
                _ => 0.3 * t as f32,
            });
            let restored = planes(|_, x| if x < 30 { 0.5 + 0.01 * (t % 2) as f32 } else { 0.9 });
            (input, restored, None)
        };
        let scores = scores(&[frame(0), frame(1), frame(2)]);
        assert_eq!(scores.against_clean, None);
        let still = scores.where_still;
        // The windows of half the still side reach over the border.
        assert!((0.3..=0.5).contains(&still.share), "{still:?}");
        assert!((still.flicker_in - 25.5).abs() < 0.1, "{still:?}");
        assert!((still.flicker_out - 2.55).abs() < 0.01 && (still.pumping - 2.55).abs() < 0.1, "{still:?}");
    }
}
