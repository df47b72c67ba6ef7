//! k of Φ in bytes.
#![allow(unsafe_code)]

use super::super::crew::Crew;
use super::super::float;
use super::super::memory::Layout;
use super::Raised;
use crate::backend::kernels::Shared;

/// k at one size of the picture.
#[derive(Debug)]
pub(in super::super) struct KeyRows {
    code: Raised,
    layout: Layout,
    bytes: Vec<u8>,
}

impl KeyRows {
    pub(super) fn new(code: Raised, layout: Layout) -> Self {
        Self { code, layout, bytes: vec![code.zero; layout.floats()] }
    }

    /// Makes k for the degradation d.
    pub(in super::super) fn make(&mut self, prompted: &float::Prompted, crew: &Crew, d: &[f32]) {
        let Self { code, layout, bytes } = self;
        let all = Shared::new(bytes);
        prompted.each_row(crew, *layout, d, |channel, y, row| {
            // SAFETY: each channel is made by one thread.
            let to = unsafe { all.part(channel * layout.plane + y * layout.row, layout.width) };
            code.encode(row, to);
        });
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn code(&self) -> Raised {
        self.code
    }

    /// Bytes that it takes.
    pub(in super::super) fn len(&self) -> usize {
        self.bytes.len()
    }
}
