//! The outcome of an evaluation, as JSON and tables show it.

use super::dataset::{Dataset, Pair};
use super::metrics::{psnr, ssim};
use crate::Result;
use crate::frame::Planes;
use serde::Serialize;

/// Stands for the infinite PSNR of equal pictures, which no mean and no JSON can hold.
const EQUAL_PSNR: f64 = 100.0;

/// Scores of one picture.
#[derive(Clone, Debug, Serialize)]
pub struct ImageScores {
    /// The input's file name.
    pub file: String,
    /// The scores.
    #[serde(flatten)]
    pub scores: MeanScores,
}

/// Scores of the degraded input and of the restored output against the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MeanScores {
    /// PSNR of the input in dB, 100 where it equals the target.
    pub psnr_in: f64,
    /// PSNR of the output in dB, 100 where it equals the target.
    pub psnr_out: f64,
    /// SSIM of the input.
    pub ssim_in: f64,
    /// SSIM of the output.
    pub ssim_out: f64,
}

/// Scores of a set.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// Number of pictures.
    pub count: usize,
    /// Means over the pictures.
    pub mean: MeanScores,
    /// Each picture.
    pub images: Vec<ImageScores>,
}

impl Evaluation {
    /// Restores every picture of a set and scores it; `seen` is told of each as it is done.
    ///
    /// # Errors
    /// The first error of reading a pair, of `restore` or of `seen`.
    pub fn run(
        dataset: &Dataset,
        mut restore: impl FnMut(&Pair) -> Result<Planes>,
        mut seen: impl FnMut(&ImageScores, &Pair, &Planes) -> Result<()>,
    ) -> Result<Self> {
        let mut images = Vec::with_capacity(dataset.len());
        for pair in dataset.iter() {
            let pair = pair?;
            let output = restore(&pair)?;
            let (input, target) = (pair.input.view(), pair.target.view());
            let scores = MeanScores {
                psnr_in: psnr(input, target).min(EQUAL_PSNR),
                psnr_out: psnr(output.view(), target).min(EQUAL_PSNR),
                ssim_in: ssim(input, target),
                ssim_out: ssim(output.view(), target),
            };
            let image = ImageScores { file: pair.name.clone(), scores };
            seen(&image, &pair, &output)?;
            images.push(image);
        }
        let mean_of = |score: fn(&MeanScores) -> f64| {
            images.iter().map(|image| score(&image.scores)).sum::<f64>() / images.len().max(1) as f64
        };
        let mean = MeanScores {
            psnr_in: mean_of(|s| s.psnr_in),
            psnr_out: mean_of(|s| s.psnr_out),
            ssim_in: mean_of(|s| s.ssim_in),
            ssim_out: mean_of(|s| s.ssim_out),
        };
        Ok(Self { count: images.len(), mean, images })
    }
}
