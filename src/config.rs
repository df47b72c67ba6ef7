//! The configuration file of `vlunet run`: `/etc/vlunet/vlunet.toml`.
//!
//! Its keys are the flags of `vlunet run`, with underscores for hyphens; a flag that is given
//! comes before the file. `board/vlunet.toml` is a commented example.

use crate::backend::Processor;
use crate::board::profile::Profile;
use crate::bundle::Dtype;
use crate::uri::Uri;
use crate::{Error, Result, strict_toml};
use serde::{Deserialize, Deserializer};
use std::path::Path;
use std::time::Duration;

/// Where the service's file lies.
pub const DEFAULT_PATH: &str = "/etc/vlunet/vlunet.toml";

/// What a configuration file says; what it leaves out is for the flags, the board or the defaults.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where frames come from, as a URI.
    pub source: Option<String>,
    /// Where they go, as URIs; the flag is `--sink`.
    pub sinks: Vec<String>,
    /// Frames per second to hold, 1..=240.
    pub fps: Option<f64>,
    /// How often the degradation is detected: `500ms`, `2s`.
    #[serde(deserialize_with = "duration")]
    pub detect_every: Option<Duration>,
    /// A task that is forced, or words for a bundle with a text tower.
    pub task: Option<String>,
    /// The board's profile, by name or file; detected where not given.
    pub board: Option<String>,
    /// Whether the board's pins are taken; off where not given, for they may be wired otherwise.
    pub gpio: Option<bool>,
    /// The model: a bundle's folder or `.vlu` file, the name of the embedded one, or
    /// `installed:NAME`.
    pub model: Option<String>,
    /// Lighter ones that may stand in for it, the best first.
    pub lighter_models: Vec<String>,
    /// Number format of the model.
    pub dtype: Option<Dtype>,
    /// Where the model runs: `auto`, `cpu`, `tensorrt`.
    #[serde(deserialize_with = "processor")]
    pub backend: Option<Processor>,
    /// The DLA core of a Jetson that restores.
    pub dla: Option<u32>,
    /// Threads of the model, 1..=512.
    pub threads: Option<u16>,
    /// Blend of the restored picture (1) and the input (0), 0..=1.
    pub strength: Option<f32>,
    /// The least share of each side at which the governor may restore, above 0 and at most 1.
    pub min_scale: Option<f64>,
    /// The largest such share.
    pub max_scale: Option<f64>,
}

fn duration<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(value)?;
    let read = humantime::parse_duration(&text);
    read.map(Some).map_err(|e| {
        serde::de::Error::custom(format!("{text:?} is no duration ({e}); it reads like \"500ms\" or \"2s\""))
    })
}

