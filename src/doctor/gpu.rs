//! The GPU, and the TensorRT for it.

use super::{Check, Options};
use crate::backend::gpu::Gpu;

const NAME: &str = "gpu";

/// Asks the driver and TensorRT, on the machine that the program runs on.
pub(super) fn check(options: &Options) -> Check {
    if !options.is_live() {
        return Check::skip(NAME, "not asked: this is another machine");
    }
    match Gpu::open() {
        Ok(gpu) => Check::ok(NAME, gpu.details()),
        Err(e) if Gpu::is_expected() => Check::skip(NAME, e.to_string()),
        Err(e) => Check::warn(NAME, e.to_string(), "see docs/jetson.md; until then the CPU restores"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;

    #[test]
    fn only_the_machine_itself_is_asked() {
        let (_root, options) = machine(&[]);
        assert_eq!(check(&options).verdict, Verdict::Skip);
    }
}
