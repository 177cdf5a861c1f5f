// SPDX-License-Identifier: GPL-2.0

//! Waiting for something that happens once.
//!
//! C header: [`include/linux/completion.h`](srctree/include/linux/completion.h)

use crate::bindings;
use kernel::types::Opaque;

/// Wraps the kernel's `struct completion`.
///
/// `kernel::sync::Completion` cannot be laid over a completion that C allocated.
///
/// # Invariants
///
/// The completion does not move, and is initialised before one of the safe functions is called.
#[repr(transparent)]
pub(crate) struct Completion(Opaque<bindings::completion>);

// SAFETY: A `struct completion` may be used from any thread.
unsafe impl Send for Completion {}

// SAFETY: To be used by several threads at once is what a `struct completion` is for.
unsafe impl Sync for Completion {}

impl Completion {
    /// Initialises the completion.
    ///
    /// # Safety
    ///
    /// Nobody waits for it or completes it now.
    #[doc(alias = "init_completion")]
    #[inline]
    pub(crate) unsafe fn init(&self) {
        // SAFETY: By the requirement of this function.
        unsafe { bindings::restrack_helper_init_completion(self.0.get()) };
    }

    /// Makes the completion wait for another event.
    #[doc(alias = "reinit_completion")]
    #[inline]
    pub(crate) fn reinit(&self) {
        // SAFETY: The completion is initialised by the type invariant.
        unsafe { bindings::restrack_helper_reinit_completion(self.0.get()) };
    }

    /// Says that the event has happened, and wakes one who waits for it. Does not sleep.
    #[inline]
    pub(crate) fn complete(&self) {
        // SAFETY: The completion is initialised by the type invariant.
        unsafe { bindings::complete(self.0.get()) };
    }

    /// Waits, uninterruptibly, until the event has happened. Sleeps.
    #[doc(alias = "wait_for_completion")]
    #[inline]
    pub(crate) fn wait(&self) {
        // SAFETY: The completion is initialised by the type invariant.
        unsafe { bindings::wait_for_completion(self.0.get()) };
    }
}
