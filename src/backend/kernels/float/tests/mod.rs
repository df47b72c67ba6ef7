//! Every form against sums written out in f64, over random shapes, and none writes where it shouldn't.

mod depthwise;
mod gelu;
mod gram;
mod moments;
mod norm;
mod product;

use super::{Form, LANES};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What one rounding may cost, and a few more.
const TOLERANCE: f64 = 1e-5;

/// What lies where nothing is to be written.
const UNTOUCHED: f32 = -77.0;

/// A sum, and that of its terms' magnitudes.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    value: f64,
    magnitude: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        self.value += term;
        self.magnitude += term.abs();
    }

    fn is(self, found: f32) -> bool {
        (f64::from(found) - self.value).abs() <= TOLERANCE * self.magnitude
    }
}

impl FromIterator<f64> for Sum {
    fn from_iter<T: IntoIterator<Item = f64>>(terms: T) -> Self {
        let mut sum = Self::default();
        terms.into_iter().for_each(|term| sum.add(term));
        sum
    }
}

/// The numbers of a case.
struct Case {
    random: ChaCha8Rng,
}

/// Channels of rows, anywhere between each other, without room behind the last.
#[derive(Clone, Debug)]
struct Planes {
    stride: usize,
    /// Where rows begin in the first channel.
    rows: Vec<usize>,
    /// Floats of all channels.
    floats: usize,
}

impl Case {
    fn new(seed: u64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed) }
    }

    fn upto(&mut self, most: usize) -> usize {
        self.random.random_range(1..=most)
    }

    /// A multiple of [`LANES`].
    fn pixels(&mut self) -> usize {
        LANES * self.upto(6)
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.random.random_range(-2.0..2.0)).collect()
    }

    fn planes(&mut self, channels: usize, rows: usize, length: usize) -> Planes {
        let gap = self.random.random_range(0..20);
        let mut starts: Vec<usize> = (0..rows).map(|row| gap + row * (length + gap)).collect();
        // In any order, as where rows are kept in turn.
        for last in (1..rows).rev() {
            starts.swap(last, self.random.random_range(0..=last));
        }
        let end = gap + rows * (length + gap);
        let stride = end + self.random.random_range(0..20);
        Planes { stride, rows: starts, floats: (channels - 1) * stride + end - gap }
    }
}

impl Planes {
    /// What all places hold where these are written at their rows' pixels, and nothing elsewhere.
    fn filled(&self, channels: usize, pixels: usize, value: impl Fn(usize, usize, usize) -> Sum) -> Vec<Sum> {
        let untouched = Sum { value: f64::from(UNTOUCHED), magnitude: 0.0 };
        let mut all = vec![untouched; self.floats];
        for channel in 0..channels {
            for (row, start) in self.rows.iter().enumerate() {
                for pixel in 0..pixels {
                    all[channel * self.stride + start + pixel] = value(channel, row, pixel);
                }
            }
        }
        all
    }
}

fn assert_all(found: &[f32], expected: &[Sum], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(expected.is(*found), "{what}: {found} at {place}, not {expected:?}");
    }
}

#[test]
fn this_machine_is_tested_in_the_form_that_it_runs() {
    let named = |form: &Form| format!("{form:?}");
    let available: Vec<String> = Form::available().iter().map(named).collect();
    assert!(available.contains(&named(&Form::best())), "{available:?}");
}
