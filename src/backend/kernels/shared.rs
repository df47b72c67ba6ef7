//! One slice, written by several threads at different places.
#![allow(unsafe_code)]

use std::marker::PhantomData;

/// A slice whose parts are handed out to threads.
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    length: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: it gives access to `T`s only by `part`, whose caller answers for the parts being apart.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
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
}
