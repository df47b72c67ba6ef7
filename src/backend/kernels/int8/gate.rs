//! The gate of GDFN, GELU(a)·b, out of bytes: a table tells what GELU makes of each.
#![allow(unsafe_code)]

use super::Form;
use crate::backend::kernels::vectorised;

/// b less its zero is multiplied by this, the largest weight of a byte.
pub(super) const B_FACTOR: i32 = 127;

/// Bits behind the binary point of a product, at most.
const MOST_BITS: u32 = 7;

/// GELU(a)·b of uint8 a and b.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    form: Form,
    /// As many as a vector has.
    pub(super) b_zero: [u8; 64],
    bytes: Option<Bytes>,
    floats: Floats,
}

/// What bytes are made by: `((g[a] * (b - zero) * 127) >> 15) >> bits`, both rounded, and then the
/// zero of the output.
#[derive(Clone, Debug)]
pub(super) struct Bytes {
    pub(super) table: [i16; 256],
    /// The table's low bytes, and its high ones.
    pub(super) planes: [[u8; 256]; 2],
    pub(super) bits: u32,
    pub(super) zero: u8,
}

/// GELU(a) times b's scale.
#[derive(Clone, Debug)]
pub(super) struct Floats {
    table: [f32; 256],
    /// Its bytes, from the lowest on.
    pub(super) planes: [[u8; 256]; 4],
}

/// A byte that a zero is, as uint8.
fn raised(zero: i32) -> u8 {
    zero.clamp(0, 255) as u8
}

impl Gate {
    /// Each side comes with its scale and its zero, as uint8; `out` is needed for bytes only.
    pub(crate) fn new(
        form: Form,
        (a_scale, a_zero): (f32, i32),
        (b_scale, b_zero): (f32, i32),
        out: Option<(f32, i32)>,
    ) -> Self {
        let gelus: [f64; 256] = std::array::from_fn(|byte| {
            let x = f64::from(byte as i32 - a_zero) * f64::from(a_scale);
            let gelu = 0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2));
            gelu * f64::from(b_scale)
        });
        let bytes = out.map(|(scale, zero)| Bytes::new(gelus.map(|gelu| gelu / f64::from(scale)), zero));
        Self { form, b_zero: [raised(b_zero); 64], bytes, floats: Floats::new(gelus) }
    }

    /// GELU(a)·b in bytes of the output's scale and zero.
    ///
    /// # Panics
    /// Where the gate was made without an output, or the rows aren't of one length.
    pub(crate) fn row(&self, a: &[u8], b: &[u8], to: &mut [u8]) {
        assert!(a.len() == b.len() && a.len() == to.len(), "a gate takes rows of one length");
        let Some(bytes) = &self.bytes else { panic!("this gate is of floats") };
        match self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 => bytes.row(a, b, i32::from(self.b_zero[0]), to),
            Form::Portable => bytes.row(a, b, i32::from(self.b_zero[0]), to),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this form was chosen because the processor has it; the lengths are the same.
            Form::Vnni => unsafe { super::vnni::gate_bytes(self, bytes, a, b, to) },
            #[cfg(target_arch = "aarch64")]
            Form::Neon | Form::NeonDot => super::neon::gate_bytes(bytes, self.b_zero[0], a, b, to),
        }
    }

    /// GELU(a)·b.
    ///
    /// # Panics
    /// Where the rows aren't of one length.
    pub(crate) fn row_f32(&self, a: &[u8], b: &[u8], to: &mut [f32]) {
        assert!(a.len() == b.len() && a.len() == to.len(), "a gate takes rows of one length");
        match self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 => self.floats.row(a, b, i32::from(self.b_zero[0]), to),
            Form::Portable => self.floats.row(a, b, i32::from(self.b_zero[0]), to),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Form::Vnni => unsafe { super::vnni::gate_floats(self, &self.floats, a, b, to) },
            #[cfg(target_arch = "aarch64")]
            Form::Neon | Form::NeonDot => self.floats.row(a, b, i32::from(self.b_zero[0]), to),
        }
    }
}

impl Bytes {
    /// `gelus` are in steps of the output for each step of b.
    fn new(gelus: [f64; 256], zero: i32) -> Self {
        let scaled =
            |bits: u32| gelus.map(|gelu| (gelu * 32768.0 / 127.0 * f64::from(1 << bits)).round_ties_even());
        let limit = f64::from(i16::MAX);
        // As many bits as the table has room for. A product is less than what the table has, as
        // |b - zero| * 127 is less than 2^15, and has room as well.
        let fits = |bits: &u32| scaled(*bits).iter().all(|g| g.abs() <= limit);
        let bits = (0..=MOST_BITS).rev().find(fits).unwrap_or(0);
        // Where there is no room even for integers, a step of b is more than 127 of the output's: it
        // is taken as 127, which is an end of the range as well but for two steps from b's zero.
        let table = scaled(bits).map(|g| g.clamp(-limit, limit) as i16);
        let planes = [0, 1].map(|byte| table.map(|g| g.to_le_bytes()[byte]));
        Self { table, planes, bits, zero: raised(zero) }
    }

    fn row(&self, a: &[u8], b: &[u8], b_zero: i32, to: &mut [u8]) {
        // Half of the last bit that stays.
        let half = (1 << self.bits) >> 1;
        vectorised(
            #[inline(always)]
            || {
                for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
                    let b = (i32::from(b) - b_zero) * B_FACTOR;
                    let product = (i32::from(self.table[usize::from(a)]) * b + (1 << 14)) >> 15;
                    let rounded = (product + half) >> self.bits;
                    *to = (rounded + i32::from(self.zero)).clamp(0, 255) as u8;
                }
            },
        );
    }
}

impl Floats {
    fn new(gelus: [f64; 256]) -> Self {
        let table = gelus.map(|gelu| gelu as f32);
        Self { table, planes: [0, 1, 2, 3].map(|byte| table.map(|gelu| gelu.to_le_bytes()[byte])) }
    }

    fn row(&self, a: &[u8], b: &[u8], b_zero: i32, to: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
                    *to = self.table[usize::from(a)] * (i32::from(b) - b_zero) as f32;
                }
            },
        );
    }
}
