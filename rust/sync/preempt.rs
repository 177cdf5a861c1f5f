// SPDX-License-Identifier: GPL-2.0

//! Disabling preemption.
//!
//! C header: [`include/linux/preempt.h`](srctree/include/linux/preempt.h)

use crate::bindings;
use kernel::types::NotThreadSafe;

/// While it lives, preemption is disabled, and the thread must not sleep.
///
/// This is also an RCU read-side critical section: memory that is freed after a grace period stays
/// until this is dropped, if it was found in the section.
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
