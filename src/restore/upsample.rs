//! A picture that was restored at a fraction of its size, brought to full size by the edges of
//! the picture that the camera took.
//!
//! The fast guided filter of He and Sun ("Fast Guided Filter", 2015), per channel: where the
//! small input I was restored to p, a local linear model p ≈ a·I + b is fitted, and its
//! coefficients, stretched bilinearly, are applied to the full input. Two things are ours:
//!
//! - b = p − ā·I rather than its mean over the window: the result is p plus the detail
//!   ā·(input − I) that the small picture lacks, so where a is 0 nothing is blurred.
//! - What is added to the variance of I in a = cov/(var + ε) is no constant but what the
//!   restorer took away, var·(1 − ρ²) with the correlation ρ of I and p. Averaging over the
//!   area of n pixels left 1/n of white noise in I, so this counts n − 1 times to make a the
//!   Wiener gain of the full picture. Where nothing was taken away (ρ = 1: a gain, an offset,
//!   the identity) the detail passes whole; where noise was, it stays out.

use crate::frame::Frame;
use crate::{Error, Result};
use ndarray::ArrayView3;

/// Half of a window's side, in pixels of the small picture. Of 1 to 4, 2 is the best compromise
/// between noise (better with less) and clear pictures (better with more).
const RADIUS: usize = 2;

/// Keeps flat areas, where var and cov are 0 but for rounding, from any slope (values in 0..=1).
const FLAT: f32 = 1e-5;

/// Red, green, blue, and one that is not used: a vector register.
type Lanes = [f32; 4];

/// Upsamples restored pictures guided by the frames they came from; keeps its memory.
#[derive(Debug, Default)]
pub struct GuidedUpsampler {
    /// I and p of each small pixel.
    pairs: Vec<[Lanes; 2]>,
    /// Of each column, sums over the window's rows: of I, p, I², p², I·p.
    moments: Vec<[Lanes; 5]>,
    slopes: Vec<Lanes>,
    slope_sums: Vec<Lanes>,
    /// ā and b of each small pixel; b in 8-bit units.
    models: Vec<[Lanes; 2]>,
    /// A row of models between two rows of small pixels.
    between: Vec<[Lanes; 2]>,
    columns: Vec<(usize, usize, f32)>,
    /// Widths that `columns` were made for.
    widths: (usize, usize),
}

impl GuidedUpsampler {
    /// One without memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Brings `low_restored` to the size of `input` and writes it into `out`, which takes the
    /// input's number and time, too.
    ///
    /// Both small pictures are `[3, h, w]`, RGB in 0..=1: `low_input` is the input made smaller
    /// ([`crate::frame::Shrinker`]), `low_restored` what the restorer made of it. Values must
    /// be finite.
    ///
    /// # Errors
    /// [`Error::Input`] where a picture is empty, or the small ones differ in shape.
    pub fn upsample(
        &mut self,
        input: &Frame,
        low_input: ArrayView3<'_, f32>,
        low_restored: ArrayView3<'_, f32>,
        out: &mut Frame,
    ) -> Result<()> {
        let (channels, height, width) = low_input.dim();
        let (full_width, full_height) = (input.width as usize, input.height as usize);
        if channels != 3 || low_input.is_empty() || full_width * full_height == 0 {
            return Err(Error::Input(format!(
                "{channels} planes of {width}x{height} can't be upsampled to {full_width}x{full_height}"
            )));
        }
        if low_restored.dim() != low_input.dim() {
            let (channels, rows, columns) = low_restored.dim();
            return Err(Error::Input(format!(
                "{channels} planes of {columns}x{rows} are no restored picture of {width}x{height}"
            )));
        }
        self.pair(low_input, low_restored);
        let pixels_per_pixel = (full_width * full_height) as f32 / (width * height) as f32;
        self.fit_slopes(width, (pixels_per_pixel - 1.0).max(0.0));
        self.fit_models(width);
        out.resize(input.width, input.height);
        (out.sequence, out.captured) = (input.sequence, input.captured);
        self.apply(width, input, out);
        Ok(())
    }

