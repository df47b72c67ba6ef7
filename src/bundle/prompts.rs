//! The degradations that a bundle knows: prompts, tasks, and their vectors.

use crate::arch::DEGRADATION_DIM;
use crate::weights::parse_safetensors;
use ndarray::{Array2, ArrayView1, Ix2};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is to be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Sensor noise.
    Denoise,
    /// Rain streaks.
    Derain,
    /// Haze and fog.
    Dehaze,
    /// Motion blur and defocus.
    Deblur,
    /// Too little light.
    LowLight,
    /// Nothing: a clear picture.
    Clear,
}

impl Task {
    /// All tasks.
    pub const ALL: [Self; 6] =
        [Self::Denoise, Self::Derain, Self::Dehaze, Self::Deblur, Self::LowLight, Self::Clear];

    /// The task that a prompt's words are about (`image with haze`, `noise 25`).
    ///
    /// # Errors
    /// [`crate::Error::Input`] where they name no degradation.
    pub fn of_prompt(words: &str) -> crate::Result<Self> {
        if let Ok(task) = words.parse() {
            return Ok(task);
        }
        let lower = words.to_lowercase();
        let named = [
            ("nois", Self::Denoise),
            ("rain", Self::Derain),
            ("haz", Self::Dehaze),
            ("fog", Self::Dehaze),
            ("blur", Self::Deblur),
            ("low", Self::LowLight),
            ("dark", Self::LowLight),
            ("clear", Self::Clear),
        ];
        let task = lower
            .split_whitespace()
            .find_map(|word| named.iter().find(|(start, _)| word.starts_with(start)).map(|(_, task)| *task));
        task.ok_or_else(|| crate::Error::Input(format!("the prompt {words:?} names no known degradation")))
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denoise => "denoise",
            Self::Derain => "derain",
            Self::Dehaze => "dehaze",
            Self::Deblur => "deblur",
            Self::LowLight => "low-light",
            Self::Clear => "clear",
        })
    }
}

impl FromStr for Task {
    type Err = crate::Error;

    /// Takes a task's name, or that of the degradation (`haze` for `dehaze`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_lowercase().replace([' ', '_'], "-").as_str() {
            "denoise" | "noise" => Ok(Self::Denoise),
            "derain" | "rain" => Ok(Self::Derain),
            "dehaze" | "haze" | "fog" => Ok(Self::Dehaze),
            "deblur" | "blur" => Ok(Self::Deblur),
            "low-light" | "lowlight" | "night" | "dark" => Ok(Self::LowLight),
            "clear" => Ok(Self::Clear),
            _ => Err(crate::Error::Input(format!(
                "no task is called {text}; there are {}",
                Self::ALL.map(|task| task.to_string()).join(", ")
            ))),
        }
    }
}

/// A degradation in words, and the task that undoes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// The words, as the text tower was given them.
    pub text: String,
    /// The task.
    pub task: Task,
}

/// The prompts of a bundle with their vectors, `[N, 512]` each.
#[derive(Clone, Debug)]
pub struct Prompts {
    prompts: Vec<Prompt>,
    text_features: Option<Array2<f32>>,
}

impl Prompts {
    /// Name of the tensor with d_T, the text tower's vector of each prompt.
    pub const TEXT_FEATURES: &str = "text_features";

    pub(super) fn parse(prompts: &[Prompt], bytes: &[u8]) -> Result<Self, String> {
        let (tensors, _) = parse_safetensors(bytes, "the prompt file").map_err(|e| e.to_string())?;
        tensors.check_finite().map_err(|e| e.to_string())?;
        let matrix = |name: &str| match tensors.get(name) {
            Err(_) => Ok(None),
            Ok(tensor) if tensor.shape() == [prompts.len(), DEGRADATION_DIM] => {
                Ok(tensor.clone().into_dimensionality::<Ix2>().ok())
            }
            Ok(tensor) => Err(format!(
                "{name} has shape {:?}, not one row of {DEGRADATION_DIM} for each of {} prompts",
                tensor.shape(),
                prompts.len()
            )),
        };
        Ok(Self { prompts: prompts.to_vec(), text_features: matrix(Self::TEXT_FEATURES)? })
    }

