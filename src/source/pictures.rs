//! The pictures of a folder as a stream.

use super::pace::Pace;
use super::{Event, Source};
use crate::Result;
use crate::frame::{Frame, FramePool, to_rgb8};
use crate::picture::{Limits, Picture, folder};
use crate::uri::Uri;
use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const KEYS: [&str; 3] = ["fps", "loop", "realtime"];

/// Frames per second where none are stated.
const FPS: f64 = 30.0;

/// A folder's pictures in the order of their numbers.
pub(super) struct Pictures {
    folder: String,
    paths: Vec<PathBuf>,
    fps: f64,
    repeats: bool,
    realtime: bool,
    pace: Pace,
    /// Read, and not yet due.
    early: Option<Arc<Frame>>,
    next: usize,
    sequence: u64,
    /// Pictures in a row that couldn't be read.
    unreadable: usize,
}

impl Pictures {
    pub(super) fn open(mut uri: Uri) -> Result<Box<dyn Source>> {
        let fps = uri.take::<f64>("fps", "a number of frames per second")?.unwrap_or(FPS);
        let (repeats, realtime) = (uri.take_flag("loop")?, uri.take_flag("realtime")?);
        uri.done(&KEYS)?;
        if !(0.01..=1000.0).contains(&fps) {
            return Err(uri.fault("fps is 0.01 to 1000"));
        }
        let mut paths = folder::list(Path::new(uri.rest()), false)?;
        paths.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
        Ok(Box::new(Self {
            folder: uri.rest().into(),
            paths,
            fps,
            repeats,
            realtime,
            pace: Pace::default(),
            early: None,
            next: 0,
            sequence: 0,
            unreadable: 0,
        }))
    }

    /// The next picture that can be read.
    fn read(&mut self, pool: &FramePool) -> Result<Option<Arc<Frame>>> {
        loop {
            if self.next == self.paths.len() && self.repeats {
                self.next = 0;
            }
            let Some(path) = self.paths.get(self.next) else { return Ok(None) };
            self.next += 1;
            let picture = match Picture::open(path, &Limits::default()) {
                Ok(picture) => to_rgb8(picture.planes.view()),
                Err(error) => {
                    self.unreadable += 1;
                    if self.unreadable == self.paths.len() {
                        return Err(error);
                    }
                    log::warn!("left out: {error}");
                    continue;
                }
            };
            self.unreadable = 0;
            let frame = pool.make(picture.width(), picture.height(), |frame| {
                frame.rgb.copy_from_slice(picture.as_raw());
                frame.sequence = self.sequence;
                frame.captured = Instant::now();
                Ok(())
            })?;
            return Ok(Some(frame));
        }
    }
}

impl Source for Pictures {
    fn next(&mut self, pool: &FramePool, patience: Duration) -> Result<Event> {
        let frame = match self.early.take() {
            Some(frame) => frame,
            None => match self.read(pool)? {
                Some(frame) => frame,
                None => return Ok(Event::End),
            },
        };
        let time = Duration::from_secs_f64(self.sequence as f64 / self.fps);
        if self.realtime && !self.pace.wait(time, patience) {
            self.early = Some(frame);
            return Ok(Event::Nothing);
        }
        self.sequence += 1;
        Ok(Event::Frame(frame))
    }

    fn is_live(&self) -> bool {
        self.realtime
    }

    fn fps(&self) -> Option<f64> {
        Some(self.fps)
    }

    fn describe(&self) -> String {
        format!("{} pictures of {} at {}/s", self.paths.len(), self.folder, self.fps)
    }
}

