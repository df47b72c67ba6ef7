//! Seeds from seeds.

/// A new seed from a seed and a number, as unlike it as any other (splitmix64).
pub(in crate::train) fn derived(seed: u64, number: u64) -> u64 {
    let mut z = seed ^ number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_numbers_and_seeds_give_different_seeds() {
        let all: std::collections::BTreeSet<u64> =
            (0..50).flat_map(|seed| (0..50).map(move |number| derived(seed, number))).collect();
        assert_eq!(all.len(), 2500);
    }
}