    /// The prompts, in the order of the vectors.
    pub fn prompts(&self) -> &[Prompt] {
        &self.prompts
    }

    /// d_T of each prompt, `[N, 512]`.
    pub fn text_features(&self) -> Option<&Array2<f32>> {
        self.text_features.as_ref()
    }

    /// The names of the tasks that the prompts are about, each once.
    pub fn tasks(&self) -> Vec<String> {
        let known = |task: &Task| self.prompts.iter().any(|prompt| prompt.task == *task);
        Task::ALL.iter().filter(|task| known(task)).map(Task::to_string).collect()
    }

    /// The index of the prompt that a person means by `words`: a prompt's own text, or a
    /// task's name, which stands for the middle one of its prompts (they go from mild to
    /// strong).
    ///
    /// # Errors
    /// [`crate::Error::Input`] where nothing fits; it lists what does.
    pub fn find(&self, words: &str) -> crate::Result<usize> {
        let same = |prompt: &Prompt| prompt.text.eq_ignore_ascii_case(words);
        if let Some(index) = self.prompts.iter().position(same) {
            return Ok(index);
        }
        let task = words.parse::<Task>();
        let of_task: Vec<usize> = (0..self.prompts.len())
            .filter(|&i| task.as_ref().is_ok_and(|task| self.prompts[i].task == *task))
            .collect();
        of_task.get(of_task.len() / 2).copied().ok_or_else(|| {
            let texts: Vec<&str> = self.prompts.iter().map(|prompt| prompt.text.as_str()).collect();
            crate::Error::Input(format!(
                "this model knows no task or prompt {words:?}; tasks: {}; prompts: {}",
                self.tasks().join(", "),
                texts.join(", ")
            ))
        })
    }

    /// Whether a d_I of the one means the same to the other: their prompts have the same vectors.
    pub fn same_space(&self, other: &Self) -> bool {
        self.text_features.is_some() && self.text_features == other.text_features
    }

    /// The d_I that stands for a prompt: its text's vector, to which training has pulled
    /// pictures of that degradation.
    pub fn degradation(&self, index: usize) -> Option<ArrayView1<'_, f32>> {
        let vectors = self.text_features.as_ref()?;
        (index < vectors.nrows()).then(|| vectors.row(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_found_by_its_own_name() {
        for task in Task::ALL {
            assert_eq!(task.to_string().parse::<Task>().unwrap(), task);
        }
        assert!("defog the moon".parse::<Task>().is_err());
        assert_eq!(Task::of_prompt("image with large amount of noise").unwrap(), Task::Denoise);
        assert_eq!(Task::of_prompt("image with low light").unwrap(), Task::LowLight);
        assert_eq!(Task::of_prompt("low-light").unwrap(), Task::LowLight);
        assert!(Task::of_prompt("film grain").is_err());
    }

    #[test]
    fn a_task_with_several_prompts_means_the_middle_one() {
        let prompt = |text: &str, task| Prompt { text: text.into(), task };
        let prompts = Prompts {
            prompts: vec![
                prompt("noise 15", Task::Denoise),
                prompt("noise 25", Task::Denoise),
                prompt("noise 50", Task::Denoise),
                prompt("haze", Task::Dehaze),
            ],
            text_features: None,
        };
        assert_eq!(prompts.find("noise").unwrap(), 1);
        assert_eq!(prompts.find("Noise 50").unwrap(), 2);
        assert_eq!(prompts.find("dehaze").unwrap(), 3);
        let message = prompts.find("blur").unwrap_err().to_string();
        assert!(message.contains("denoise") && message.contains("noise 15"), "{message}");
    }
}
