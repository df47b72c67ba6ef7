//! Many ways in which people say what is wrong with a picture.

use super::prompts::{CANONICAL, Mixture, PROMPTS, blend, one};
use rand::{Rng, RngExt};

/// A text and the prompts that it means.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    /// The words.
    pub text: String,
    /// How much of each prompt they say.
    pub meaning: Mixture,
}

/// The words of one prompt: adjectives before the noun ("hazy"), endings after it ("in fog").
struct Words {
    adjectives: &'static [&'static str],
    endings: &'static [&'static str],
}

const NOUNS: [&str; 9] =
    ["image", "photo", "picture", "photograph", "frame", "shot", "scene", "snapshot", "camera picture"];

/// In the order of [`CANONICAL`].
const WORDS: [Words; PROMPTS] = [
    Words {
        adjectives: &[
            "slightly noisy",
            "a little noisy",
            "mildly noisy",
            "faintly grainy",
            "slightly grainy",
            "lightly speckled",
            "noisy",
        ],
        endings: &[
            "with noise",
            "with a little noise",
            "with some noise",
            "with slight noise",
            "with weak noise",
            "with light noise",
            "with fine grain",
            "with faint grain",
            "with low noise",
            "with noise of sigma 15",
            "with noise 15",
            "with mild sensor noise",
            "taken at iso 800",
            "with a touch of film grain",
        ],
    },
    Words {
        adjectives: &[
            "rather noisy",
            "clearly noisy",
            "quite noisy",
            "visibly grainy",
            "moderately noisy",
            "grainy",
            "speckled",
        ],
        endings: &[
            "with many noise",
            "with much noise",
            "with medium noise",
            "with moderate noise",
            "with visible noise",
            "with clear grain",
            "with a lot of grain",
            "with noise of sigma 25",
            "with noise 25",
            "with noticeable sensor noise",
            "taken at iso 3200",
            "with gaussian noise",
            "with random speckles",
        ],
    },
    Words {
        adjectives: &[
            "very noisy",
            "extremely noisy",
            "heavily noisy",
            "terribly grainy",
            "very grainy",
            "strongly speckled",
        ],
        endings: &[
            "with large amount of noise",
            "with a large amount of noise",
            "with heavy noise",
            "with strong noise",
            "with severe noise",
            "with extreme noise",
            "with very much noise",
            "with coarse grain",
            "with noise of sigma 50",
            "with noise 50",
            "drowned in noise",
            "full of noise",
            "taken at iso 25600",
            "with huge sensor noise",
        ],
    },
    Words {
        adjectives: &[
            "hazy",
            "foggy",
            "misty",
            "slightly hazy",
            "very hazy",
            "dense foggy",
            "smoggy",
            "washed out",
            "veiled",
            "murky",
        ],
        endings: &[
            "with haze",
            "with fog",
            "with mist",
            "with light haze",
            "with heavy haze",
            "with thin fog",
            "with dense fog",
            "with smog",
            "in fog",
            "in the mist",
            "on a hazy day",
            "on a foggy morning",
            "with a white veil",
            "with smoke in the air",
            "with poor visibility",
            "with low contrast from haze",
            "seen through haze",
        ],
    },
    Words {
        adjectives: &[
            "rainy",
            "slightly rainy",
            "very rainy",
            "rain streaked",
            "rain covered",
            "stormy",
            "drizzly",
            "wet rainy",
        ],
        endings: &[
            "with rain",
            "with light rain",
            "with heavy rain",
            "with rain streaks",
            "with streaks of rain",
            "with falling rain",
            "with rain drops falling",
            "in the rain",
            "in a rain storm",
            "in a downpour",
            "in a drizzle",
            "on a rainy day",
            "taken while it rains",
            "when it is raining",
            "with raindrops",
            "during a shower",
        ],
    },
    Words {
        adjectives: &[
            "blurry",
            "blurred",
            "slightly blurry",
            "very blurry",
            "unsharp",
            "shaky",
            "smeared",
            "out of focus",
            "defocused",
            "motion blurred",
        ],
        endings: &[
            "with blur",
            "with motion blur",
            "with slight blur",
            "with strong blur",
            "with camera shake",
            "with defocus",
            "with defocus blur",
            "out of focus",
            "that is not sharp",
            "with soft edges",
            "with smeared edges",
            "of a moving object with blur",
            "taken by a shaking hand",
            "taken from a moving car with blur",
            "with a wrong focus",
        ],
    },
    Words {
        adjectives: &[
            "dark",
            "very dark",
            "too dark",
            "dim",
            "low light",
            "underexposed",
            "badly lit",
            "poorly lit",
            "gloomy",
            "night",
        ],
        endings: &[
            "with low light",
            "with little light",
            "with too little light",
            "in low light",
            "in the dark",
            "in darkness",
            "at night",
            "at night without light",
            "in a dark room",
            "with poor lighting",
            "with weak illumination",
            "with too short an exposure",
            "that is too dark",
            "that is underexposed",
            "in dim light",
            "with low brightness",
        ],
    },
    Words {
        adjectives: &[
            "clear",
            "clean",
            "sharp",
            "good",
            "perfect",
            "crisp",
            "pristine",
            "high quality",
            "undegraded",
            "well exposed",
            "sharp and clean",
        ],
        endings: &[
            "without noise",
            "without any noise",
            "without haze",
            "without fog",
            "without rain",
            "without blur",
            "without defects",
            "without any degradation",
            "in good light",
            "in clear weather",
            "on a clear day",
            "on a sunny day",
            "of good quality",
            "of high quality",
            "in perfect focus",
            "with nothing wrong",
            "with sharp details",
            "free of noise",
        ],
    },
];

