//! The cosines between channels of q and of k that attention maps are made of, out of uint8.
#![allow(unsafe_code)]

use super::{FLIP, Form};
use crate::backend::kernels::vectorised;

/// Partial sums that are kept of each sum.
const LANES: usize = 16;

/// Steps of four pixels that a partial sum has room for: each adds 4 * 255 * 128 at most.
const STEPS: usize = i32::MAX as usize / (4 * 255 * 128);

/// Pixels that are added up in each step of a row.
const STEP: usize = 64;

/// Channels of one side of the products, so far from each other, and where rows of their pixels begin.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) stride: usize,
    pub(crate) rows: &'a [usize],
}

/// Sums that a vector adds to.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(super) struct Lanes(pub(super) [i32; LANES]);

/// Sums over pixels, of all heads. As vectors multiply uint8 by int8, the sums are of u·(v - 128),
/// of u and v as they are, or, where they multiply uint8, of u·v: zeros are taken into account at the
/// end.
#[derive(Clone, Debug)]
pub(crate) struct Gram {
    form: Form,
    heads: usize,
    /// Channels of a head.
    per_head: usize,
    /// Of each head: q's rows times k's; q's times themselves; q's; k's times themselves; k's.
    totals: Vec<i64>,
    /// What is yet to be added to the totals.
    lanes: Vec<Lanes>,
    /// Steps that the lanes still have room for.
    room: usize,
    pixels: i64,
}

