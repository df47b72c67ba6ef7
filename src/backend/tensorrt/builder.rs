//! From an ONNX model to a plan.
#![allow(unsafe_code)]

use super::logger::Mark;
use super::shim::{self, Build, Built, Dims, Handle, Memory};
use super::{Device, Dtype, Engine, Options, guard};
use crate::{Error, Result};
use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A phase begins, within another or by itself.
    Starts {
        /// Its name.
        phase: &'a str,
        /// The phase that it is part of.
        parent: Option<&'a str>,
        /// Steps that it has.
        steps: u32,
    },
    /// A step of a phase is done.
    Step {
        /// The phase's name.
        phase: &'a str,
        /// The step's number, from 0.
        step: u32,
    },
    /// A phase ends.
    Ends {
        /// Its name.
        phase: &'a str,
    },
}

/// Hears of a build's progress, from TensorRT's threads, and stops it by `false`.
pub type OnProgress<'a> = &'a (dyn Fn(Progress<'_>) -> bool + Sync);

/// What a build gave.
pub struct Plan {
    /// The engine, as [`Engine::load`](super::Engine::load) takes it.
    pub bytes: Vec<u8>,
    /// How long kernels took: makes the next build on the same GPU shorter.
    pub timing: Vec<u8>,
    /// Layers that stay in float32 (TensorRT 10).
    pub pinned_layers: usize,
}

impl Engine {
    /// Builds a plan from an ONNX file, the variant of [`Dtype::variant`];
    /// none where `on_progress` stopped it. It takes minutes. `timing` is what an earlier build on
    /// this GPU gave, or nothing.
    ///
    /// # Errors
    /// [`Error::Gpu`] with TensorRT's own words; [`Error::Input`] where the options make no sense.
    pub fn build(
        device: &Device,
        onnx: &[u8],
        options: &Options,
        timing: &[u8],
        on_progress: OnProgress<'_>,
    ) -> Result<Option<Plan>> {
        options.check()?;
        let library = device.library();
        let create_parser = library.parser();
        let create_builder = library.create_builder()?;
        let create_parser = create_parser?;
        let names = names(options)?;
        let ranges = ranges(options, &names)?;
        let watch = Watch { on_progress, stopped: AtomicBool::new(false) };
        let narrow = i32::from(options.dtype != Dtype::Fp32);
        let too_many = |what: &str| Error::Input(format!("{what} is beyond what TensorRT takes"));
        let request = Build {
            onnx: onnx.as_ptr().cast(),
            onnx_size: onnx.len(),
            ranges: ranges.as_ptr(),
            range_count: ranges.len(),
            profile_count: i32::try_from(options.profiles.len()).map_err(|_| too_many("that many sizes"))?,
            workspace: options.workspace.unwrap_or(0),
            fp16: narrow,
            int8: i32::from(options.dtype == Dtype::Int8),
            tf32: i32::from(options.tf32),
            pin: i32::from(options.pin_normalisation),
            lean: i32::from(options.lean),
            dla_core: options
                .dla_core
                .map_or(Ok(-1), i32::try_from)
                .map_err(|_| too_many("that DLA core"))?,
            optimization_level: options.optimization_level.map_or(-1, i32::from),
            timing: timing.as_ptr().cast(),
            timing_size: timing.len(),
            create_parser,
            progress: on_event,
            progress_context: ptr::from_ref(&watch).cast_mut().cast(),
        };
        let empty = Memory { handle: ptr::null_mut(), data: ptr::null(), size: 0 };
        let mut built = Built { step: -1, pinned: 0, plan: empty, timing: empty };

        let builder = guard::made(&device.gpu, "builder", create_builder)?;
        let mark = Mark::now();
        // SAFETY: the builder was just made, and goes over to the shim. All that the request points to
        // lives until the call returns, and nothing of TensorRT's keeps it.
        let outcome = unsafe { (library.api.build)(builder.as_ptr(), &request, &mut built) };
        // Both are taken, or they would be lost.
        let [plan, timing] =
            [built.plan, built.timing].map(|memory| take(memory, library.api.memory_destroy));
        match outcome {
            shim::OK => {
                let pinned_layers = usize::try_from(built.pinned).unwrap_or(0);
                Ok(Some(Plan { bytes: plan, timing, pinned_layers }))
            }
            _ if watch.stopped.load(Ordering::Relaxed) => Ok(None),
            outcome => Err(failure(outcome, built.step, mark.any())),
        }
    }
}

fn failure(outcome: i32, step: i32, text: Option<String>) -> Error {
    let step = usize::try_from(step).ok().and_then(|step| shim::STEPS.get(step));
    let step = step.copied().unwrap_or("TensorRT builds nothing");
    let text = text.unwrap_or_else(|| match outcome {
        shim::EXCEPTION => "it threw an exception".into(),
        _ => "it gives no reason".into(),
    });
    Error::Gpu(format!("{step}: {text}"))
}

/// Copies TensorRT's memory and gives it back.
fn take(memory: Memory, destroy: unsafe extern "C" fn(Handle)) -> Vec<u8> {
    if memory.handle.is_null() {
        return Vec::new();
    }
    let bytes = match memory.data.is_null() {
        true => Vec::new(),
        // SAFETY: so many bytes are there until `destroy`.
        false => unsafe { std::slice::from_raw_parts(memory.data.cast::<u8>(), memory.size) }.to_vec(),
    };
    // SAFETY: once, as `memory` is a copy that nobody else has.
    unsafe { destroy(memory.handle) };
    bytes
}

/// The inputs' names, for C, in the order of the profiles' ranges.
fn names(options: &Options) -> Result<Vec<CString>> {
    let ranges = options.profiles.iter().flat_map(|profile| &profile.0);
    let name = |range: &super::Range| {
        CString::new(range.input.as_str())
            .map_err(|_| Error::Input(format!("{:?} is no name of an input", range.input)))
    };
    ranges.map(name).collect()
}

fn ranges(options: &Options, names: &[CString]) -> Result<Vec<shim::Range>> {
    let profiles = (0..).zip(&options.profiles);
    let of = profiles.flat_map(|(at, profile)| profile.0.iter().map(move |range| (at, range)));
    let dims = |shape: &[usize]| {
        Dims::of(shape).ok_or_else(|| Error::Input(format!("TensorRT takes no shape as {shape:?}")))
    };
    of.zip(names)
        .map(|((profile, range), name)| {
            let [min, opt, max] = [dims(&range.min)?, dims(&range.opt)?, dims(&range.max)?];
            Ok(shim::Range { input: name.as_ptr(), profile, min, opt, max })
        })
        .collect()
}

struct Watch<'a> {
    on_progress: OnProgress<'a>,
    stopped: AtomicBool,
}

extern "C" fn on_event(
    context: *mut c_void,
    event: i32,
    phase: *const c_char,
    parent: *const c_char,
    number: i32,
) -> i32 {
    // SAFETY: the shim passes back what `build` gave it, which lives on its stack.
    let Some(watch) = (unsafe { context.cast::<Watch<'_>>().as_ref() }) else { return 0 };
    if watch.stopped.load(Ordering::Relaxed) {
        return 0;
    }
    // What panics must not unwind into TensorRT; it stops the build.
    let goes_on = panic::catch_unwind(AssertUnwindSafe(|| {
        let text = |text: *const c_char| match text.is_null() {
            true => None,
            // SAFETY: TensorRT's names end in a zero and live as long as the call.
            false => Some(unsafe { CStr::from_ptr(text) }.to_string_lossy()),
        };
        let (name, parent, number) = (text(phase), text(parent), u32::try_from(number).unwrap_or(0));
        let phase = name.as_deref().unwrap_or("");
        (watch.on_progress)(match event {
            0 => Progress::Starts { phase, parent: parent.as_deref(), steps: number },
            1 => Progress::Step { phase, step: number },
            _ => Progress::Ends { phase },
        })
    }))
    .unwrap_or(false);
    if !goes_on {
        watch.stopped.store(true, Ordering::Relaxed);
    }
    i32::from(goes_on)
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;

    #[test]
    fn each_range_goes_with_its_profile_and_name() {
        let profile = |side| Profile::fixed(&[("image", &[1, 3, side, side]), ("degradation", &[1, 512])]);
        let options = Options::new(Dtype::Fp16, vec![profile(64), profile(128)]);
        let names = names(&options).unwrap();
        let ranges = ranges(&options, &names).unwrap();
        // SAFETY: `names` lives.
        let of = |range: &shim::Range| unsafe { CStr::from_ptr(range.input) }.to_str().unwrap().to_owned();
        let all: Vec<_> =
            ranges.iter().map(|range| (range.profile, of(range), range.max.sides().to_vec())).collect();
        let image = |side| vec![1, 3, side, side];
        assert_eq!(
            all,
            [
                (0, "image".into(), image(64)),
                (0, "degradation".into(), vec![1, 512]),
                (1, "image".into(), image(128)),
                (1, "degradation".into(), vec![1, 512]),
            ]
        );
    }

    #[test]
    fn what_hears_of_progress_stops_the_build_by_false_or_by_a_panic() {
        let heard = std::sync::Mutex::new(Vec::new());
        let hear = |progress: Progress<'_>| {
            heard.lock().unwrap().push(format!("{progress:?}"));
            !matches!(progress, Progress::Step { step: 1, .. })
        };
        let watch = Watch { on_progress: &hear, stopped: AtomicBool::new(false) };
        let event = |watch: &Watch<'_>, event, number| {
            on_event(ptr::from_ref(watch).cast_mut().cast(), event, c"tactics".as_ptr(), ptr::null(), number)
        };
        assert_eq!(
            [event(&watch, 0, 9), event(&watch, 1, 0), event(&watch, 1, 1), event(&watch, 1, 2)],
            [1, 1, 0, 0]
        );
        assert!(watch.stopped.load(Ordering::Relaxed));
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 3);
        assert_eq!(heard[0], r#"Starts { phase: "tactics", parent: None, steps: 9 }"#);

        let panics = |_: Progress<'_>| panic!("a bar that can't be drawn");
        let watch = Watch { on_progress: &panics, stopped: AtomicBool::new(false) };
        assert_eq!(event(&watch, 0, 1), 0);
    }

    #[test]
    fn a_failure_names_its_step_and_says_what_tensorrt_says() {
        let text = failure(1, 2, Some("node 7: no such operator".into())).to_string();
        assert_eq!(text, "GPU: TensorRT can't read the model: node 7: no such operator");
        assert!(failure(shim::EXCEPTION, -1, None).to_string().contains("exception"));
    }
}
