// SPDX-License-Identifier: GPL-2.0

//! A sleeping lock. It is for one writer or many readers; here there are only writers.
//!
//! C header: [`include/linux/rwsem.h`](srctree/include/linux/rwsem.h)

use crate::bindings;
use kernel::types::{
    NotThreadSafe,
    Opaque, //
};

/// Wraps the kernel's `struct rw_semaphore`.
///
/// It has no data of its own. A type that holds a [`WriteGuard`] says what that opens.
///
/// # Invariants
///
/// The semaphore is initialised and does not move.
#[repr(transparent)]
pub(crate) struct RwSemaphore(Opaque<bindings::rw_semaphore>);

// SAFETY: A `struct rw_semaphore` may be used from any thread.
unsafe impl Send for RwSemaphore {}

// SAFETY: To be used by several threads at once is what a `struct rw_semaphore` is for.
unsafe impl Sync for RwSemaphore {}

impl RwSemaphore {
    /// Initialises the semaphore at `this`.
    ///
    /// # Safety
    ///
    /// `this` is valid for writes and pinned from now on, and nobody uses it yet.
    #[doc(alias = "init_rwsem")]
    pub(crate) unsafe fn init(this: *mut Self) {
        // SAFETY: By the requirements of this function; `Self` is transparent.
        // INVARIANT: This initialises it.
        unsafe { bindings::restrack_helper_init_rwsem(Opaque::cast_into(this.cast())) };
    }

    /// Takes the lock. Sleeps until nobody else holds it.
    #[doc(alias = "down_write")]
    #[inline]
    pub(crate) fn write(&self) -> WriteGuard<'_> {
        // SAFETY: The semaphore is initialised by the type invariant.
        unsafe { bindings::down_write(self.0.get()) };
        WriteGuard(self, NotThreadSafe)
    }

    /// Takes the lock if nobody else holds it.
    #[doc(alias = "down_write_trylock")]
    #[inline]
    pub(crate) fn try_write(&self) -> Option<WriteGuard<'_>> {
        // SAFETY: The semaphore is initialised by the type invariant.
        let taken = unsafe { bindings::down_write_trylock(self.0.get()) } != 0;
        taken.then(|| WriteGuard(self, NotThreadSafe))
    }
}

/// A [`RwSemaphore`] held for writing; released on drop, by the thread that took it.
#[must_use = "the lock is released when the guard is dropped"]
pub(crate) struct WriteGuard<'a>(&'a RwSemaphore, NotThreadSafe);

impl Drop for WriteGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The guard's existence means that this thread holds the lock for writing.
        unsafe { bindings::up_write(self.0 .0.get()) };
    }
}

#[kernel::prelude::kunit_tests(restrack_rwsem)]
mod tests {
    use super::*;
    use crate::fixture;
    use kernel::{
        prelude::*,
        sync::Arc, //
    };

    fn rwsem() -> Result<Arc<RwSemaphore>> {
        let rwsem = Arc::new(RwSemaphore(Opaque::zeroed()), GFP_KERNEL)?;
        // SAFETY: It is new. It does not move: an `Arc` does not move what it owns.
        unsafe { RwSemaphore::init(Arc::as_ptr(&rwsem).cast_mut()) };
        Ok(rwsem)
    }

    /// Returns true if another thread can take the lock.
    fn is_free(rwsem: &Arc<RwSemaphore>) -> Result<bool> {
        let rwsem = rwsem.clone();
        fixture::elsewhere(move || rwsem.try_write().is_some())
    }

    #[test]
    fn writer_excludes_other_writers() -> Result {
        let rwsem = rwsem()?;
        assert!(is_free(&rwsem)?);
        let guard = rwsem.write();
        assert!(!is_free(&rwsem)?);
        drop(guard);
        assert!(is_free(&rwsem)?);
        let guard = rwsem.try_write();
        assert!(guard.is_some());
        assert!(!is_free(&rwsem)?);
        Ok(())
    }
}
