// SPDX-License-Identifier: GPL-2.0

//! Memory barriers.
//!
//! C header: [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)

use crate::bindings;

/// Orders the reads before it before the reads behind it, as other processors see them.
// `kernel::sync::barrier` has it under one name in Linux 7.2 and under another in 7.3.
#[inline]
pub(crate) fn smp_rmb() {
    // SAFETY: A memory barrier has no requirement.
    unsafe { bindings::restrack_helper_smp_rmb() };
}
