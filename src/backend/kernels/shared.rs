//! One slice, written by several threads at different places.
#![allow(unsafe_code)]

use std::marker::PhantomData;

/// A slice whose parts are handed out to threads.
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    length: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: it gives access to `T`s by `part`, `view` and `start` only, whose callers answer for what is
// written being nobody else's.
unsafe impl<T: Send + Sync> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Where the slice starts: what is written there is the writer's to answer for.
    pub(crate) fn start(&self) -> *mut T {
        self.start
    }

    /// A part of the slice, cut off at its end.
    ///
    /// # Safety
    /// Nobody else may hold a part that overlaps this one while it lives.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn part(&self, start: usize, length: usize) -> &mut [T] {
        let start = start.min(self.length);
        let length = length.min(self.length - start);
        // SAFETY: the range lies in the slice that this was made of, which it borrows mutably; by
        // the contract above it is nobody else's.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), length) }
    }

    /// The slice's elements in that range, cut off at its end, to be written.
    pub(crate) fn within(&self, range: std::ops::Range<usize>) -> Shared<'a, T> {
        let start = range.start.min(self.length);
        let length = range.end.min(self.length).saturating_sub(start);
        // SAFETY: it is within the slice.
        Shared { start: unsafe { self.start.add(start) }, length, slice: PhantomData }
    }

    /// The elements in that range, cut off at the slice's end, to be read.
    ///
    /// # Safety
    /// Nobody may write them while they are borrowed.
    pub(crate) unsafe fn view(&self, range: std::ops::Range<usize>) -> &'a [T] {
        let Shared { start, length, .. } = self.within(range);
        // SAFETY: the range lies in the slice, and is not written by the contract above.
        unsafe { std::slice::from_raw_parts(start, length) }
    }

    /// As many elements of another type, from the same start.
    ///
    /// # Safety
    /// The other type may be no larger than this one, nor of a larger alignment, and any bits must
    /// be a value of either.
    pub(crate) unsafe fn cast<U>(&self) -> Shared<'a, U> {
        debug_assert!(size_of::<U>() <= size_of::<T>());
        Shared { start: self.start.cast(), length: self.length, slice: PhantomData }
    }
}
