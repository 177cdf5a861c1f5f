// SPDX-License-Identifier: GPL-2.0

//! Waiting for something that happens once.
//!
//! C header: [`include/linux/completion.h`](srctree/include/linux/completion.h)

use crate::bindings;
use kernel::{
    prelude::*,
    types::Opaque, //
};

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
    /// A completion that is still to be initialised.
    #[inline]
    pub(crate) const fn zeroed() -> Self {
        Self(Opaque::zeroed())
    }

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

    /// Says that the event has happened, and wakes one who waits for it. Does not sleep.
    #[inline]
    pub(crate) fn complete(&self) {
        // SAFETY: The completion is initialised by the type invariant.
        unsafe { bindings::complete(self.0.get()) };
    }

    /// Has the event happened?
    #[cfg(CONFIG_KUNIT = "y")]
    #[doc(alias = "completion_done")]
    pub(crate) fn is_done(&self) -> bool {
        // SAFETY: The completion is initialised by the type invariant.
        unsafe { bindings::completion_done(self.0.get()) }
    }

    /// Waits, uninterruptibly, until the event has happened. Sleeps.
    #[doc(alias = "wait_for_completion")]
    #[inline]
    pub(crate) fn wait(&self) {
        // SAFETY: The completion is initialised by the type invariant.
        unsafe { bindings::wait_for_completion(self.0.get()) };
    }

    /// Waits as [`Self::wait`] does, but not longer than so many jiffies; false if that was too
    /// short.
    #[doc(alias = "wait_for_completion_timeout")]
    #[must_use = "the event may not have happened"]
    pub(crate) fn wait_timeout(&self, jiffies: c_ulong) -> bool {
        // SAFETY: The completion is initialised by the type invariant.
        unsafe { bindings::wait_for_completion_timeout(self.0.get(), jiffies) != 0 }
    }
}

#[kernel::prelude::kunit_tests(restrack_completion)]
mod tests {
    use super::*;
    use crate::fixture;
    use kernel::sync::Arc;

    fn completion() -> Result<Arc<Completion>> {
        let completion = Arc::new(Completion::zeroed(), GFP_KERNEL)?;
        // SAFETY: It is new. It does not move: an `Arc` does not move what it owns.
        unsafe { completion.init() };
        Ok(completion)
    }

    #[test]
    fn what_has_happened_is_not_waited_for() -> Result {
        let completion = completion()?;
        completion.complete();
        completion.wait();
        Ok(())
    }

    #[test]
    fn a_wait_can_be_limited() -> Result {
        let completion = completion()?;
        assert!(!completion.wait_timeout(1));
        completion.complete();
        assert!(completion.wait_timeout(1));
        Ok(())
    }

    #[test]
    fn another_thread_ends_the_wait_each_time() -> Result {
        let completion = completion()?;
        for _ in 0..3 {
            let other = completion.clone();
            let before = fixture::elsewhere(move || {
                let before = other.is_done();
                other.complete();
                before
            })?;
            assert!(!before);
            assert!(completion.is_done());
            completion.wait();
            // SAFETY: Nobody waits any more.
            unsafe { completion.init() };
        }
        Ok(())
    }
}
