//! The repository's own build script, from here.

// Its `main` is for the program.
#[allow(dead_code)]
#[path = "../../build.rs"]
mod repository;

fn main() {
    println!("cargo::rerun-if-changed=../../build.rs");
    repository::tensorrt::compile(std::path::Path::new("../.."));
}
