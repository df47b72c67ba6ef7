//! Sources and sinks as text: `scheme:rest?key=value&key=value`.

use crate::{Error, Result};
use std::str::FromStr;

/// A URI in its parts.
///
/// ```
/// use vlunet::uri::Uri;
/// let mut uri = Uri::parse("v4l2:///dev/video0?fps=30")?;
/// assert_eq!((uri.scheme(), uri.rest()), ("v4l2", "/dev/video0"));
/// assert_eq!(uri.take::<f64>("fps", "a number")?, Some(30.0));
/// uri.done(&["fps"])?;
/// # Ok::<(), vlunet::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    text: String,
    scheme: String,
    rest: String,
    query: Vec<(String, String)>,
}

impl Uri {
    /// Splits a URI; `//` behind the scheme is dropped, and `-` is the scheme of the standard
    /// streams.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no scheme, or a key is given twice.
    pub fn parse(text: &str) -> Result<Self> {
        let fail = |reason: String| Error::Input(format!("{text:?}: {reason}"));
        if text == "-" {
            return Ok(Self {
                text: text.into(),
                scheme: "-".into(),
                rest: String::new(),
                query: Vec::new(),
            });
        }
        let (scheme, rest) = text
            .split_once(':')
            .filter(|(scheme, _)| scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric()))
            .ok_or_else(|| fail("it begins with no scheme, as in file:clip.mp4".into()))?;
        // The text of a GStreamer pipeline is its own: it may hold question marks.
        let (rest, query) = match scheme {
            "gst" => (rest, ""),
            _ => rest.split_once('?').unwrap_or((rest, "")),
        };
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            if pairs.iter().any(|(known, _)| known == key) {
                return Err(fail(format!("key {key:?} is given twice; give it once")));
            }
            pairs.push((key.into(), value.into()));
        }
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        Ok(Self { text: text.into(), scheme: scheme.into(), rest: rest.into(), query: pairs })
    }

    /// The whole, as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `v4l2`, `file`, …, or `-`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What stands between the scheme and the question mark: a path, an address, a scene.
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// Takes the value of a key out, read as a `T`; `what` names what it should be.
    ///
    /// # Errors
    /// [`Error::Input`] where it can't be read.
    pub fn take<T: FromStr>(&mut self, key: &str, what: &str) -> Result<Option<T>> {
        let Some(index) = self.query.iter().position(|(known, _)| known == key) else { return Ok(None) };
        let (_, value) = self.query.remove(index);
        let read = value.parse().map_err(|_| self.fault(format!("{key}={value} is not {what}")))?;
        Ok(Some(read))
    }

    /// Takes `WIDTHxHEIGHT` out, with sides of 1 to 16384.
    ///
    /// # Errors
    /// [`Error::Input`] where it reads otherwise.
    pub fn take_size(&mut self, key: &str) -> Result<Option<(u32, u32)>> {
        let what = "WIDTHxHEIGHT with sides of 1 to 16384, as in 640x360";
        let Some(text) = self.take::<String>(key, what)? else { return Ok(None) };
        let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
        match sides {
            Some((width @ 1..=16_384, height @ 1..=16_384)) => Ok(Some((width, height))),
            _ => Err(self.fault(format!("{key}={text} is not {what}"))),
        }
    }

    /// Takes a switch out: `key=1` is on, `key=0` and no such key are off.
    ///
    /// # Errors
    /// [`Error::Input`] where it reads otherwise.
    pub fn take_flag(&mut self, key: &str) -> Result<bool> {
        match self.take::<u8>(key, "0 or 1")? {
            None | Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(other) => Err(self.fault(format!("{key}={other} is not 0 or 1"))),
        }
    }

    /// Takes a secret out as text; from then on the URI and its messages show `***` in its
    /// place.
    pub fn take_secret(&mut self, key: &str) -> Option<String> {
        let index = self.query.iter().position(|(known, _)| known == key)?;
        let (_, value) = self.query.remove(index);
        self.text = self.text.replacen(&format!("{key}={value}"), &format!("{key}=***"), 1);
        Some(value)
    }

    /// The keys and values that nobody took.
    pub fn left(&self) -> &[(String, String)] {
        &self.query
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Error::Input`] where a key is left that nobody took; `known` lists those there are.
    pub fn done(&self, known: &[&str]) -> Result<()> {
        let Some((key, _)) = self.query.first() else { return Ok(()) };
        let allowed = if known.is_empty() { "none is known here".into() } else { known.join(", ") };
        Err(self.fault(format!("key {key:?} is unknown; allowed: {allowed}")))
    }

    /// An error that names this URI.
    pub fn fault(&self, reason: impl std::fmt::Display) -> Error {
        Error::Input(format!("{}: {reason}", self.text))
    }
}

/// A URI as it may be shown and logged: `***` in place of a token.
pub fn without_secrets(text: &str) -> String {
    let Ok(mut uri) = Uri::parse(text) else { return text.into() };
    uri.take_secret("token");
    uri.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        for (text, scheme, rest) in [
            ("v4l2:///dev/video0?fps=30", "v4l2", "/dev/video0"),
            ("http://127.0.0.1:8080", "http", "127.0.0.1:8080"),
            ("synthetic:road?weather=rain", "synthetic", "road"),
            ("file:clips/a.mp4", "file", "clips/a.mp4"),
            ("null:", "null", ""),
            ("-", "-", ""),
            (
                "gst:rtspsrc location=rtsp://h/?x=1 ! appsink",
                "gst",
                "rtspsrc location=rtsp://h/?x=1 ! appsink",
            ),
        ] {
            let uri = Uri::parse(text).unwrap();
            assert_eq!((uri.scheme(), uri.rest(), uri.text()), (scheme, rest, text));
        }
    }

    #[test]
    fn a_secret_is_not_repeated_in_messages() {
        let mut uri = Uri::parse("http://0.0.0.0:80?quality=9&token=tell-nobody").unwrap();
        assert_eq!(uri.take_secret("token").as_deref(), Some("tell-nobody"));
        assert_eq!(uri.text(), "http://0.0.0.0:80?quality=9&token=***");
        assert_eq!(uri.fault("no").to_string(), "http://0.0.0.0:80?quality=9&token=***: no");
        assert_eq!((uri.take_secret("token"), uri.left().len()), (None, 1));
        assert_eq!(without_secrets("http://[::]:80?token=tell-nobody"), "http://[::]:80?token=***");
        assert_eq!(without_secrets("dir:out?keep=1GB"), "dir:out?keep=1GB");
    }

    #[test]
    fn mistakes_are_one_line_that_names_the_uri() {
        let size = |text: &str| Uri::parse(text)?.take_size("size");
        let unknown = |text: &str| Uri::parse(text)?.done(&["fps", "size"]);
        for (error, said) in [
            (Uri::parse("clip.mp4").unwrap_err(), "no scheme"),
            (Uri::parse("").unwrap_err(), "no scheme"),
            (Uri::parse("c:\\clip").unwrap_err(), "no scheme"),
            (Uri::parse("dir:x?a=1&a=2").unwrap_err(), "twice"),
            (size("dir:x?size=640").unwrap_err(), "WIDTHxHEIGHT"),
            (size("dir:x?size=0x4").unwrap_err(), "WIDTHxHEIGHT"),
            (unknown("dir:x?fsp=30").unwrap_err(), "fps, size"),
        ] {
            let message = error.to_string();
            assert!(message.contains(said) && message.lines().count() == 1, "{message}");
        }
    }
}
