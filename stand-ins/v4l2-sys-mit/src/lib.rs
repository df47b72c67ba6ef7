//! What the crate `v4l` uses of `linux/videodev2.h`.
//!
//! The published crate of this name runs bindgen in every build, which takes libclang.
//! These are bindgen's outputs, made once (bindgen 0.72.1, Debian 12's Linux headers) with an
//! allow-list of the names that `v4l` 0.14 mentions; their layout checks run at compile time.
//! `bindings_64.rs` is made for x86-64, and is the layout of every 64-bit Linux; `bindings_arm.rs`
//! for armv7-unknown-linux-gnueabihf with glibc's 32-bit time, which the kernel tells apart by the
//! size of the structs.
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals, missing_docs)]

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
include!("bindings_64.rs");

#[cfg(all(target_os = "linux", target_arch = "arm", target_env = "gnu"))]
include!("bindings_arm.rs");

#[cfg(not(any(
    all(target_os = "linux", target_pointer_width = "64"),
    all(target_os = "linux", target_arch = "arm", target_env = "gnu")
)))]
compile_error!("these bindings are for 64-bit Linux, and for 32-bit ARM with glibc");
