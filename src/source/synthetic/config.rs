//! What to render, as fields or as the text of a URI.

use super::Weather;
use crate::{Error, Result};
use std::ops::RangeInclusive;

/// A synthetic drive: its weather, size and pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SyntheticConfig {
    /// What degrades the frames.
    pub weather: Weather,
    /// Pixels across, 16..=7680.
    pub width: u32,
    /// Pixels down, 16..=4320.
    pub height: u32,
    /// Frames per second of the drive, 1..=240; rendering itself is as fast as it can be.
    pub fps: f64,
    /// Which drive; the same seed gives the same frames.
    pub seed: u64,
    /// The car stands: the scene is the drive's first frame, and the weather alone moves.
    pub still: bool,
}

const WIDTHS: RangeInclusive<u32> = 16..=7680;
const HEIGHTS: RangeInclusive<u32> = 16..=4320;
const RATES: RangeInclusive<f64> = 1.0..=240.0;

impl Default for SyntheticConfig {
    /// Clear, 640x360 at 30 frames per second, seed 7.
    fn default() -> Self {
        Self { weather: Weather::Clear, width: 640, height: 360, fps: 30.0, seed: 7, still: false }
    }
}

impl SyntheticConfig {
    /// Reads `road?weather=rain&size=640x360&fps=30&seed=7&still=1`; keys may be left out, and the part
    /// from `?` on as a whole.
    ///
    /// # Errors
    /// [`Error::Input`] that names the part at fault and lists what is allowed.
    pub fn from_uri(uri: &str) -> Result<Self> {
        let (scene, query) = uri.split_once('?').unwrap_or((uri, ""));
        if scene != "road" {
            return Err(fault(format!(
                "scene {scene:?} is unknown; allowed is road, as in road?weather=rain"
            )));
        }
        let mut config = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key {
                "weather" => config.weather = value.parse().map_err(|e: Error| fault(e.to_string()))?,
                "size" => (config.width, config.height) = size(value)?,
                "fps" => config.fps = value.parse().map_err(|_| bad_rate(value))?,
                "seed" => config.seed = value.parse().map_err(|_| bad_seed(value))?,
                "still" => {
                    config.still = match value {
                        "0" => false,
                        "1" => true,
                        _ => return Err(fault(format!("still {value:?} is not 0 or 1"))),
                    }
                }
                _ => {
                    let allowed = "allowed are weather, size, fps, seed, still";
                    return Err(fault(format!("key {key:?} is unknown; {allowed}")));
                }
            }
            if seen.contains(&key) {
                return Err(fault(format!("key {key:?} is given twice; give it once")));
            }
            seen.push(key);
        }
        config.checked()
    }

    /// The same, if every field is within its limits.
    pub(super) fn checked(self) -> Result<Self> {
        if !WIDTHS.contains(&self.width) || !HEIGHTS.contains(&self.height) {
            return Err(bad_size(&format!("{}x{}", self.width, self.height)));
        }
        if !RATES.contains(&self.fps) {
            return Err(bad_rate(&self.fps.to_string()));
        }
        Ok(self)
    }
}

fn size(text: &str) -> Result<(u32, u32)> {
    let parsed = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parsed.ok_or_else(|| bad_size(text))
}

fn fault(reason: String) -> Error {
    Error::Input(format!("synthetic source: {reason}"))
}

fn bad_size(text: &str) -> Error {
    let ((w0, w1), (h0, h1)) = ((WIDTHS.start(), WIDTHS.end()), (HEIGHTS.start(), HEIGHTS.end()));
    fault(format!(
        "size {text:?} is not WIDTHxHEIGHT with a width of {w0} to {w1} and a height of {h0} to {h1}"
    ))
}

fn bad_rate(text: &str) -> Error {
    fault(format!("fps {text:?} is not a number of {} to {}", RATES.start(), RATES.end()))
}

fn bad_seed(text: &str) -> Error {
    fault(format!("seed {text:?} is not a whole number of 0 to {}", u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let config =
            SyntheticConfig::from_uri("road?weather=fog&size=320x180&fps=12.5&seed=9&still=1").unwrap();
        let expected = SyntheticConfig {
            weather: Weather::Fog,
            width: 320,
            height: 180,
            fps: 12.5,
            seed: 9,
            still: true,
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn what_is_left_out_takes_its_default() {
        for uri in ["road", "road?", "road?weather=clear", "road?&seed=7&"] {
            assert_eq!(SyntheticConfig::from_uri(uri).unwrap(), SyntheticConfig::default(), "{uri}");
        }
    }

    #[test]
    fn each_mistake_is_one_line_that_says_what_is_allowed() {
        for (uri, said) in [
            ("sea?weather=rain", "road"),
            ("", "road"),
            ("road?wether=rain", "weather, size, fps, seed"),
            ("road?weather=", "clear, rain, fog, night, noise"),
            ("road?weather=Rain", "clear, rain, fog, night, noise"),
            ("road?size=640", "16 to 7680"),
            ("road?size=640x-1", "16 to 7680"),
            ("road?size=15x360", "16 to 7680"),
            ("road?size=640x4321", "16 to 4320"),
            ("road?size=99999999999x360", "16 to 7680"),
            ("road?fps=0", "1 to 240"),
            ("road?fps=NaN", "1 to 240"),
            ("road?fps=inf", "1 to 240"),
            ("road?seed=-1", "whole number"),
            ("road?seed=1&seed=2", "twice"),
            ("road?still=yes", "0 or 1"),
            ("road?\n=1", "weather, size, fps, seed"),
        ] {
            let message = SyntheticConfig::from_uri(uri).expect_err(uri).to_string();
            assert!(message.contains(said) && message.lines().count() == 1, "{uri:?}: {message}");
        }
    }
}
