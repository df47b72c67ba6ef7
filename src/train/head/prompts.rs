//! The prompts that the head is trained on, and how near their vectors should be.

use crate::bundle::{Prompt, Task};

/// Number of prompts: the paper's seven, and a clear photo.
pub const PROMPTS: usize = 8;

/// The prompts in the order of their vectors: the paper's, and the one that a live camera
/// needs, which sees nothing wrong most of the time.
pub const CANONICAL: [(&str, Task); PROMPTS] = [
    ("image with noise", Task::Denoise),
    ("image with many noise", Task::Denoise),
    ("image with large amount of noise", Task::Denoise),
    ("image with haze", Task::Dehaze),
    ("image with rain", Task::Derain),
    ("image with blur", Task::Deblur),
    ("image with low light", Task::LowLight),
    ("a clear photo", Task::Clear),
];

/// How much of each prompt a text or a picture has; sums to 1.
pub type Mixture = [f32; PROMPTS];

/// The squared length that vectors of prompts are trained to, and with it the difference of
/// logits d_I·d_T between the right prompt and one of another task. The runtime takes the
/// softmax of plain products: at 20 a typical vector is certain, and one halfway is not.
pub const SQUARED_LENGTH: f32 = 20.0;

/// Cosine between neighbouring noise levels, and between the outer two.
const NOISE_NEIGHBOURS: f32 = 0.75;
const NOISE_ENDS: f32 = 0.45;

/// The sigmas (of 255) that the three noise prompts stand for.
const NOISE_SIGMAS: [f32; 3] = [15.0, 25.0, 50.0];

/// The canonical prompts as a bundle lists them.
pub fn canonical() -> Vec<Prompt> {
    CANONICAL.iter().map(|&(text, task)| Prompt { text: text.into(), task }).collect()
}

/// All of one prompt.
pub fn one(prompt: usize) -> Mixture {
    std::array::from_fn(|index| if index == prompt { 1.0 } else { 0.0 })
}

/// `share` of the first, and the rest of the second.
pub fn blend(first: &Mixture, second: &Mixture, share: f32) -> Mixture {
    std::array::from_fn(|index| first[index] * share + second[index] * (1.0 - share))
}

/// The prompts that noise of a sigma (of 255) has, between two levels by its logarithm.
pub fn of_noise(sigma: f32) -> Mixture {
    let [mild, middle, strong] = NOISE_SIGMAS;
    let along = |low: f32, high: f32| ((sigma / low).ln() / (high / low).ln()).clamp(0.0, 1.0);
    let mut mixture = [0.0; PROMPTS];
    let (lower, share) = if sigma < middle { (0, along(mild, middle)) } else { (1, along(middle, strong)) };
    mixture[lower] = 1.0 - share;
    mixture[lower + 1] = share;
    mixture
}

/// The prompt that a task's degradation of middle strength has.
pub fn of_task(task: Task) -> Mixture {
    match task {
        Task::Denoise => one(1),
        _ => one(CANONICAL.iter().position(|(_, other)| *other == task).unwrap_or(PROMPTS - 1)),
    }
}

/// The task with the largest share, all noise levels taken together.
pub fn task_of(shares: &[f32]) -> Task {
    let share = |task: &Task| -> f32 {
        CANONICAL.iter().zip(shares).filter(|((_, other), _)| other == task).map(|(_, share)| share).sum()
    };
    Task::ALL.into_iter().max_by(|a, b| share(a).total_cmp(&share(b))).unwrap_or(Task::Clear)
}

/// The cosine that the vectors of two mixtures should have.
pub fn affinity(a: &Mixture, b: &Mixture) -> f32 {
    inner(a, b) / (inner(a, a) * inner(b, b)).sqrt()
}

fn inner(a: &Mixture, b: &Mixture) -> f32 {
    let term = |(i, x): (usize, &f32)| -> f32 {
        b.iter().enumerate().map(|(j, y)| x * y * prompt_affinity(i, j)).sum()
    };
    a.iter().enumerate().map(term).sum()
}

/// One for the same prompt, nothing between tasks, and noise levels in their order.
fn prompt_affinity(a: usize, b: usize) -> f32 {
    match (a.min(b), a.max(b)) {
        (a, b) if a == b => 1.0,
        (0, 1) | (1, 2) => NOISE_NEIGHBOURS,
        (0, 2) => NOISE_ENDS,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_between_two_levels_is_shared_between_their_prompts() {
        assert_eq!(of_noise(5.0), one(0));
        assert_eq!(of_noise(25.0), one(1));
        assert_eq!(of_noise(80.0), one(2));
        let between = of_noise(20.0);
        assert!(between[0] > 0.3 && between[1] > 0.3 && (between.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_mixture_is_as_near_to_one_of_its_halves_as_to_the_other() {
        let (rain, haze) = (of_task(Task::Derain), of_task(Task::Dehaze));
        let mixture = blend(&rain, &haze, 0.5);
        assert!((affinity(&mixture, &rain) - affinity(&mixture, &haze)).abs() < 1e-6);
        assert!(affinity(&mixture, &rain) > 0.7 && affinity(&rain, &haze) == 0.0);
        assert!(affinity(&one(0), &one(1)) > affinity(&one(0), &one(2)));
    }

    #[test]
    fn noise_spread_over_its_levels_is_still_noise() {
        assert_eq!(task_of(&[0.2, 0.2, 0.15, 0.4, 0.0, 0.0, 0.0, 0.05]), Task::Denoise);
        assert_eq!(task_of(&[0.1, 0.1, 0.1, 0.5, 0.1, 0.1, 0.0, 0.0]), Task::Dehaze);
    }
}
