//! The repository's own build script, from here.

#[expect(dead_code, reason = "its `main` is for the program")]
#[path = "../../build.rs"]
mod repository;

fn main() {
    println!("cargo::rerun-if-changed=../../build.rs");
    repository::tensorrt::compile(std::path::Path::new("../.."));
}
