//! What the crate `v4l` uses of `linux/videodev2.h`.
//!
//! The published crate of this name runs bindgen in every build, which takes libclang.
//! `bindings.rs` is bindgen's output, made once (bindgen 0.72.1, Linux 6.1 headers, x86-64)
//! with an allow-list of the names that `v4l` 0.14 mentions; its layout checks run at compile
//! time. The layout is that of every 64-bit Linux.
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals, missing_docs)]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("these bindings are for 64-bit Linux");

include!("bindings.rs");
