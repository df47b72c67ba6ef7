//! Asking for what will be read soon. Rows of many channels are more streams than a processor
//! finds out by itself.
#![allow(unsafe_code)]

use super::Shared;
use std::ops::Range;

/// Bytes that a cache is filled by.
const LINE: usize = 64;

/// Asks for these elements of each channel, of which the next begins `stride` elements later. What is
/// beyond the end isn't asked for; nothing is read.
#[inline]
pub(crate) fn prefetch<T>(values: &[T], channels: usize, stride: usize, range: Range<usize>) {
    lines(values.as_ptr(), values.len(), channels, stride, range);
}

/// The same for what will be written.
#[inline]
pub(crate) fn prefetch_place<T>(place: &Shared<'_, T>, channels: usize, stride: usize, range: Range<usize>) {
    lines(place.start(), place.len(), channels, stride, range);
}

#[inline(always)]
fn lines<T>(start: *const T, length: usize, channels: usize, stride: usize, range: Range<usize>) {
    for channel in 0..channels {
        let end = (channel * stride + range.end).min(length);
        let mut at = channel * stride + range.start;
        while at < end {
            line(start.wrapping_add(at));
            at += LINE / size_of::<T>();
        }
    }
}

#[inline(always)]
fn line<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, which changes nothing but caches.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pldl2keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
