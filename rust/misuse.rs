// SPDX-License-Identifier: GPL-2.0

//! Misuse of the C interface: one warning per kind, which names the function that was called.

use crate::bindings;
use kernel::prelude::*;

/// What a caller did wrong: `enum restrack_misuse`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Misuse {
    /// A NULL pointer.
    Null = bindings::RESTRACK_MISUSE_NULL,
    /// A type that does not exist.
    Type = bindings::RESTRACK_MISUSE_TYPE,
    /// An entry whose object has no device.
    NoDevice = bindings::RESTRACK_MISUSE_NO_DEVICE,
    /// An entry that is tracked already.
    AddTwice = bindings::RESTRACK_MISUSE_ADD_TWICE,
    /// `rdma_restrack_abort_del()` without `rdma_restrack_begin_del()`.
    NotDying = bindings::RESTRACK_MISUSE_NOT_DYING,
    /// A QP or port number that does not fit into its part of the entry's number.
    QpNumber = bindings::RESTRACK_MISUSE_QP_NUMBER,
    /// More references put than taken.
    PutTooOften = bindings::RESTRACK_MISUSE_PUT_TOO_OFTEN,
    /// Another owner for an entry that is tracked.
    Named = bindings::RESTRACK_MISUSE_NAMED,
    /// A root that still has entries when it is cleaned.
    Leaked = bindings::RESTRACK_MISUSE_LEAKED,
}

impl Misuse {
    /// Warns, if it is the first time.
    #[cold]
    pub(crate) fn warn(self, function: &'static CStr, kind: u32, id: u32) {
        // SAFETY: `function` is a NUL-terminated string that lives forever.
        unsafe {
            bindings::restrack_helper_warn(self as u32, function.as_char_ptr(), kind, id);
        }
    }
}