    /// Corrects `input` by the model of the frame that was upsampled last, and writes it into
    /// `out`: the correction of one frame carried over to the next.
    ///
    /// # Errors
    /// [`Error::Input`] where no frame of this width was upsampled before.
    pub fn carry_over(&mut self, input: &Frame, out: &mut Frame) -> Result<()> {
        let (width, full_width) = self.widths;
        if self.models.is_empty() || full_width != input.width as usize {
            return Err(Error::Input("there is no correction to carry over to a frame of this size".into()));
        }
        out.resize(input.width, input.height);
        (out.sequence, out.captured) = (input.sequence, input.captured);
        self.apply(width, input, out);
        Ok(())
    }

    fn pair(&mut self, low_input: ArrayView3<'_, f32>, low_restored: ArrayView3<'_, f32>) {
        let (_, height, width) = low_input.dim();
        self.pairs.resize(width * height, [[0.0; 4]; 2]);
        for (which, picture) in [low_input, low_restored].into_iter().enumerate() {
            for (channel, plane) in picture.outer_iter().enumerate() {
                self.pairs.iter_mut().zip(plane).for_each(|(pair, &value)| pair[which][channel] = value);
            }
        }
    }

    /// a of each window.
    fn fit_slopes(&mut self, width: usize, noise_gain: f32) {
        let height = self.pairs.len() / width;
        self.slopes.resize(self.pairs.len(), [0.0; 4]);
        self.moments.clear();
        self.moments.resize(width, [[0.0; 4]; 5]);
        let rows = |y: usize| &self.pairs[y * width..(y + 1) * width];
        (0..RADIUS.min(height)).for_each(|y| slide(&mut self.moments, Some(rows(y)), None, moments));
        for y in 0..height {
            let entering = (y + RADIUS < height).then(|| rows(y + RADIUS));
            let leaving = (y > RADIUS).then(|| rows(y - RADIUS - 1));
            slide(&mut self.moments, entering, leaving, moments);
            let window_rows = (y + RADIUS).min(height - 1) + 1 - y.saturating_sub(RADIUS);
            let slopes = &mut self.slopes[y * width..(y + 1) * width];
            across(&self.moments, window_rows, |x, means| slopes[x] = slope(means, noise_gain));
        }
    }

    /// ā and b of each small pixel.
    fn fit_models(&mut self, width: usize) {
        let height = self.pairs.len() / width;
        self.models.resize(self.pairs.len(), [[0.0; 4]; 2]);
        self.slope_sums.clear();
        self.slope_sums.resize(width, [0.0; 4]);
        let sums: &mut [[Lanes; 1]] = self.slope_sums.as_chunks_mut::<1>().0;
        let rows = |y: usize| &self.slopes[y * width..(y + 1) * width];
        (0..RADIUS.min(height)).for_each(|y| slide(sums, Some(rows(y)), None, |&slope| [slope]));
        for y in 0..height {
            let entering = (y + RADIUS < height).then(|| rows(y + RADIUS));
            let leaving = (y > RADIUS).then(|| rows(y - RADIUS - 1));
            slide(sums, entering, leaving, |&slope| [slope]);
            let window_rows = (y + RADIUS).min(height - 1) + 1 - y.saturating_sub(RADIUS);
            let pairs = &self.pairs[y * width..(y + 1) * width];
            let models = &mut self.models[y * width..(y + 1) * width];
            across(sums, window_rows, |x, [slope]| {
                let [input, restored] = &pairs[x];
                let offset = |c: usize| 255.0 * (restored[c] - slope[c] * input[c]);
                models[x] = [*slope, [offset(0), offset(1), offset(2), 0.0]];
            });
        }
    }

    /// out = ā·input + b, with both coefficients stretched bilinearly.
    fn apply(&mut self, width: usize, input: &Frame, out: &mut Frame) {
        let height = self.models.len() / width;
        let (full_width, full_height) = (input.width as usize, input.height as usize);
        if self.widths != (width, full_width) {
            self.widths = (width, full_width);
            self.columns.clear();
            self.columns.extend((0..full_width).map(|x| neighbours(x, full_width, width)));
        }
        self.between.resize(width, [[0.0; 4]; 2]);
        let rows = input.rgb.chunks_exact(3 * full_width).zip(out.rgb.chunks_exact_mut(3 * full_width));
        for (y, (input, out)) in rows.enumerate() {
            let (above, below, share) = neighbours(y, full_height, height);
            let row = |y: usize| &self.models[y * width..(y + 1) * width];
            for ((between, above), below) in self.between.iter_mut().zip(row(above)).zip(row(below)) {
                *between = mix(above, below, share);
            }
            let pixels = input.as_chunks::<3>().0.iter().zip(out.as_chunks_mut::<3>().0);
            for ((input, out), &(left, right, share)) in pixels.zip(&self.columns) {
                let [slope, offset] = mix(&self.between[left], &self.between[right], share);
                let value = |c: usize| rounded(slope[c] * f32::from(input[c]) + offset[c]);
                *out = [value(0), value(1), value(2)];
            }
        }
    }
}

