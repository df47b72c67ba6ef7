//! The program's kernels, without the rest of it.
#![allow(dead_code, unused_imports)]

mod backend;
