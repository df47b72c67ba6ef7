//! How much memory a picture takes while it is restored.

use crate::arch::VluNetConfig;

/// What is left to the system and to other programs, as a share of the memory that is free.
const SHARE_OF_FREE: f64 = 0.5;

/// With less than this no network runs; used where the system doesn't say what it has.
const LEAST: u64 = 256 << 20;

/// Floats per pixel that don't depend on the network: the picture in, out, and in between.
const PICTURE_FLOATS: f64 = 15.0;

/// Half of the memory that this machine has free, in bytes.
pub fn default_memory() -> u64 {
    ((free_memory().unwrap_or(0) as f64 * SHARE_OF_FREE) as u64).max(LEAST)
}

fn free_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    // Inside a container the machine's memory is not all ours.
    let container = system.cgroup_limits().map_or(u64::MAX, |limits| limits.free_memory);
    Some(container.min(system.available_memory()))
}

/// Bytes of a picture that is restored, of its copies and of what comes out.
pub(super) fn picture_bytes(pixels: usize) -> usize {
    (4.0 * PICTURE_FLOATS) as usize * pixels
}

/// Bytes that a run of tract takes at its peak, per pixel of the padded picture.
///
/// The peak is in the refinement's GDFN, where the hidden layer (width F on 2·dim channels)
/// is alive about six times over beside the features, or in its attention where that layer is
/// narrow. The factors were fitted to the peak of resident memory of tract 0.23.9 on nano, pico,
/// small, full and dim 12 at stem 1, from 256×256 to 1920×1088: they overestimate it by 6 to
/// 47 %.
pub(super) fn bytes_per_pixel(config: &VluNetConfig) -> f64 {
    let features = (18 * config.dim + 6 * config.ffn_hidden(2 * config.dim)).max(32 * config.dim);
    let folded = (config.stem * config.stem) as f64;
    4.0 * (features as f64 / folded + PICTURE_FLOATS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_covers_what_was_measured() {
        // Peak of resident memory less that before the run, per pixel.
        let stem1 = VluNetConfig { stem: 1, ..VluNetConfig::nano() };
        for (config, measured) in [
            (VluNetConfig::nano(), 583.0),
            (VluNetConfig::pico(), 297.0),
            (VluNetConfig::small(), 1144.0),
            (VluNetConfig::full(), 7050.0),
            (stem1, 2064.0),
        ] {
            let estimate = bytes_per_pixel(&config);
            assert!((1.0..1.5).contains(&(estimate / measured)), "{config:?}: {estimate} for {measured}");
        }
    }

    #[test]
    fn the_default_budget_is_within_what_is_free() {
        let free = free_memory().expect("this system tells its memory");
        assert!(default_memory() >= LEAST && default_memory() <= free.max(LEAST));
    }
}
