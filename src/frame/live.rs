//! A frame on its way through the live loop, and the pool that its memory comes from.

use crate::Result;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// One picture of a stream: 8-bit RGB, interleaved, rows without gaps, and when it was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// `3·width·height` bytes: R, G, B of each pixel, row by row.
    pub rgb: Vec<u8>,
    /// Rises by one with each frame that the source took; gaps are frames that the driver lost.
    pub sequence: u64,
    /// When the source had the whole frame.
    pub captured: Instant,
}

impl Frame {
    /// A black frame taken now.
    pub fn black(width: u32, height: u32) -> Self {
        let mut frame = Self { width: 0, height: 0, rgb: Vec::new(), sequence: 0, captured: Instant::now() };
        frame.resize(width, height);
        frame
    }

    /// Takes another size; keeps its memory, and whatever pixels are in it.
    pub fn resize(&mut self, width: u32, height: u32) {
        (self.width, self.height) = (width, height);
        self.rgb.resize(3 * width as usize * height as usize, 0);
    }

    /// Takes the pixels, number and time of another.
    pub fn copy_from(&mut self, other: &Self) {
        self.resize(other.width, other.height);
        self.rgb.copy_from_slice(&other.rgb);
        (self.sequence, self.captured) = (other.sequence, other.captured);
    }
}

/// Memory for frames, used again when nobody holds them any more: after a few frames nothing
/// is allocated.
///
/// A frame that is made is shared and never changes. Clones of a pool are the same pool.
#[derive(Clone, Debug, Default)]
pub struct FramePool {
    frames: Arc<Mutex<Vec<Arc<Frame>>>>,
}

/// Frames kept for use again; what is beyond goes back to the system.
const KEPT: usize = 16;

impl FramePool {
    /// A frame of that size that `fill` has filled; its pixels are what an earlier frame left
    /// there, so `fill` writes all of them.
    ///
    /// # Errors
    /// Whatever `fill` returns.
    pub fn make(
        &self,
        width: u32,
        height: u32,
        fill: impl FnOnce(&mut Frame) -> Result<()>,
    ) -> Result<Arc<Frame>> {
        let mut frame = self.take();
        // Nobody else has it: `take` gave a new one, or one that only the pool still held.
        if let Some(frame) = Arc::get_mut(&mut frame) {
            frame.resize(width, height);
            fill(frame)?;
        }
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if frames.len() < KEPT {
            frames.push(Arc::clone(&frame));
        }
        Ok(frame)
    }

    fn take(&self) -> Arc<Frame> {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let free = frames.iter_mut().position(|frame| Arc::get_mut(frame).is_some());
        free.map_or_else(|| Arc::new(Frame::black(0, 0)), |index| frames.swap_remove(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_but_never_while_somebody_holds_the_frame() {
        let pool = FramePool::default();
        let fill = |value: u8| {
            move |frame: &mut Frame| {
                frame.rgb.fill(value);
                Ok(())
            }
        };
        let first = pool.make(4, 2, fill(1)).unwrap();
        let second = pool.make(4, 2, fill(2)).unwrap();
        assert_ne!(first.rgb.as_ptr(), second.rgb.as_ptr());
        assert_eq!((first.rgb[0], second.rgb[23]), (1, 2));
        let memory = first.rgb.as_ptr();
        drop(first);
        let third = pool.make(2, 2, fill(3)).unwrap();
        assert_eq!((third.rgb.as_ptr(), third.rgb.len()), (memory, 12));
        assert_eq!(second.rgb, vec![2; 24]);
    }
}
