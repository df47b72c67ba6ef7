//! What is known of a kind of board, as `board/*.toml` says it.

use crate::arch::VluNetConfig;
use crate::bundle::{Dtype, Task};
use crate::uri::Uri;
use crate::{Error, Result, strict_toml};
use serde::Deserialize;
use std::path::Path;

/// The profiles that the program carries, by their names; the last one fits every machine.
const EMBEDDED: [(&str, &str); 8] = [
    ("raspberry-pi-4", include_str!("../../board/raspberry-pi-4.toml")),
    ("raspberry-pi-5", include_str!("../../board/raspberry-pi-5.toml")),
    ("raspberry-pi-zero-2-w", include_str!("../../board/raspberry-pi-zero-2-w.toml")),
    ("jetson-orin-nano", include_str!("../../board/jetson-orin-nano.toml")),
    ("jetson-orin-nx", include_str!("../../board/jetson-orin-nx.toml")),
    ("jetson-agx-orin", include_str!("../../board/jetson-agx-orin.toml")),
    ("rock-5b", include_str!("../../board/rock-5b.toml")),
    ("generic-pc", include_str!("../../board/generic-pc.toml")),
];

/// Cores and GPIO lines are numbered below this.
const MAX_NUMBER: usize = 1024;

/// A kind of board.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What `--board` calls it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Device tree strings that it is recognised by; `*` stands for any text.
    #[serde(default)]
    pub compatible: Vec<String>,
    /// The source where none is given, as a URI.
    pub camera: String,
    /// Frames per second to hold where neither `--fps` nor the source says, 1..=240.
    pub fps: f64,
    /// Threads and cores.
    #[serde(default)]
    pub cpu: Cpu,
    /// The model to start with.
    pub model: ModelChoice,
    /// When the board is too hot.
    pub thermal: ThermalLimits,
    /// The pins, where it has any.
    pub gpio: Option<Pins>,
}

/// Threads and the cores that they run on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// Threads of the model; all cores where not given.
    pub threads: Option<usize>,
    /// Cores of the threads that restore; any where empty.
    #[serde(default)]
    pub restore_cores: Vec<usize>,
    /// Cores of all other threads; any where empty.
    #[serde(default)]
    pub other_cores: Vec<usize>,
}

/// A wish, to be followed where the bundle offers it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelChoice {
    /// The tier: full, small, nano or pico.
    pub tier: String,
    /// The number format; the bundle's best where not given.
    pub dtype: Option<Dtype>,
}

/// Temperatures in °C.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThermalLimits {
    /// Types of the zones that count (`tj-thermal`); all where empty.
    #[serde(default)]
    pub zones: Vec<String>,
    /// From here on the governor saves.
    pub warm_c: f64,
    /// From here on it saves all that it can.
    pub hot_c: f64,
    /// Degrees below a limit that it must cool to before the limit is forgotten.
    pub hysteresis_c: f64,
}

/// The pins of the button, the LED and the outputs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// Whether rppal drives them, where this build has it; else the character device does.
    #[serde(default)]
    pub rppal: bool,
    /// Labels that the chip may have, as `gpiodetect` shows them in brackets.
    pub chip: Vec<String>,
    /// Toggles restoring; pulled up, and pressed where it reads low, unless `active_low` is
    /// false: then pulled down.
    pub button: Option<ButtonPin>,
    /// Shows the state.
    pub led: Option<OutputPin>,
    /// Each follows a degradation.
    #[serde(default)]
    pub outputs: Vec<TaskPin>,
}

/// A button's line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ButtonPin {
    /// The line's number on its chip (a Pi's GPIO number).
    pub line: u32,
    /// Whether it is pressed when it reads low.
    #[serde(default = "yes")]
    pub active_low: bool,
}

fn yes() -> bool {
    true
}

/// A line that is driven.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputPin {
    /// The line's number on its chip (a Pi's GPIO number).
    pub line: u32,
    /// Whether it is on when it is driven low.
    #[serde(default)]
    pub active_low: bool,
}

/// A line that is on while a degradation is seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskPin {
    /// The line's number on its chip (a Pi's GPIO number).
    pub line: u32,
    /// The task that undoes the degradation: `dehaze` for a fog lamp.
    pub task: Task,
    /// Whether it is on when it is driven low.
    #[serde(default)]
    pub active_low: bool,
}

