//! k of Φ in bytes.

use super::super::crew::Crew;
use super::super::float;
use super::super::memory::Layout;
use super::Raised;
use crate::Result;

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
    ///
    /// # Errors
    /// [`crate::Error::Model`] where there is no memory for it.
    pub(in super::super) fn make(
        &mut self,
        prompted: &float::Prompted,
        crew: &Crew,
        d: &[f32],
    ) -> Result<()> {
        let mut floats = float::KeyRows::new(self.layout)?;
        prompted.make(crew, self.layout, d, &mut floats);
        self.code.encode(floats.rows(), &mut self.bytes);
        Ok(())
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