fn processor<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Processor>, D::Error> {
    let text = String::deserialize(value)?;
    let known = [("auto", Processor::Auto), ("cpu", Processor::Cpu), ("tensorrt", Processor::Gpu)];
    let found = known.iter().find(|(name, _)| *name == text).map(|(_, processor)| Some(*processor));
    found.ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is no backend; there are auto, cpu and tensorrt"))
    })
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be read; else as [`Self::parse`].
    pub fn load(path: &Path) -> Result<Self> {
        Self::parse(&strict_toml::read(path)?, &path.display().to_string())
    }

    /// Reads and checks a configuration; `name` stands for it in messages.
    ///
    /// # Errors
    /// [`Error::Input`] with the line or the key at fault; for an unknown key it lists those
    /// there are.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let config: Self = strict_toml::parse(text, name)?;
        config.check().map_err(|reason| Error::Input(format!("{name}: {reason}")))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        for uri in self.source.iter().chain(&self.sinks) {
            Uri::parse(uri).map_err(|e| e.to_string())?;
        }
        if self.sinks.iter().enumerate().any(|(index, sink)| self.sinks[..index].contains(sink)) {
            return Err("sinks: one is given twice".into());
        }
        if self.fps.is_some_and(|fps| !(1.0..=240.0).contains(&fps)) {
            return Err("fps is outside 1 to 240".into());
        }
        let sane = Duration::from_millis(10)..=Duration::from_secs(3600);
        if self.detect_every.is_some_and(|every| !sane.contains(&every)) {
            return Err("detect_every is outside 10ms to 1h".into());
        }
        if let Some(board) = &self.board {
            Profile::find(board).map_err(|e| format!("board: {e}"))?;
        }
        if self.threads.is_some_and(|threads| !(1..=512).contains(&threads)) {
            return Err("threads is outside 1 to 512".into());
        }
        if self.strength.is_some_and(|strength| !(0.0..=1.0).contains(&strength)) {
            return Err("strength is outside 0 to 1".into());
        }
        let (least, most) = (self.min_scale, self.max_scale);
        if least.iter().chain(&most).any(|scale| !(*scale > 0.0 && *scale <= 1.0)) {
            return Err("min_scale and max_scale are shares above 0 and at most 1".into());
        }
        match (least, most) {
            (Some(least), Some(most)) if least > most => {
                Err(format!("min_scale = {least} is above max_scale = {most}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the package installs.
    const EXAMPLE: &str = include_str!("../board/vlunet.toml");

    #[test]
    fn the_example_is_sound_with_and_without_its_comments() {
        let config = Config::parse(EXAMPLE, "vlunet.toml").unwrap();
        assert_eq!(config.sinks, ["http://127.0.0.1:8080"]);
        // Every key that is commented out is one that the program knows, with a value it takes.
        let lines = EXAMPLE.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line));
        let whole = Config::parse(&lines.collect::<Vec<_>>().join("\n"), "vlunet.toml").unwrap();
        assert_eq!(whole.detect_every, Some(Duration::from_millis(500)));
        assert_eq!(whole.dtype, Some(Dtype::F32));
        let Config { source, fps, detect_every, task, board, model, dtype, threads, .. } = &whole;
        let given = [source.is_some(), fps.is_some(), detect_every.is_some(), task.is_some()];
        let given_too = [board.is_some(), model.is_some(), dtype.is_some(), threads.is_some()];
        assert_eq!((given, given_too), ([true; 4], [true; 4]));
        assert!(whole.strength.is_some() && whole.lighter_models.is_empty());
        assert!(whole.backend == Some(Processor::Auto) && whole.dla.is_some());
        assert!(whole.min_scale.is_some() && whole.max_scale.is_some() && whole.gpio.is_some());
    }

    #[test]
    fn nothing_at_all_is_a_configuration() {
        assert_eq!(Config::parse("", "a.toml").unwrap(), Config::default());
    }

    #[test]
    fn mistakes_are_one_line_that_says_where_and_what_is_allowed() {
        for (text, said) in [
            ("\n\nfsp = 30", "a.toml, line 3: unknown field `fsp`, expected one of `source`, `sinks`"),
            ("detect-every = \"1s\"", "`detect_every`"),
            ("source = [1]", "line 1: invalid type"),
            ("source = \"/dev/video0\"", "no scheme"),
            ("sinks = [\"null:\", \"null:\"]", "twice"),
            ("fps = 0.5", "1 to 240"),
            ("fps = nan", "1 to 240"),
            ("fps = 30\ndetect_every = \"fast\"", "line 2: \"fast\" is no duration"),
            ("detect_every = \"1ms\"", "10ms to 1h"),
            ("detect_every = \"9999999999999999999999y\"", "no duration"),
            ("dtype = \"f64\"", "`f32`"),
            ("backend = \"gpu\"", "\"gpu\" is no backend; there are auto, cpu and tensorrt"),
            ("board = \"pi\"", "raspberry-pi-5"),
            ("threads = 0", "1 to 512"),
            ("threads = -1", "line 1"),
            ("strength = 1.1", "0 to 1"),
            ("min_scale = 0.0", "above 0"),
            ("max_scale = 1.5", "at most 1"),
            ("min_scale = 0.8\nmax_scale = 0.5", "is above max_scale"),
            ("fps = ", "line 1"),
        ] {
            let message = Config::parse(text, "a.toml").unwrap_err().to_string();
            assert!(message.starts_with("a.toml") && message.contains(said), "{text}: {message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
        let missing = Config::load(Path::new("/no/such/vlunet.toml")).unwrap_err().to_string();
        assert!(missing.contains("/no/such/vlunet.toml"), "{missing}");
    }
}
