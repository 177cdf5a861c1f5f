// SPDX-License-Identifier: GPL-2.0

//! The seam to C: what `bindgen` makes of `bindings/bindings.h`.
//!
//! The kernel's own bindings do not know RDMA. Types that are in both are distinct to the compiler;
//! only pointers to them cross the border, by a cast.

#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::multiple_unsafe_ops_per_block,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use kernel::ffi;

type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

include!(env!("RESTRACK_BINDINGS"));
