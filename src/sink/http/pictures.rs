//! Frames as JPEG, encoded once for all who watch, and not at all where nobody does.

use crate::frame::Frame;
use crate::sink::Output;
use crate::{Error, Result};
use axum::body::Bytes;
use jpeg_encoder::{ColorType, Encoder};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

/// Which pictures a client watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Input,
    Restored,
    /// Of the same frame.
    Both,
}

impl Which {
    fn has(self, other: Self) -> bool {
        self == other || self == Self::Both
    }
}

/// A frame as far as it was encoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Shot {
    pub(super) sequence: u64,
    input: Option<Bytes>,
    restored: Option<Bytes>,
}

impl Shot {
    /// Its pictures by name; `None` where one was not encoded, since nobody watched it then.
    pub(super) fn pictures(&self, which: Which) -> Option<Vec<(&'static str, Bytes)>> {
        let named = [("input", Which::Input, &self.input), ("restored", Which::Restored, &self.restored)];
        let wanted = named.into_iter().filter(|(_, picture, _)| which.has(*picture));
        wanted.map(|(name, _, jpeg)| Some((name, jpeg.clone()?))).collect()
    }
}

/// How many watch each picture.
#[derive(Debug, Default)]
struct Watched {
    input: AtomicUsize,
    restored: AtomicUsize,
}

impl Watched {
    fn counters(&self, which: Which) -> impl Iterator<Item = &AtomicUsize> {
        let both = [(Which::Input, &self.input), (Which::Restored, &self.restored)];
        both.into_iter().filter(move |(picture, _)| which.has(*picture)).map(|(_, counter)| counter)
    }
}

/// The side of the loop: encodes what is watched.
pub(super) struct Studio {
    shots: watch::Sender<Shot>,
    watched: Arc<Watched>,
    quality: u8,
    pool: Vec<Arc<Vec<u8>>>,
}

/// The side of the server: where clients begin to watch. Clones are of the same studio.
#[derive(Clone, Debug)]
pub(super) struct Gallery {
    shots: watch::Receiver<Shot>,
    watched: Arc<Watched>,
}

/// Both sides; JPEGs have that quality, 1..=100.
pub(super) fn studio(quality: u8) -> (Studio, Gallery) {
    let (sender, receiver) = watch::channel(Shot::default());
    let watched = Arc::new(Watched::default());
    let gallery = Gallery { shots: receiver, watched: Arc::clone(&watched) };
    (Studio { shots: sender, watched, quality, pool: Vec::new() }, gallery)
}

impl Studio {
    /// Encodes what is watched of a frame and shows it.
    ///
    /// # Errors
    /// [`Error::Input`] for a frame that no JPEG can hold.
    pub(super) fn show(&mut self, output: &Output) -> Result<()> {
        let is_watched = |counter: &AtomicUsize| counter.load(Ordering::Acquire) > 0;
        let (input, restored) = (is_watched(&self.watched.input), is_watched(&self.watched.restored));
        if !input && !restored {
            return Ok(());
        }
        let mut shot = Shot { sequence: output.restored.sequence, ..Shot::default() };
        if input {
            shot.input = Some(self.encode(&output.input)?);
        }
        if restored {
            shot.restored = match &shot.input {
                Some(same) if Arc::ptr_eq(&output.input, &output.restored) => Some(same.clone()),
                _ => Some(self.encode(&output.restored)?),
            };
        }
        self.shots.send_replace(shot);
        Ok(())
    }

    fn encode(&mut self, frame: &Frame) -> Result<Bytes> {
        let fault = |reason: String| {
            Error::Input(format!("a frame of {}x{} as JPEG: {reason}", frame.width, frame.height))
        };
        let side = |pixels: u32| u16::try_from(pixels).map_err(|_| fault("a side is over 65535".into()));
        let (width, height) = (side(frame.width)?, side(frame.height)?);
        let free = self.pool.iter_mut().position(|jpeg| Arc::get_mut(jpeg).is_some());
        let mut jpeg = free.map_or_else(Arc::default, |index| self.pool.swap_remove(index));
        // Nobody else has it: the position was taken for that, or it is new.
        if let Some(buffer) = Arc::get_mut(&mut jpeg) {
            buffer.clear();
            Encoder::new(&mut *buffer, self.quality)
                .encode(&frame.rgb, width, height, ColorType::Rgb)
                .map_err(|e| fault(e.to_string()))?;
        }
        if self.pool.len() < KEPT {
            self.pool.push(Arc::clone(&jpeg));
        }
        Ok(Bytes::from_owner(Jpeg(jpeg)))
    }
}