/// As people count: `frame 9` before `frame 10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (in_a, in_b) = (digits(a), digits(b));
        let order = if in_a > 0 && in_b > 0 {
            let value = |digits: &str| digits.trim_start_matches('0').to_owned();
            let (x, y) = (value(&a[..in_a]), value(&b[..in_b]));
            // Without leading zeros the longer number is the larger one.
            x.len().cmp(&y.len()).then_with(|| x.cmp(&y)).then(in_a.cmp(&in_b))
        } else {
            match (a.chars().next(), b.chars().next()) {
                (None, None) => return Ordering::Equal,
                (x, y) => x.cmp(&y),
            }
        };
        if order != Ordering::Equal {
            return order;
        }
        let step = |text: &str, digits: usize| {
            if digits > 0 { digits } else { text.chars().next().map_or(0, char::len_utf8) }
        };
        (a, b) = (&a[step(a, in_a)..], &b[step(b, in_b)..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn picture(folder: &Path, name: &str, value: u8) {
        image::RgbImage::from_pixel(8, 6, image::Rgb([value; 3])).save(folder.join(name)).unwrap();
    }

    fn open(folder: &Path, query: &str) -> Result<Box<dyn Source>> {
        Pictures::open(Uri::parse(&format!("dir:{}{query}", folder.display()))?)
    }

    /// Number and first sample of the next frames, up to the end.
    fn values(source: &mut dyn Source, most: usize) -> Result<Vec<(u64, u8)>> {
        let pool = FramePool::default();
        let mut values = Vec::new();
        while values.len() < most {
            match source.next(&pool, Duration::from_secs(60))? {
                Event::Frame(frame) => values.push((frame.sequence, frame.rgb[0])),
                Event::Nothing => return Err(Error::Input("nothing came".into())),
                Event::End => break,
            }
        }
        Ok(values)
    }

    #[test]
    fn pictures_come_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in [("f10.png", 3), ("f9.png", 2), ("f1.png", 1), ("g0.bmp", 4)] {
            picture(folder.path(), name, value);
        }
        std::fs::write(folder.path().join("f5.png"), b"damaged").unwrap();
        let mut once = open(folder.path(), "?fps=12.5").unwrap();
        assert_eq!((once.fps(), once.is_live()), (Some(12.5), false));
        assert_eq!(values(once.as_mut(), 99).unwrap(), [(0, 1), (1, 2), (2, 3), (3, 4)]);
        let mut ring = open(folder.path(), "?loop=1").unwrap();
        let numbers: Vec<u8> =
            values(ring.as_mut(), 6).unwrap().into_iter().map(|(_, value)| value).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 1, 2]);
    }

    #[test]
    fn in_real_time_they_keep_their_rate() {
        let folder = tempfile::tempdir().unwrap();
        picture(folder.path(), "a.png", 1);
        let mut source = open(folder.path(), "?fps=50&loop=1&realtime=1").unwrap();
        assert!(source.is_live());
        let begin = Instant::now();
        values(source.as_mut(), 6).unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(100));
        let mut slow = open(folder.path(), "?fps=0.01&loop=1&realtime=1").unwrap();
        values(slow.as_mut(), 1).unwrap();
        let pool = FramePool::default();
        assert!(matches!(slow.next(&pool, Duration::from_millis(5)).unwrap(), Event::Nothing));
    }

    #[test]
    fn a_folder_without_a_readable_picture_is_an_error_and_not_a_busy_loop() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(folder.path(), "").is_err());
        std::fs::write(folder.path().join("a.png"), b"damaged").unwrap();
        let error = values(open(folder.path(), "?loop=1").unwrap().as_mut(), 1).unwrap_err().to_string();
        assert!(error.contains("a.png"), "{error}");
        assert!(open(folder.path(), "?fps=0").is_err());
        assert!(open(folder.path(), "?loop=yes").is_err());
        assert!(open(&folder.path().join("none"), "").is_err());
    }

    #[test]
    fn numbers_are_compared_as_people_count() {
        let mut names = ["a10b2", "a10b10", "a9", "a", "b", "a010", "ä1", "a1", "2"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["2", "a", "a1", "a9", "a10b2", "a10b10", "a010", "b", "ä1"]);
    }
}
