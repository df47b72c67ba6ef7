//! TensorRT's libraries, opened when they are asked for.
#![allow(unsafe_code)]

use super::shim::{self, Api, CreateParser, Handle};
use super::{Reason, logger};
use crate::{Error, Result};
use libloading::os::unix::{Library as File, Symbol};
use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where a library is, or its folder, in place of the loader's search.
const PLACE: &str = "VLUNET_TENSORRT_LIB";

/// In the order in which they are tried. The lean ones run plans and build none.
const NAMES: [&str; 6] = [
    "libnvinfer.so.11",
    "libnvinfer.so.10",
    "libnvinfer.so",
    "libnvinfer_lean.so.11",
    "libnvinfer_lean.so.10",
    "libnvinfer_lean.so",
];

/// Opened to tell that they aren't served.
const OTHERS: [&str; 2] = ["libnvinfer.so.12", "libnvinfer.so.8"];

/// The oldest version that has all that the shim calls.
const OLDEST: Version = Version(100_300);

/// A version of TensorRT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32);

impl Version {
    /// As `getInferLibVersion` has it: 8503, 101601, 110400.
    pub(super) const fn of(number: u32) -> Self {
        Self(number)
    }

    /// As `getInferLibVersion` has it.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// 10 of 10.3.0.
    pub const fn major(self) -> u32 {
        self.0 / if self.0 < 10_000 { 1000 } else { 10_000 }
    }

    fn is_served(self) -> bool {
        self >= OLDEST && shim::api(self.major()).is_some()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minor = if self.0 < 10_000 { self.0 / 100 % 10 } else { self.0 / 100 % 100 };
        write!(f, "{}.{minor}.{}", self.major(), self.0 % 100)
    }
}

type Create = unsafe extern "C" fn(logger: Handle, version: i32) -> Handle;

/// `libnvinfer`, or its lean sibling, with the shim for its version; open until the process ends.
pub struct Library {
    path: PathBuf,
    version: Version,
    pub(super) api: &'static Api,
    create_runtime: Create,
    create_builder: Option<Create>,
    parser: OnceLock<Result<CreateParser, String>>,
}

impl Library {
    /// Opens TensorRT, once for the process. It takes no GPU.
    ///
    /// # Errors
    /// Why there is none that is served.
    pub fn open() -> Result<&'static Self, Reason> {
        static LIBRARY: OnceLock<Result<Library, Reason>> = OnceLock::new();
        let opened =
            LIBRARY.get_or_init(|| Self::first_of(&candidates(std::env::var_os(PLACE).map(PathBuf::from))));
        opened.as_ref().map_err(Clone::clone)
    }

    fn first_of(candidates: &[PathBuf]) -> Result<Self, Reason> {
        let mut found = None;
        for path in candidates {
            match Self::load(path) {
                Ok(library) => return Ok(library),
                // One that isn't there says nothing; else the first, which is wanted most.
                Err(Reason::NoTensorRt(why)) if why.starts_with(&format!("{}: ", path.display())) => {}
                Err(why) => {
                    found.get_or_insert(why);
                }
            }
        }
        let names: Vec<_> = candidates.iter().take(2).map(|path| path.display().to_string()).collect();
        Err(found.unwrap_or_else(|| Reason::NoTensorRt(format!("no {} is found", names.join(" and no ")))))
    }

    fn load(path: &Path) -> Result<Self, Reason> {
        let name = || path.display().to_string();
        // SAFETY: TensorRT's initialisers take no GPU; they have been seen to run without one.
        let file = unsafe { File::open(Some(path), libloading::os::unix::RTLD_LAZY) }
            .map_err(|e| Reason::NoTensorRt(why(&e)))?;
        let missing = |symbol: &str| Reason::Incomplete { library: name(), missing: symbol.into() };
        // SAFETY: all versions since 7 have it of this type.
        let version = unsafe {
            let version: Option<unsafe extern "C" fn() -> i32> = symbol(&file, "getInferLibVersion");
            version.ok_or_else(|| missing("getInferLibVersion"))?()
        };
        let version = Version::of(u32::try_from(version).unwrap_or(0));
        let api = shim::api(version.major()).filter(|_| version.is_served());
        let Some(api) = api else {
            // Closing it would run destructors that are best left alone.
            mem::forget(file);
            return Err(Reason::Version { version: version.to_string(), library: name() });
        };
        // SAFETY: of this type in 10 and 11.
        let create_runtime = unsafe { symbol(&file, "createInferRuntime_INTERNAL") };
        // SAFETY: the same.
        let create_builder = unsafe { symbol(&file, "createInferBuilder_INTERNAL") };
        mem::forget(file);
        // SAFETY: the function lives as long as the program.
        unsafe { (api.set_log)(logger::receive) };
        Ok(Self {
            path: path.to_owned(),
            version,
            api,
            create_runtime: create_runtime.ok_or_else(|| missing("createInferRuntime_INTERNAL"))?,
            create_builder,
            parser: OnceLock::new(),
        })
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its file's name, or path where it was told.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it runs plans and builds none.
    pub fn is_lean(&self) -> bool {
        self.create_builder.is_none()
    }

    /// `createInferRuntime_INTERNAL`; a GPU must have been found before.
    pub(super) fn create_runtime(&self) -> Handle {
        // SAFETY: the logger lives as long as the process. The version is the library's own, which
        // is the one that it expects: what the shim calls has the same place in all that are served.
        unsafe { (self.create_runtime)((self.api.logger)(), self.version.0.cast_signed()) }
    }

    /// `createInferBuilder_INTERNAL`; a GPU must have been found before.
    ///
    /// # Errors
    /// [`Error::Gpu`] where this is the lean library.
    pub(super) fn create_builder(&self) -> Result<impl FnOnce() -> Handle> {
        let create = self.create_builder.ok_or_else(|| {
            Error::Gpu(format!(
                "{} is TensorRT's lean library, which runs engines and builds none; install the full one (libnvinfer)",
                self.path.display()
            ))
        })?;
        // SAFETY: as for the runtime.
        Ok(move || unsafe { create((self.api.logger)(), self.version.0.cast_signed()) })
    }

    /// `createNvOnnxParser_INTERNAL` of the parser of the same version.
    ///
    /// # Errors
    /// [`Error::Gpu`] where there is none.
    pub(super) fn parser(&self) -> Result<CreateParser> {
        let parser = self.parser.get_or_init(|| {
            let name = format!("libnvonnxparser.so.{}", self.version.major());
            // Beside the library, where that was told by its path.
            let beside = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let path = beside.map_or_else(|| PathBuf::from(&name), |folder| folder.join(&name));
            // SAFETY: as for TensorRT itself, which it takes.
            let file = unsafe { File::open(Some(&path), libloading::os::unix::RTLD_LAZY) };
            let file = file.map_err(|e| why(&e))?;
            // SAFETY: of this type in 10 and 11.
            let create = unsafe { symbol(&file, "createNvOnnxParser_INTERNAL") };
            mem::forget(file);
            create.ok_or_else(|| format!("{name} has no createNvOnnxParser_INTERNAL"))
        });
        parser.clone().map_err(|why| Error::Gpu(format!("TensorRT's ONNX parser is missing: {why}")))
    }
}