/// Every noun with every adjective and ending of every prompt, and the canonical prompts first.
pub fn all() -> Vec<Phrase> {
    let mut phrases: Vec<Phrase> = (0..PROMPTS).map(canonical).collect();
    for (prompt, words) in WORDS.iter().enumerate() {
        for noun in NOUNS {
            let meaning = one(prompt);
            let adjectives = words.adjectives.iter().map(|adjective| with_article(adjective, noun));
            let endings = words.endings.iter().map(|ending| format!("{noun} {ending}"));
            phrases.extend(adjectives.chain(endings).map(|text| Phrase { text, meaning }));
        }
    }
    phrases
}

/// The canonical prompt of that index.
pub fn canonical(prompt: usize) -> Phrase {
    Phrase { text: CANONICAL[prompt].0.into(), meaning: one(prompt) }
}

/// A text that names two degradations of different tasks.
pub fn mixture(rng: &mut impl Rng) -> Phrase {
    let clear = PROMPTS - 1;
    let (mut a, mut b) = (0, 0);
    while CANONICAL[a].1 == CANONICAL[b].1 {
        (a, b) = (rng.random_range(0..clear), rng.random_range(0..clear));
    }
    let noun = pick(&NOUNS, rng);
    let (first, second) = (&WORDS[a], &WORDS[b]);
    let text = if rng.random() {
        format!("{} {}", with_article(pick(first.adjectives, rng), noun), pick(second.endings, rng))
    } else {
        format!("{noun} {} and {}", pick(first.endings, rng), pick(second.endings, rng))
    };
    Phrase { text, meaning: blend(&one(a), &one(b), 0.5) }
}

fn pick<'a>(words: &[&'a str], rng: &mut impl Rng) -> &'a str {
    words[rng.random_range(0..words.len())]
}

fn with_article(adjective: &str, noun: &str) -> String {
    let article = if adjective.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    match adjective.strip_prefix("a ") {
        Some(_) => format!("{adjective} {noun}"),
        None => format!("{article} {adjective} {noun}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::collections::BTreeMap;

    #[test]
    fn no_text_means_two_things() {
        let mut meanings = BTreeMap::new();
        for phrase in all() {
            let known = meanings.entry(phrase.text.clone()).or_insert(phrase.meaning);
            assert_eq!(*known, phrase.meaning, "{}", phrase.text);
        }
        assert!(meanings.len() > 1500);
    }

    #[test]
    fn a_mixture_names_two_tasks() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..100 {
            let phrase = mixture(&mut rng);
            let named: Vec<_> = (0..PROMPTS).filter(|&i| phrase.meaning[i] == 0.5).collect();
            assert_eq!(named.len(), 2, "{phrase:?}");
            assert_ne!(CANONICAL[named[0]].1, CANONICAL[named[1]].1);
        }
    }
}
