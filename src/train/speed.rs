//! How fast a training step is, and what share of the processor's peak it reaches.

use super::loss::Loss;
use super::network::{VluNet, initial};
use super::optimizer::{AdamW, Moments};
use super::replicas;
use crate::arch::{DEGRADATION_DIM, VluNetConfig};
use crate::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardUniform};
use serde::Serialize;
use std::time::Instant;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The network.
    pub config: VluNetConfig,
    /// Side of the patches.
    pub patch: usize,
    /// Patches per step.
    pub batch: usize,
    /// Threads that share a step.
    pub threads: usize,
    /// Steps that are timed, after one that is not.
    pub steps: usize,
    /// The device.
    pub device: Device,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Speed {
    /// Median seconds of a step: forward, backward, AdamW.
    pub step_s: f64,
    /// Patches per second.
    pub images_per_s: f64,
    /// Billion multiply-accumulates per second, where a backward pass counts twice its forward.
    pub gmac_per_s: f64,
    /// What products of large matrices reach on as many threads, likewise.
    pub peak_gmac_per_s: f64,
    /// The step's share of that, 0..=1.
    pub peak_share: f64,
}

/// Rows and columns of the matrices whose product stands for the peak.
const PEAK_SIDE: usize = 768;

/// Products of such matrices that are timed.
const PEAK_PRODUCTS: usize = 12;

impl Trial {
    /// Times training steps on random pictures.
    ///
    /// # Errors
    /// [`Error::Input`] for a patch that is no multiple of the network's, or no steps at all;
    /// [`Error::Train`] where a step fails.
    pub fn run(&self) -> Result<Speed> {
        let (multiple, threads) = (self.config.multiple(), self.threads.clamp(1, self.batch.max(1)));
        if self.patch == 0 || !self.patch.is_multiple_of(multiple) {
            return Err(Error::Input(format!("patches of {}; they are multiples of {multiple}", self.patch)));
        }
        if self.steps == 0 || self.batch == 0 || !self.batch.is_multiple_of(threads) {
            return Err(Error::Input(format!(
                "{} steps of batches of {} on {threads} threads: a batch is a multiple of the threads",
                self.steps, self.batch
            )));
        }
        let network = VluNet::new(self.config.clone());
        let mut parameters = initial(&self.config, &[], 0, &self.device);
        let (mut moments, optimizer) = (Moments::new(&parameters), AdamW::default());
        let (part, side) = (self.batch / threads, self.patch);
        let device = self.device.clone().autodiff();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut random =
            |count: usize| -> Vec<f32> { StandardUniform.sample_iter(&mut rng).take(count).collect() };
        let parts: Vec<(Vec<f32>, Vec<f32>)> =
            (0..threads).map(|_| (random(part * 3 * side * side), random(part * DEGRADATION_DIM))).collect();
        let mut times = Vec::with_capacity(self.steps);
        for step in 0..=self.steps {
            let start = Instant::now();
            let (_, gradients) = replicas::gradients(&parameters, threads, threads, |index, parameters| {
                let (image, d) = &parts[index];
                let image = TensorData::new(image.clone(), [part, 3, side, side]);
                let image = Tensor::<4>::from_data(image, &device);
                let d = Tensor::from_data(TensorData::new(d.clone(), [part, DEGRADATION_DIM]), &device);
                Loss::default().of(network.restore(parameters, image.clone(), &d), image * 0.5)
            })?;
            let count = step as u64 + 1;
            let length = optimizer.step(&mut parameters, &mut moments, &gradients, 1e-4, count);
            // Waits for the device, too.
            let length = length.into_scalar::<f32>();
            if !length.is_finite() {
                return Err(Error::Train("the trial's gradients are no numbers".into()));
            }
            if step > 0 {
                times.push(start.elapsed().as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        let step_s = times[times.len() / 2];
        let forward = self.config.cost(side, side).macs();
        let gmac_per_s = 3.0 * forward as f64 * self.batch as f64 / step_s / 1e9;
        let peak_gmac_per_s = self.peak(threads);
        Ok(Speed {
            step_s,
            images_per_s: self.batch as f64 / step_s,
            gmac_per_s,
            peak_gmac_per_s,
            peak_share: gmac_per_s / peak_gmac_per_s,
        })
    }

    /// Billion multiply-accumulates per second of large matrix products on all threads.
    fn peak(&self, threads: usize) -> f64 {
        let side = PEAK_SIDE;
        let values: Vec<f32> = (0..side * side).map(|at| (at % 17) as f32 / 17.0).collect();
        let product = || {
            let matrix = Tensor::<2>::from_data(TensorData::new(values.clone(), [side, side]), &self.device);
            let mut product = matrix.clone().matmul(matrix.clone());
            for _ in 1..PEAK_PRODUCTS {
                product = matrix.clone().matmul(matrix.clone());
            }
            product.sum().into_scalar::<f32>()
        };
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(product);
            }
        });
        (side.pow(3) * PEAK_PRODUCTS * threads) as f64 / start.elapsed().as_secs_f64() / 1e9
    }
}
