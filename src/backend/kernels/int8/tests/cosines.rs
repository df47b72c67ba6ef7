//! Sums for attention maps.

use super::super::{Form, Gram, Side};
use super::Case;
use rand::RngExt;

/// Rows of both sides, one after another.
struct Sides {
    bytes: [Vec<u8>; 2],
    strides: [usize; 2],
    rows: [Vec<usize>; 2],
    pixels: usize,
}

impl Sides {
    fn new(case: &mut Case, channels: usize) -> Self {
        let (pixels, count) = (case.random.random_range(1..150), case.random.random_range(1..=4));
        let row = pixels + 3;
        let rows = [0, 1].map(|_| (0..count).map(|at| at * row).collect());
        // One side is kept for a larger picture.
        let strides = [count * row, 2 * count * row];
        let bytes = strides.map(|stride| case.bytes(channels * stride));
        Self { bytes, strides, rows, pixels }
    }

    fn side(&self, side: usize) -> Side<'_> {
        Side { bytes: &self.bytes[side], stride: self.strides[side], rows: &self.rows[side] }
    }

    /// A channel's pixels less their zero.
    fn values(&self, side: usize, channel: usize, zero: i64) -> Vec<i64> {
        let Side { bytes, stride, rows } = self.side(side);
        let pixels = |&row: &usize| &bytes[row + channel * stride..][..self.pixels];
        rows.iter().flat_map(pixels).map(|&byte| i64::from(byte) - zero).collect()
    }
}

#[test]
fn grams_are_the_sums_written_out() {
    for seed in 0..100 {
        let mut case = Case::new(5000 + seed);
        let (heads, channels) = (case.random.random_range(1..4), case.random.random_range(1..=20));
        let parts: Vec<Sides> = (0..3).map(|_| Sides::new(&mut case, heads * channels)).collect();
        let zeros = [0, 1].map(|_| i64::from(case.random.random::<u8>()));
        let values = |side: usize, head: usize, row: usize| -> Vec<i64> {
            parts.iter().flat_map(|part| part.values(side, head * channels + row, zeros[side])).collect()
        };
        let dot = |a: &[i64], b: &[i64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<i64>();
        let (scales, epsilon) = ([0.02f32, 0.3], 1e-6f32);
        let mut cosines = Vec::new();
        for form in Form::available() {
            let (mut gram, mut other) = (Gram::new(form, heads, channels), Gram::new(form, heads, channels));
            other.add(parts[0].side(0), parts[0].side(1), parts[0].pixels);
            other.clear();
            gram.add(parts[0].side(0), parts[0].side(1), parts[0].pixels);
            other.add(parts[1].side(0), parts[1].side(1), parts[1].pixels);
            other.add(parts[2].side(0), parts[2].side(1), parts[2].pixels);
            gram.merge(&other);
            let mut found = vec![0.0; heads * channels * channels];
            let [q, k] = [0, 1].map(|side| (scales[side], zeros[side] as i32));
            gram.cosines(q, k, epsilon, &mut found);
            for head in 0..heads {
                for row in 0..channels {
                    let q = values(0, head, row);
                    assert_eq!(gram.square(head, 0, row, zeros[0]), dot(&q, &q), "seed {seed}, {form:?}");
                    for column in 0..channels {
                        let k = values(1, head, column);
                        assert_eq!(
                            gram.square(head, 1, column, zeros[1]),
                            dot(&k, &k),
                            "seed {seed}, {form:?}"
                        );
                        let product = gram.product(head, [row, column], zeros);
                        assert_eq!(product, dot(&q, &k), "seed {seed}, {form:?}, {head}, {row}, {column}");
                        let length = |x: &[i64], side: usize| {
                            ((dot(x, x) as f64).sqrt() * f64::from(scales[side])).max(f64::from(epsilon))
                        };
                        let step = f64::from(scales[0]) * f64::from(scales[1]);
                        let cosine = product as f64 * step / (length(&q, 0) * length(&k, 1));
                        assert!(
                            (f64::from(found[(head * channels + row) * channels + column]) - cosine).abs()
                                < 1e-6
                        );
                    }
                }
            }
            cosines.push(found);
        }
        assert!(cosines.iter().all(|other| *other == cosines[0]), "seed {seed}: the forms differ");
    }
}

#[test]
fn sums_never_overflow() {
    let bytes = vec![255u8; 2 * 4096];
    let (q, k) = ([0], [0]);
    for form in Form::available() {
        let mut gram = Gram::new(form, 1, 2);
        // Far more than a lane of int32 has room for.
        for _ in 0..2000 {
            let side = Side { bytes: &bytes, stride: 4096, rows: &q };
            gram.add(side, Side { rows: &k, ..side }, 4096);
        }
        let pixels = 2000 * 4096;
        assert_eq!(gram.product(0, [1, 0], [0, 0]), pixels * 255 * 255, "{form:?}");
        assert_eq!(gram.square(0, 1, 1, 255), 0, "{form:?}");
    }
}

#[test]
fn lanes_have_room_for_as_many_steps_as_are_said() {
    let pixels = 64 * (i32::MAX as usize / (4 * 255 * 128));
    let (low, high) = (vec![0u8; pixels], vec![255u8; pixels]);
    for form in Form::available() {
        let mut gram = Gram::new(form, 1, 1);
        let q = Side { bytes: &high, stride: 0, rows: &[0] };
        for _ in 0..2 {
            // 255 * (0 - 128) in each.
            gram.add(q, Side { bytes: &low, ..q }, pixels);
        }
        assert_eq!(gram.product(0, [0, 0], [0, 1]), -2 * 255 * pixels as i64, "{form:?}");
    }
}