/// Buffers kept for use again; clients on slow lines hold some.
const KEPT: usize = 16;

/// Lets [`Bytes`] hold a buffer of the pool.
struct Jpeg(Arc<Vec<u8>>);

impl AsRef<[u8]> for Jpeg {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Gallery {
    /// Begins to watch.
    pub(super) fn watch(&self, which: Which) -> View {
        for counter in self.watched.counters(which) {
            counter.fetch_add(1, Ordering::AcqRel);
        }
        let mut shots = self.shots.clone();
        shots.mark_unchanged();
        View { shots, watched: Arc::clone(&self.watched), which }
    }
}

/// A client's view of the newest frame; the frame is encoded while there is one.
pub(super) struct View {
    shots: watch::Receiver<Shot>,
    watched: Arc<Watched>,
    which: Which,
}

impl View {
    /// The pictures of the next frame, by name; frames in between are left out. `None` when
    /// there are no more.
    pub(super) async fn next(&mut self) -> Option<(u64, Vec<(&'static str, Bytes)>)> {
        loop {
            self.shots.changed().await.ok()?;
            let shot = self.shots.borrow_and_update();
            if let Some(pictures) = shot.pictures(self.which) {
                return Some((shot.sequence, pictures));
            }
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        for counter in self.watched.counters(self.which) {
            counter.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(sequence: u64) -> Output {
        let frame = |grey: u8| {
            let mut frame = Frame::black(32, 16);
            frame.rgb.fill(grey);
            frame.sequence = sequence;
            Arc::new(frame)
        };
        Output { input: frame(40), restored: frame(200) }
    }

    fn next(view: &mut View) -> (u64, Vec<(&'static str, Bytes)>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(view.next()).unwrap()
    }

    #[test]
    fn only_what_is_watched_is_encoded_and_once_for_all() {
        let (mut studio, gallery) = studio(80);
        studio.show(&output(1)).unwrap();
        assert_eq!(gallery.shots.borrow().sequence, 0, "nobody watches");

        let (mut one, mut other) = (gallery.watch(Which::Restored), gallery.watch(Which::Restored));
        studio.show(&output(2)).unwrap();
        assert!(gallery.shots.borrow().input.is_none());
        let ((sequence, first), (_, second)) = (next(&mut one), next(&mut other));
        assert_eq!((sequence, first[0].0, first.len()), (2, "restored", 1));
        assert_eq!(first[0].1.as_ptr(), second[0].1.as_ptr());

        let mut both = gallery.watch(Which::Both);
        drop((one, other));
        studio.show(&output(3)).unwrap();
        assert_eq!(next(&mut both).1.len(), 2);
        drop(both);
        studio.show(&output(4)).unwrap();
        assert_eq!(gallery.shots.borrow().sequence, 3, "nobody watches any more");
    }

    #[test]
    fn a_frame_that_passed_untouched_is_encoded_once() {
        let (mut studio, gallery) = studio(80);
        let mut view = gallery.watch(Which::Both);
        let mut untouched = output(1);
        untouched.restored = Arc::clone(&untouched.input);
        studio.show(&untouched).unwrap();
        let (_, pictures) = next(&mut view);
        assert_eq!(pictures[0].1.as_ptr(), pictures[1].1.as_ptr());
    }

    #[test]
    fn memory_is_used_again() {
        let (mut studio, gallery) = studio(80);
        let _view = gallery.watch(Which::Both);
        for sequence in 0..50 {
            studio.show(&output(sequence)).unwrap();
        }
        // The shot that is shown, and the one before while it is made.
        assert!(studio.pool.len() <= 4, "{}", studio.pool.len());
    }

    #[test]
    fn a_frame_beyond_jpeg_is_an_error() {
        let (mut studio, gallery) = studio(80);
        let _view = gallery.watch(Which::Both);
        let mut wide = output(1);
        wide.input = Arc::new(Frame::black(65_536, 1));
        let message = studio.show(&wide).unwrap_err().to_string();
        assert_eq!(message, "a frame of 65536x1 as JPEG: a side is over 65535");
    }
}
