//! The sRGB transfer curve (IEC 61966-2-1), for what must happen in linear light.

/// Linear light in 0..=1 from an sRGB-encoded value in 0..=1.
pub fn to_linear(encoded: f32) -> f32 {
    if encoded <= 0.04045 { encoded / 12.92 } else { ((encoded + 0.055) / 1.055).powf(2.4) }
}

/// An sRGB-encoded value in 0..=1 from linear light in 0..=1.
pub fn from_linear(linear: f32) -> f32 {
    if linear <= 0.003_130_8 { linear * 12.92 } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_8_bit_value_survives_the_round_trip() {
        for value in 0..=255u8 {
            let encoded = f32::from(value) / 255.0;
            assert_eq!((from_linear(to_linear(encoded)) * 255.0).round() as u8, value);
        }
    }

    #[test]
    fn mid_grey_is_a_fifth_of_the_light() {
        assert!((to_linear(0.5) - 0.2140).abs() < 1e-3);
    }
}
