//! What the crate `v4l` uses of `linux/videodev2.h`.
//!
//! The published crate of this name runs bindgen in every build, which takes libclang.
//! These are bindgen's outputs, made once (bindgen 0.72.1, Debian 12's Linux headers) for x86-64 and
//! for armv7-unknown-linux-gnueabihf, with an allow-list of the names that `v4l` 0.14 mentions.
//! The declarations are the same on both, as are most checks of their layout, which run at compile
//! time: they are in `bindings.rs`. The checks that differ are in `layout_64.rs`, for every 64-bit
//! Linux, and `layout_arm.rs`, for glibc's 32-bit time, which the kernel tells apart by the size of
//! the structs.
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals, missing_docs)]

include!("bindings.rs");

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
include!("layout_64.rs");

#[cfg(all(target_os = "linux", target_arch = "arm", target_env = "gnu"))]
include!("layout_arm.rs");

#[cfg(not(any(
    all(target_os = "linux", target_pointer_width = "64"),
    all(target_os = "linux", target_arch = "arm", target_env = "gnu")
)))]
compile_error!("these bindings are for 64-bit Linux, and for 32-bit ARM with glibc");
