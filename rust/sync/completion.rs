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
/// `kernel::sync::Completion` is initialised in place by `pin_init`; this one lies in memory that C
/// allocated, and may be zero for long. So it is the caller who knows whether it is initialised.
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
    /// No other thread uses it now, and it does not move from now on.
    #[doc(alias = "init_completion")]
    #[inline]
    pub(crate) unsafe fn init(&self) {
        // SAFETY: By the requirement of this function.
        unsafe { bindings::restrack_helper_init_completion(self.0.get()) };
    }

    /// Wakes one waiter, or lets the next one pass. Does not sleep.
    ///
    /// # Safety
    ///
    /// [`Self::init`] was called.
    #[inline]
    pub(crate) unsafe fn complete(&self) {
        // SAFETY: It is initialised, by the requirement of this function.
        unsafe { bindings::complete(self.0.get()) };
    }

    /// Returns true if the next waiter passes.
    ///
    /// # Safety
    ///
    /// [`Self::init`] was called.
    #[cfg(CONFIG_KUNIT = "y")]
    #[doc(alias = "completion_done")]
    pub(crate) unsafe fn is_done(&self) -> bool {
        // SAFETY: It is initialised, by the requirement of this function.
        unsafe { bindings::completion_done(self.0.get()) }
    }

    /// Waits, uninterruptibly, for [`Self::complete`]. Sleeps.
    ///
    /// # Safety
    ///
    /// [`Self::init`] was called.
    #[doc(alias = "wait_for_completion")]
    #[inline]
    pub(crate) unsafe fn wait(&self) {
        // SAFETY: It is initialised, by the requirement of this function.
        unsafe { bindings::wait_for_completion(self.0.get()) };
    }

    /// Waits as [`Self::wait`] does, but for so many jiffies at most. Returns false if they passed.
    ///
    /// # Safety
    ///
    /// [`Self::init`] was called.
    #[doc(alias = "wait_for_completion_timeout")]
    #[must_use = "the time may have passed"]
    pub(crate) unsafe fn wait_timeout(&self, jiffies: c_ulong) -> bool {
        // SAFETY: It is initialised, by the requirement of this function.
        unsafe { bindings::wait_for_completion_timeout(self.0.get(), jiffies) != 0 }
    }
}

#[kernel::prelude::kunit_tests(restrack_completion)]
mod tests {
    use super::*;
    use crate::fixture;
    use kernel::sync::Arc;

    /// A completion that is initialised.
    ///
    /// # Invariants
    ///
    /// [`Completion::init`] was called for it.
    struct Initialised(Completion);

    impl Initialised {
        fn new() -> Result<Arc<Self>> {
            let new = Arc::new(Self(Completion::zeroed()), GFP_KERNEL)?;
            // SAFETY: It is new, and an `Arc` does not move what it owns.
            unsafe { new.0.init() };
            Ok(new)
        }

        fn complete(&self) {
            // SAFETY: It is initialised, by the type invariant.
            unsafe { self.0.complete() }
        }

        fn wait(&self) {
            // SAFETY: It is initialised, by the type invariant.
            unsafe { self.0.wait() }
        }

        fn wait_timeout(&self, jiffies: c_ulong) -> bool {
            // SAFETY: It is initialised, by the type invariant.
            unsafe { self.0.wait_timeout(jiffies) }
        }

        fn is_done(&self) -> bool {
            // SAFETY: It is initialised, by the type invariant.
            unsafe { self.0.is_done() }
        }
    }

    #[test]
    fn waiter_passes_after_complete() -> Result {
        let completion = Initialised::new()?;
        completion.complete();
        completion.wait();
        Ok(())
    }

    #[test]
    fn wait_ends_after_its_time() -> Result {
        let completion = Initialised::new()?;
        assert!(!completion.wait_timeout(1));
        completion.complete();
        assert!(completion.wait_timeout(1));
        Ok(())
    }

    #[test]
    fn another_thread_ends_each_wait() -> Result {
        let completion = Initialised::new()?;
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
            // SAFETY: Nobody uses it any more.
            unsafe { completion.0.init() };
        }
        Ok(())
    }
}
