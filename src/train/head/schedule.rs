//! The learning rate over a run.

/// Share of a run in which the rate rises.
const WARM_UP: f32 = 0.05;

/// Share of the highest rate at which a run ends.
const END: f32 = 0.01;

/// The rate at a step: a straight rise, then half a cosine.
pub fn warm_up_and_cosine(step: u32, steps: u32, highest: f32) -> f32 {
    let (step, steps) = (step as f32, steps.max(1) as f32);
    let warm_up = (steps * WARM_UP).max(1.0);
    if step < warm_up {
        return highest * (step + 1.0) / warm_up.ceil();
    }
    let share = ((step - warm_up) / (steps - warm_up).max(1.0)).clamp(0.0, 1.0);
    let cosine = (1.0 + (share * std::f32::consts::PI).cos()) / 2.0;
    highest * (END + (1.0 - END) * cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_its_highest_and_falls_to_its_end_without_a_jump() {
        let rates: Vec<f32> = (0..1000).map(|step| warm_up_and_cosine(step, 1000, 2.0)).collect();
        assert!((rates.iter().copied().fold(0.0, f32::max) - 2.0).abs() < 1e-3);
        assert!(rates[0] > 0.0 && rates[999] < 0.03);
        assert!(rates.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.05));
    }
}
