//! Compiles the shim of `src/backend/tensorrt` where the feature `tensorrt` is on; else nothing.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "tensorrt")]
    tensorrt::compile(std::path::Path::new(""));
}

#[cfg(feature = "tensorrt")]
pub(crate) mod tensorrt {
    use std::env;
    use std::path::{Path, PathBuf};

    /// The major versions of TensorRT that are served, each by an object of its own.
    const MAJORS: [u32; 2] = [10, 11];

    /// Compiles both shims; `root` is where the repository is.
    pub fn compile(root: &Path) {
        let (shim, headers) = (root.join("src/backend/tensorrt/shim"), root.join("third_party/tensorrt"));
        println!("cargo::rerun-if-changed={}", shim.display());
        println!("cargo::rerun-if-changed={}", headers.display());
        println!("cargo::rerun-if-env-changed=TENSORRT_INCLUDE_DIR");
        // The backend itself is there on Linux alone.
        if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
            return;
        }
        let given = env::var_os("TENSORRT_INCLUDE_DIR").map(PathBuf::from).map(|folder| {
            let major = major(&folder);
            assert!(
                MAJORS.contains(&major),
                "TENSORRT_INCLUDE_DIR: {} has headers of TensorRT {major}; the shim is for {MAJORS:?}",
                folder.display()
            );
            (major, folder)
        });
        for major in MAJORS {
            let of_major = match &given {
                Some((of, folder)) if *of == major => folder.clone(),
                _ => headers.join(major.to_string()),
            };
            cc::Build::new()
                .cpp(true)
                .std("c++17")
                .file(shim.join("shim.cpp"))
                .define("VLUNET_TRT_API", format!("vlunet_trt{major}_api").as_str())
                // Both majors have classes of the same names, which the linker would merge.
                .define("nvinfer1", format!("nvinfer1_trt{major}").as_str())
                .define("nvonnxparser", format!("nvonnxparser_trt{major}").as_str())
                // With RTTI: a library that asks for an object's type (dynamic_cast) finds one.
                .flag("-fvisibility=hidden")
                // 10 deprecates the types that 11 doesn't have.
                .flag("-Wno-deprecated-declarations")
                .flag("-isystem")
                .flag(&headers)
                .flag("-isystem")
                .flag(of_major)
                .compile(&format!("vlunet_trt{major}"));
        }
    }

    /// Of the headers in a folder.
    fn major(folder: &Path) -> u32 {
        let path = folder.join("NvInferVersion.h");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("TENSORRT_INCLUDE_DIR: cannot read {}: {e}", path.display()));
        // Either name has the number, by the version of the headers.
        ["NV_TENSORRT_MAJOR", "TRT_MAJOR_ENTERPRISE"]
            .iter()
            .find_map(|name| {
                let line = text.lines().find(|line| line.starts_with(&format!("#define {name} ")))?;
                line.split_whitespace().nth(2)?.parse().ok()
            })
            .unwrap_or_else(|| panic!("{} names no version of TensorRT", path.display()))
    }
}