/// Adds a row's terms to the sums of its columns, and takes away those of a row that left the
/// window.
#[inline(always)]
fn slide<T, const N: usize>(
    sums: &mut [[Lanes; N]],
    entering: Option<&[T]>,
    leaving: Option<&[T]>,
    terms: impl Fn(&T) -> [Lanes; N],
) {
    for (cells, sign) in [(entering, 1.0), (leaving, -1.0)] {
        for (sums, cell) in sums.iter_mut().zip(cells.unwrap_or_default()) {
            add(sums, &terms(cell), sign);
        }
    }
}

/// Means over the windows around each column, given its columns' sums over `rows` rows.
#[inline(always)]
fn across<const N: usize>(sums: &[[Lanes; N]], rows: usize, mut seen: impl FnMut(usize, &[Lanes; N])) {
    let width = sums.len();
    let mut total = [[0.0; 4]; N];
    sums.iter().take(RADIUS).for_each(|sum| add(&mut total, sum, 1.0));
    for x in 0..width {
        if let Some(entering) = sums.get(x + RADIUS) {
            add(&mut total, entering, 1.0);
        }
        if x > RADIUS {
            add(&mut total, &sums[x - RADIUS - 1], -1.0);
        }
        let columns = (x + RADIUS).min(width - 1) + 1 - x.saturating_sub(RADIUS);
        let share = 1.0 / (rows * columns) as f32;
        seen(x, &total.map(|lanes| lanes.map(|sum| sum * share)));
    }
}

#[inline(always)]
fn add<const N: usize>(sums: &mut [Lanes; N], terms: &[Lanes; N], sign: f32) {
    for (sums, terms) in sums.iter_mut().zip(terms) {
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += sign * term);
    }
}

#[inline(always)]
fn moments([input, restored]: &[Lanes; 2]) -> [Lanes; 5] {
    let product = |a: &Lanes, b: &Lanes| std::array::from_fn(|c| a[c] * b[c]);
    [*input, *restored, product(input, input), product(restored, restored), product(input, restored)]
}

/// a = cov / (var + noise), where the noise of the full picture follows from what the restorer
/// took away from the small one.
#[inline(always)]
fn slope([input, restored, input2, restored2, product]: &[Lanes; 5], noise_gain: f32) -> Lanes {
    std::array::from_fn(|c| {
        let variance = input2[c] - input[c] * input[c];
        let restored_variance = (restored2[c] - restored[c] * restored[c]).max(0.0);
        let covariance = product[c] - input[c] * restored[c];
        let removed = (variance - covariance * covariance / (restored_variance + 0.01 * FLAT)).max(0.0);
        covariance / (variance.max(0.0) + noise_gain * removed + FLAT)
    })
}

#[inline(always)]
fn mix(a: &[Lanes; 2], b: &[Lanes; 2], share: f32) -> [Lanes; 2] {
    std::array::from_fn(|k| std::array::from_fn(|c| a[k][c] + share * (b[k][c] - a[k][c])))
}

/// The two small pixels between whose centres a full pixel's centre lies, and the second's share.
fn neighbours(at: usize, full: usize, small: usize) -> (usize, usize, f32) {
    let last = small - 1;
    let place = ((at as f64 + 0.5) * small as f64 / full as f64 - 0.5).clamp(0.0, last as f64);
    let first = place as usize;
    (first, (first + 1).min(last), (place - first as f64) as f32)
}

/// To the nearest of 0..=255. The sum with 2²³ has the rounded number in its lowest bits, which
/// takes no conversion that saturates and so stays in vector registers.
#[inline(always)]
fn rounded(value: f32) -> u8 {
    (value.clamp(0.0, 255.0) + 8_388_608.0).to_bits() as u8
}

#[cfg(test)]
mod tests;