/// A function of a library.
///
/// # Safety
/// `T` is the function's type, and the library is never closed.
unsafe fn symbol<T: Copy>(file: &File, name: &str) -> Option<T> {
    // SAFETY: by what is asked of the caller.
    unsafe { file.get::<T>(name.as_bytes()) }.ok().map(|symbol: Symbol<T>| *symbol)
}

/// The loader's own words, which name the file.
pub(super) fn why(error: &libloading::Error) -> String {
    let words = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    crate::error::one_line(&words)
}

/// What to open, by its place where it was told.
fn candidates(place: Option<PathBuf>) -> Vec<PathBuf> {
    let names = NAMES.iter().chain(&OTHERS);
    match place {
        None => names.map(PathBuf::from).collect(),
        Some(folder) if folder.is_dir() => {
            let there: Vec<_> = names.map(|name| folder.join(name)).filter(|path| path.exists()).collect();
            // For the error, which names what was looked for.
            if there.is_empty() { NAMES.iter().map(|name| folder.join(name)).collect() } else { there }
        }
        Some(file) => vec![file],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_each_generation_writes_them() {
        for (number, major, text) in
            [(8503, 8, "8.5.3"), (100_300, 10, "10.3.0"), (101_601, 10, "10.16.1"), (110_400, 11, "11.4.0")]
        {
            let version = Version::of(number);
            assert_eq!((version.major(), version.to_string().as_str()), (major, text));
        }
        for (number, served) in [
            (8503, false),
            (100_200, false),
            (100_300, true),
            (101_601, true),
            (110_000, true),
            (120_000, false),
        ] {
            assert_eq!(Version::of(number).is_served(), served, "{number}");
        }
    }

    #[test]
    fn a_folder_without_tensorrt_is_named_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let reason = Library::first_of(&candidates(Some(folder.path().to_owned()))).err().unwrap();
        let text = reason.to_string();
        assert!(matches!(reason, Reason::NoTensorRt(_)), "{reason:?}");
        assert!(text.contains(folder.path().to_str().unwrap()) && !text.contains('\n'), "{text}");
    }

    #[test]
    fn a_library_that_is_not_tensorrt_is_told_apart_from_none() {
        // libc has no getInferLibVersion.
        let reason = Library::first_of(&["nowhere.so.1".into(), "libc.so.6".into()]).err().unwrap();
        assert_eq!(
            reason,
            Reason::Incomplete { library: "libc.so.6".into(), missing: "getInferLibVersion".into() }
        );
    }
}
