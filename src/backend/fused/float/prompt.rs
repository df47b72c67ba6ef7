//! k of Φ, which a degradation and the picture's size determine: made once for each degradation.
#![allow(unsafe_code)]

use super::super::crew::Crew;
use super::super::memory::{Buffer, Layout};
use super::super::program::{Key, Prompt};
use crate::Result;
use crate::backend::kernels::{Shared, vectorised};

/// k at one size of the picture.
#[derive(Debug)]
pub(in super::super) struct KeyRows {
    rows: Buffer,
    squares: Vec<f64>,
}

impl KeyRows {
    /// Room for k of this layout.
    ///
    /// # Errors
    /// [`crate::Error::Model`] where there is no memory for it.
    pub(in super::super) fn new(layout: Layout) -> Result<Self> {
        Ok(Self { rows: Buffer::new(layout.floats())?, squares: vec![0.0; layout.channels] })
    }

    /// `[channels, H, W]`, as the layout says; zeros behind each row.
    pub(in super::super) fn rows(&self) -> &[f32] {
        self.rows.as_floats()
    }

    /// The sum of each channel's squares.
    pub(super) fn squares(&self) -> &[f64] {
        &self.squares
    }

    pub(in super::super) fn bytes(&self) -> usize {
        self.rows.bytes() + size_of_val(self.squares.as_slice())
    }
}

/// What makes k of a degradation.
#[derive(Debug)]
pub(in super::super) struct Prompted {
    prompt: Prompt,
    key: Key,
}

/// Floats from one row of a framed plane to the next: a pixel more on each side.
fn framed_row(layout: Layout) -> usize {
    layout.width + 2
}

impl Prompted {
    pub(in super::super) fn new(prompt: &Prompt, key: &Key) -> Self {
        Self { prompt: prompt.clone(), key: key.clone() }
    }

    /// Floats that a thread needs of its own.
    pub(in super::super) fn scratch(&self, layout: Layout) -> usize {
        framed_row(layout) * (layout.height + 2) + layout.width
    }

    /// Makes k for the degradation d.
    pub(in super::super) fn make(&self, crew: &Crew, layout: Layout, d: &[f32], key: &mut KeyRows) {
        key.squares.fill(0.0);
        let (rows, squares) = (Shared::new(key.rows.floats()), Shared::new(&mut key.squares));
        self.each_row(crew, layout, d, |channel, y, row| {
            let at = channel * layout.plane + y * layout.row;
            // SAFETY: each channel is made by one thread.
            let (to, square) = unsafe { (rows.part(at, layout.width), squares.part(channel, 1)) };
            to.copy_from_slice(row);
            square[0] += row.iter().map(|x| f64::from(x * x)).sum::<f64>();
        });
    }

    /// Makes k for the degradation d, and hands out its rows by channel and number, those of a channel
    /// on one thread.
    pub(in super::super) fn each_row(
        &self,
        crew: &Crew,
        layout: Layout,
        d: &[f32],
        put: impl Fn(usize, usize, &[f32]) + Sync,
    ) {
        let prompt = self.mixed(d);
        let small = self.resized_rows(&prompt, layout.height);
        let channels = self.prompt.channels;
        let columns: Vec<[(usize, f32); 2]> = ends(self.prompt.side, layout.width);
        crew.each(layout.channels, |_, channel, scratch| {
            let (row, rest) = scratch.split_at_mut(layout.width);
            let framed = &mut rest[..framed_row(layout) * (layout.height + 2)];
            framed.fill(0.0);
            let weights = &self.key.point[channel * channels..][..channels];
            let mut line = vec![0.0; self.prompt.side];
            for (y, framed) in
                framed.chunks_exact_mut(framed_row(layout)).skip(1).take(layout.height).enumerate()
            {
                // Channels first, columns then: both are linear, and the prompt has fewer columns.
                line.fill(0.0);
                for (weight, plane) in
                    weights.iter().zip(small.chunks_exact(layout.height * self.prompt.side))
                {
                    let from = &plane[y * self.prompt.side..][..self.prompt.side];
                    line.iter_mut().zip(from).for_each(|(sum, x)| *sum += weight * x);
                }
                for (to, [low, high]) in framed[1..].iter_mut().zip(&columns) {
                    *to = line[low.0] * low.1 + line[high.0] * high.1 + self.key.point_bias[channel];
                }
            }
            let kernel = &self.key.depthwise[9 * channel..][..9];
            for y in 0..layout.height {
                let rows = &framed[y * framed_row(layout)..][..3 * framed_row(layout)];
                convolve(rows, framed_row(layout), (kernel, self.key.depthwise_bias[channel]), row);
                put(channel, y, row);
            }
        });
    }

    /// Σ softmax(linear·d + bias)·prompt.
    fn mixed(&self, d: &[f32]) -> Vec<f32> {
        let Prompt { linear, bias, prompts, .. } = &self.prompt;
        let rows = linear.chunks_exact(d.len().max(1));
        let score = |row: &[f32]| row.iter().zip(d).map(|(weight, d)| weight * d).sum::<f32>();
        let mut scores: Vec<f32> = rows.zip(bias).map(|(row, bias)| score(row) + bias).collect();
        let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|score| *score = (*score - most).exp());
        let sum: f32 = scores.iter().sum();
        let mut mixed = vec![0.0; prompts.len() / scores.len().max(1)];
        for (score, prompt) in scores.iter().zip(prompts.chunks_exact(mixed.len().max(1))) {
            mixed.iter_mut().zip(prompt).for_each(|(to, x)| *to += score / sum * x);
        }
        mixed
    }

    /// The prompt with as many rows as the picture: `[channels, height, side]`.
    fn resized_rows(&self, prompt: &[f32], height: usize) -> Vec<f32> {
        let side = self.prompt.side;
        let ends = ends(side, height);
        let mut resized = Vec::with_capacity(self.prompt.channels * height * side);
        for plane in prompt.chunks_exact(side * side) {
            for [low, high] in &ends {
                let (above, below) = (&plane[low.0 * side..][..side], &plane[high.0 * side..][..side]);
                resized.extend(above.iter().zip(below).map(|(a, b)| a * low.1 + b * high.1));
            }
        }
        resized
    }
}

/// The two places, and their shares, that each of `to` places is made of; half-pixel centres.
fn ends(from: usize, to: usize) -> Vec<[(usize, f32); 2]> {
    let scale = from as f64 / to as f64;
    let end = |at: usize| {
        let place = ((at as f64 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f64);
        let low = place.floor() as usize;
        let share = (place - low as f64) as f32;
        [(low, 1.0 - share), ((low + 1).min(from - 1), share)]
    };
    (0..to).map(end).collect()
}

/// One row of a 3×3 convolution.
fn convolve(rows: &[f32], stride: usize, (kernel, bias): (&[f32], f32), to: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            to.fill(bias);
            for (tap, weight) in kernel.iter().enumerate() {
                let from = &rows[tap / 3 * stride + tap % 3..];
                to.iter_mut().zip(from).for_each(|(sum, x)| *sum += weight * x);
            }
        },
    )
}