impl Profile {
    /// All profiles that the program carries; the last fits every machine.
    pub fn embedded() -> impl Iterator<Item = Result<Self>> {
        EMBEDDED.iter().map(|(name, text)| Self::parse(text, &format!("board {name}")))
    }

    /// The profile for every machine.
    ///
    /// # Errors
    /// None in a build whose tests pass.
    pub fn generic() -> Result<Self> {
        let (name, text) = EMBEDDED[EMBEDDED.len() - 1];
        Self::parse(text, &format!("board {name}"))
    }

    /// An embedded profile by its name, or one's own by the path of its file.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none, which lists those there are, or its file is wrong.
    pub fn find(name_or_path: &str) -> Result<Self> {
        if let Some((name, text)) = EMBEDDED.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(text, &format!("board {name}"));
        }
        let path = Path::new(name_or_path);
        if path.extension().is_some_and(|extension| extension == "toml") {
            return Self::parse(&strict_toml::read(path)?, name_or_path);
        }
        let known: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
        Err(Error::Input(format!(
            "there is no board {name_or_path:?}; there are {}, and any file that ends in .toml",
            known.join(", ")
        )))
    }

    /// Reads and checks a profile; `name` stands for it in messages.
    ///
    /// # Errors
    /// [`Error::Input`] says where it is wrong; for an unknown key it lists those there are.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let profile: Self = strict_toml::parse(text, name)?;
        profile.check().map_err(|reason| Error::Input(format!("{name}: {reason}")))?;
        Ok(profile)
    }

    /// Whether a device tree's `compatible` string is this board's.
    pub fn fits(&self, compatible: &str) -> bool {
        self.compatible.iter().any(|pattern| matches(pattern, compatible))
    }

    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(format!("the name {:?} is not made of letters, digits and hyphens", self.name));
        }
        Uri::parse(&self.camera).map_err(|e| format!("camera: {e}"))?;
        if !(1.0..=240.0).contains(&self.fps) {
            return Err(format!("fps = {} is outside 1 to 240", self.fps));
        }
        if self.cpu.threads.is_some_and(|threads| !(1..=512).contains(&threads)) {
            return Err("cpu.threads is outside 1 to 512".into());
        }
        if self.cpu.restore_cores.iter().chain(&self.cpu.other_cores).any(|core| *core >= MAX_NUMBER) {
            return Err(format!("cores are numbered from 0 to {}", MAX_NUMBER - 1));
        }
        if VluNetConfig::preset(&self.model.tier).is_none() {
            return Err(format!("model.tier {:?} is none of full, small, nano, pico", self.model.tier));
        }
        let ThermalLimits { warm_c, hot_c, hysteresis_c, .. } = self.thermal;
        if !(20.0..=150.0).contains(&warm_c) || !(warm_c..=150.0).contains(&hot_c) {
            return Err(format!(
                "thermal: warm_c = {warm_c} and hot_c = {hot_c} are not rising within 20 to 150"
            ));
        }
        if !(0.0..=30.0).contains(&hysteresis_c) {
            return Err(format!("thermal.hysteresis_c = {hysteresis_c} is outside 0 to 30"));
        }
        self.gpio.as_ref().map_or(Ok(()), Pins::check)
    }
}

impl Pins {
    fn check(&self) -> Result<(), String> {
        if self.chip.is_empty() {
            return Err("gpio.chip is empty; gpiodetect shows the labels of the chips".into());
        }
        let mut lines: Vec<u32> = self.outputs.iter().map(|pin| pin.line).collect();
        lines.extend(self.button.iter().map(|pin| pin.line));
        lines.extend(self.led.iter().map(|pin| pin.line));
        if let Some(line) = lines.iter().find(|line| **line as usize >= MAX_NUMBER) {
            return Err(format!("gpio: line {line} is not below {MAX_NUMBER}"));
        }
        lines.sort_unstable();
        if let Some(pair) = lines.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("gpio: line {} is given twice", pair[0]));
        }
        // rppal takes GPIO numbers as bytes.
        match lines.last().filter(|line| self.rppal && **line > 27) {
            Some(line) => Err(format!("gpio: a Raspberry Pi's header has no GPIO {line}, only 0 to 27")),
            None => Ok(()),
        }
    }
}

