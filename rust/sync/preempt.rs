// SPDX-License-Identifier: GPL-2.0

//! Keeping the processor.
//!
//! C header: [`include/linux/preempt.h`](srctree/include/linux/preempt.h)

use crate::bindings;
use kernel::types::NotThreadSafe;

/// While it lives, nobody else gets the processor that this thread runs on, and the thread does not
/// sleep.
///
/// That is an RCU read-side critical section: what was found in it and is freed after a grace period
/// stays as long as this lives.
#[doc(alias = "preempt_disable")]
#[doc(alias = "preempt_enable")]
pub(crate) struct PreemptGuard(NotThreadSafe);

impl PreemptGuard {
    /// Disables preemption.
    #[inline]
    pub(crate) fn new() -> Self {
        // SAFETY: There is no requirement; it is enabled again on drop.
        unsafe { bindings::restrack_helper_preempt_disable() };
        Self(NotThreadSafe)
    }
}

impl Drop for PreemptGuard {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: This thread has disabled it.
        unsafe { bindings::restrack_helper_preempt_enable() };
    }
}