impl Gram {
    pub(crate) fn new(form: Form, heads: usize, per_head: usize) -> Self {
        let sums = heads * Self::sums(per_head);
        let lanes = match form {
            #[cfg(target_arch = "x86_64")]
            Form::Vnni => sums,
            _ => 0,
        };
        let lanes = vec![Lanes([0; LANES]); lanes];
        Self { form, heads, per_head, totals: vec![0; sums], lanes, room: STEPS, pixels: 0 }
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.totals.as_slice()) + size_of_val(self.lanes.as_slice())
    }

    /// Sums of one head.
    fn sums(per_head: usize) -> usize {
        per_head * (per_head + 4)
    }

    /// Forgets all that was added.
    pub(crate) fn clear(&mut self) {
        self.totals.fill(0);
        self.lanes.fill(Lanes([0; LANES]));
        (self.room, self.pixels) = (STEPS, 0);
    }

    /// Adds rows of so many pixels of all heads' channels.
    ///
    /// # Panics
    /// Where a row is not within its side, the sides have not as many rows, or there are more than
    /// a million pixels in all.
    pub(crate) fn add(&mut self, q: Side<'_>, k: Side<'_>, pixels: usize) {
        let steps = q.rows.len() * pixels.div_ceil(STEP);
        let Some(last) = (self.heads * self.per_head).checked_sub(1) else { return };
        assert!(q.rows.len() == k.rows.len() && steps <= STEPS);
        for side in [q, k] {
            let furthest = side.rows.iter().max().unwrap_or(&0);
            assert!(furthest + last * side.stride + pixels <= side.bytes.len(), "a row is too short");
        }
        self.pixels += (q.rows.len() * pixels) as i64;
        match self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 => self.portable(q, k, pixels),
            Form::Portable => self.portable(q, k, pixels),
            #[cfg(target_arch = "x86_64")]
            Form::Vnni => {
                if steps > self.room {
                    self.flush();
                }
                self.room -= steps;
                let channels = self.per_head;
                for (head, lanes) in self.lanes.chunks_exact_mut(Self::sums(channels)).enumerate() {
                    let [q, k] = [q, k].map(|side| side.from(head * channels));
                    // SAFETY: this form was chosen because the processor has it; the rows were checked.
                    unsafe { super::vnni::gram(lanes, channels, q, k, pixels) };
                }
            }
            #[cfg(target_arch = "aarch64")]
            Form::Neon | Form::NeonDot => {
                let channels = self.per_head;
                for (head, sums) in self.totals.chunks_exact_mut(Self::sums(channels)).enumerate() {
                    let sides = [q, k].map(|side| side.from(head * channels));
                    // SAFETY: as above.
                    unsafe {
                        if self.form == Form::NeonDot {
                            super::neon::gram::<true>(sums, channels, sides, pixels);
                        } else {
                            super::neon::gram::<false>(sums, channels, sides, pixels);
                        }
                    }
                }
            }
        }
    }

    fn portable(&mut self, q: Side<'_>, k: Side<'_>, pixels: usize) {
        let channels = self.per_head;
        vectorised(
            #[inline(always)]
            || {
                for (head, sums) in self.totals.chunks_exact_mut(Self::sums(channels)).enumerate() {
                    let [q, k] = [q, k].map(|side| side.from(head * channels));
                    let (products, ends) = sums.split_at_mut(channels * channels);
                    for row in 0..q.rows.len() {
                        for (at, sum) in products.iter_mut().enumerate() {
                            *sum += dot(q.row(at / channels, row, pixels), k.row(at % channels, row, pixels));
                        }
                        for (side, ends) in [q, k].into_iter().zip(ends.chunks_exact_mut(2 * channels)) {
                            let (own, plain) = ends.split_at_mut(channels);
                            for (channel, (own, plain)) in own.iter_mut().zip(plain).enumerate() {
                                let bytes = side.row(channel, row, pixels);
                                *own += dot(bytes, bytes);
                                *plain += bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>() as i64;
                            }
                        }
                    }
                }
            },
        );
    }

    /// Brings the lanes to the totals, so that they have room again.
    fn flush(&mut self) {
        for (total, lanes) in self.totals.iter_mut().zip(&mut self.lanes) {
            *total += lanes.sum();
            *lanes = Lanes([0; LANES]);
        }
        self.room = STEPS;
    }

    /// Adds what another has added up.
    ///
    /// # Panics
    /// Where it is of other heads or of another form.
    pub(crate) fn merge(&mut self, other: &Self) {
        assert!((self.form, self.heads, self.per_head) == (other.form, other.heads, other.per_head));
        for (at, total) in self.totals.iter_mut().enumerate() {
            *total += other.total(at);
        }
        self.pixels += other.pixels;
    }

    /// What v is less in the sums.
    fn lowered(&self) -> i64 {
        match self.form {
            #[cfg(target_arch = "aarch64")]
            Form::Neon | Form::NeonDot => 0,
            _ => i64::from(FLIP),
        }
    }

    fn total(&self, at: usize) -> i64 {
        self.totals[at] + self.lanes.get(at).map_or(0, Lanes::sum)
    }

    /// The sum of (q - zero)·(k - zero) of two of a head's rows.
    pub(crate) fn product(&self, head: usize, [row, column]: [usize; 2], [q_zero, k_zero]: [i64; 2]) -> i64 {
        let (channels, base) = (self.per_head, head * Self::sums(self.per_head));
        let product = self.total(base + row * channels + column);
        let q = self.total(base + channels * (channels + 1) + row);
        let k = self.total(base + channels * (channels + 3) + column);
        // Σ q(k - 128) + 128 Σ q = Σ qk.
        product + (self.lowered() - k_zero) * q - q_zero * k + self.pixels * q_zero * k_zero
    }

    /// The sum of (u - zero)² of a row of a side: 0 is q, 1 is k.
    pub(crate) fn square(&self, head: usize, side: usize, row: usize, zero: i64) -> i64 {
        let channels = self.per_head;
        let at = head * Self::sums(channels) + channels * (channels + 2 * side) + row;
        let (own, plain) = (self.total(at), self.total(at + channels));
        own + (self.lowered() - 2 * zero) * plain + self.pixels * zero * zero
    }

    /// Fills `[heads, c, c]` with the cosines between rows of q and of k, each of a scale and a zero
    /// as uint8; rows are at least `epsilon` long.
    pub(crate) fn cosines(&self, q: (f32, i32), k: (f32, i32), epsilon: f32, to: &mut [f32]) {
        let channels = self.per_head;
        let zeros = [q.1, k.1].map(i64::from);
        let step = f64::from(q.0) * f64::from(k.0);
        let length = |head: usize, side: usize, row: usize, (scale, zero): (f32, i32)| {
            let square = self.square(head, side, row, i64::from(zero));
            ((square as f64).sqrt() * f64::from(scale)).max(f64::from(epsilon))
        };
        let rows = (0..self.heads).flat_map(|head| (0..channels).map(move |row| (head, row)));
        for (to, (head, row)) in to.chunks_exact_mut(channels.max(1)).zip(rows) {
            let q_length = length(head, 0, row, q);
            for (column, to) in to.iter_mut().enumerate() {
                let product = self.product(head, [row, column], zeros) as f64 * step;
                *to = (product / (q_length * length(head, 1, column, k))) as f32;
            }
        }
    }
}

impl<'a> Side<'a> {
    /// The same rows from another channel on.
    fn from(self, channel: usize) -> Self {
        Self { bytes: self.bytes.get(channel * self.stride..).unwrap_or_default(), ..self }
    }

    fn row(&self, channel: usize, row: usize, pixels: usize) -> &'a [u8] {
        &self.bytes[self.rows[row] + channel * self.stride..][..pixels]
    }
}

impl Lanes {
    fn sum(&self) -> i64 {
        self.0.iter().map(|&lane| i64::from(lane)).sum()
    }
}

/// The sum of u·(v - 128).
#[inline(always)]
fn dot(u: &[u8], v: &[u8]) -> i64 {
    let part = |(u, v): (&[u8], &[u8])| {
        let terms = u.iter().zip(v).map(|(&u, &v)| i32::from(u) * i32::from((v ^ FLIP) as i8));
        i64::from(terms.fold(0, i32::wrapping_add))
    };
    // So many can't overflow.
    u.chunks(4096).zip(v.chunks(4096)).map(part).sum()
}