/// Whether a text fits a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_profile_is_sound_and_named_like_its_file() {
        for ((name, _), profile) in EMBEDDED.iter().zip(Profile::embedded()) {
            let profile = profile.unwrap();
            assert_eq!(&profile.name, name);
            assert_eq!(Profile::find(name).unwrap(), profile);
            assert_eq!(profile.compatible.is_empty(), profile.name == "generic-pc");
            // The wiring is one for all: a Pi's pins 13, 11 and 15.
            let wired = profile.gpio.as_ref().is_none_or(|pins| pins.button.is_some() && pins.led.is_some());
            assert!(wired, "{name}");
        }
        assert_eq!(Profile::generic().unwrap().name, "generic-pc");
    }

    #[test]
    fn each_board_is_told_from_its_sisters() {
        let boards: Vec<Profile> = Profile::embedded().map(Result::unwrap).collect();
        for (compatible, expected) in [
            ("raspberrypi,4-model-b", "raspberry-pi-4"),
            ("raspberrypi,4-compute-module-s", "raspberry-pi-4"),
            ("raspberrypi,5-model-b", "raspberry-pi-5"),
            ("raspberrypi,model-zero-2-w", "raspberry-pi-zero-2-w"),
            ("nvidia,p3768-0000+p3767-0005-super", "jetson-orin-nano"),
            ("nvidia,p3509-0000+p3767-0004", "jetson-orin-nano"),
            ("nvidia,p3768-0000+p3767-0000", "jetson-orin-nx"),
            ("nvidia,p3767-0001", "jetson-orin-nx"),
            ("nvidia,p3737-0000+p3701-0005", "jetson-agx-orin"),
            ("radxa,rock-5b", "rock-5b"),
        ] {
            let fitting: Vec<&str> =
                boards.iter().filter(|board| board.fits(compatible)).map(|board| &*board.name).collect();
            assert_eq!(fitting, [expected], "{compatible}");
        }
        for other in ["raspberrypi,3-model-b", "radxa,rock-5b-plus", "nvidia,tegra234", "brcm,bcm2711", ""] {
            assert!(!boards.iter().any(|board| board.fits(other)), "{other}");
        }
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, fits) in [
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
            ("ab*b", "ab", false),
            ("*", "", true),
            ("abc", "abcd", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn mistakes_are_one_line_that_says_where_and_what_is_allowed() {
        let good = EMBEDDED[0].1;
        for (from, to, said) in [
            ("fps = 15", "fsp = 15", "unknown field `fsp`, expected one of `name`, `title`"),
            ("fps = 15", "fps = 0", "outside 1 to 240"),
            ("fps = 15", "fps = \"fast\"", ", line 9: "),
            ("threads = 3", "threads = 0", "cpu.threads"),
            ("[1, 2, 3]", "[1, 4096]", "numbered from 0 to 1023"),
            ("tier = \"nano\"", "tier = \"giant\"", "full, small, nano, pico"),
            ("\"int8\"", "\"int4\"", "expected one of `f32`, `f16`, `int8`"),
            ("hot_c = 78", "hot_c = 60", "not rising"),
            ("hysteresis_c = 5", "hysteresis_c = -5", "outside 0 to 30"),
            ("led = { line = 17 }", "led = { line = 27 }", "line 27 is given twice"),
            ("led = { line = 17 }", "led = { pin = 17 }", "expected `line` or `active_low`"),
            ("led = { line = 17 }", "led = { line = 54 }", "only 0 to 27"),
            ("\"dehaze\"", "\"defog\"", "`dehaze`"),
            ("v4l2:///dev", "/dev", "camera:"),
            ("[\"pinctrl-bcm2711\", \"pinctrl-bcm2835\"]", "[]", "gpiodetect"),
            ("raspberry-pi-4\"", "raspberry pi\"", "letters, digits and hyphens"),
        ] {
            assert!(good.contains(from), "{from}");
            let message = Profile::parse(&good.replacen(from, to, 1), "my.toml").unwrap_err().to_string();
            assert!(message.starts_with("my.toml") && message.contains(said), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
        let unknown = Profile::find("raspberry-pi-6").unwrap_err().to_string();
        assert!(unknown.contains("raspberry-pi-5, ") && unknown.contains(".toml"), "{unknown}");
    }

    #[test]
    fn ones_own_profile_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        let text = EMBEDDED[7].1.replace("generic-pc", "mine");
        std::fs::write(&path, text).unwrap();
        assert_eq!(Profile::find(path.to_str().unwrap()).unwrap().name, "mine");
        assert!(Profile::find("no/such.toml").unwrap_err().to_string().contains("no/such.toml"));
    }
}
