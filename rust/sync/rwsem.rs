// SPDX-License-Identifier: GPL-2.0

//! A sleeping lock for one writer or many readers.
//!
//! C header: [`include/linux/rwsem.h`](srctree/include/linux/rwsem.h)

use crate::bindings;
use core::cell::UnsafeCell;
use kernel::types::{
    NotThreadSafe,
    Opaque, //
};

/// Wraps the kernel's `struct rw_semaphore`.
///
/// It guards no data of its own: what it protects says so, and asks for a [`Held`] as the proof.
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

    /// Waits until no writer holds the lock, and holds off writers while the guard lives. Sleeps.
    #[doc(alias = "down_read")]
    #[inline]
    pub(crate) fn read(&self) -> ReadGuard<'_> {
        // SAFETY: The semaphore is initialised by the type invariant.
        unsafe { bindings::down_read(self.0.get()) };
        ReadGuard(self, NotThreadSafe)
    }

    /// Waits until nobody else holds the lock, and holds off all others while the guard lives.
    /// Sleeps.
    #[doc(alias = "down_write")]
    #[inline]
    pub(crate) fn write(&self) -> WriteGuard<'_> {
        // SAFETY: The semaphore is initialised by the type invariant.
        unsafe { bindings::down_write(self.0.get()) };
        WriteGuard(self, NotThreadSafe)
    }
}

/// What a [`RwSemaphore`] beside it protects.
///
/// Which lock that is, is the business of who has both.
#[repr(transparent)]
pub(crate) struct Guarded<T>(UnsafeCell<T>);

impl<T> Guarded<T> {
    /// The data, to be read while the lock is held.
    #[inline]
    pub(crate) fn get<'a>(&'a self, _lock: &'a impl Held) -> &'a T {
        // SAFETY: Nobody writes it while the lock is held.
        unsafe { &*self.0.get() }
    }

    /// The data, to be changed while the lock is held for writing.
    #[inline]
    pub(crate) fn get_mut<'a>(&'a self, _lock: &'a mut WriteGuard<'_>) -> &'a mut T {
        // SAFETY: Nobody else has the lock, and the borrow of the guard keeps its holder from
        // coming here twice.
        unsafe { &mut *self.0.get() }
    }
}

#[cfg(CONFIG_KUNIT = "y")]
impl RwSemaphore {
    /// Takes the lock for reading if that is possible at once.
    #[doc(alias = "down_read_trylock")]
    fn try_read(&self) -> Option<ReadGuard<'_>> {
        // SAFETY: The semaphore is initialised by the type invariant.
        let taken = unsafe { bindings::down_read_trylock(self.0.get()) } != 0;
        taken.then(|| ReadGuard(self, NotThreadSafe))
    }

    /// Takes the lock for writing if that is possible at once.
    #[doc(alias = "down_write_trylock")]
    fn try_write(&self) -> Option<WriteGuard<'_>> {
        // SAFETY: The semaphore is initialised by the type invariant.
        let taken = unsafe { bindings::down_write_trylock(self.0.get()) } != 0;
        taken.then(|| WriteGuard(self, NotThreadSafe))
    }
}

/// Proof that a [`RwSemaphore`] is held, for reading at least.
///
/// # Safety
///
/// Only the guards of this file may implement it.
pub(crate) unsafe trait Held {}

/// A [`RwSemaphore`] held for reading; released on drop, by the thread that took it.
#[must_use = "the lock is released when the guard is dropped"]
pub(crate) struct ReadGuard<'a>(&'a RwSemaphore, NotThreadSafe);

// SAFETY: It is a guard of this file.
unsafe impl Held for ReadGuard<'_> {}

impl Drop for ReadGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The guard's existence means that this thread holds the lock for reading.
        unsafe { bindings::up_read(self.0 .0.get()) };
    }
}

/// A [`RwSemaphore`] held for writing; released on drop, by the thread that took it.
#[must_use = "the lock is released when the guard is dropped"]
pub(crate) struct WriteGuard<'a>(&'a RwSemaphore, NotThreadSafe);

// SAFETY: It is a guard of this file.
unsafe impl Held for WriteGuard<'_> {}

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

    /// Can another thread take the lock, for reading and for writing?
    fn free(rwsem: &Arc<RwSemaphore>) -> Result<(bool, bool)> {
        let rwsem = rwsem.clone();
        fixture::elsewhere(move || {
            let read = rwsem.try_read().is_some();
            let write = rwsem.try_write().is_some();
            (read, write)
        })
    }

    #[test]
    fn nobody_keeps_nobody_out() -> Result {
        assert!(free(&rwsem()?)? == (true, true));
        Ok(())
    }

    #[test]
    fn a_reader_keeps_writers_out() -> Result {
        let rwsem = rwsem()?;
        let guard = rwsem.read();
        assert!(free(&rwsem)? == (true, false));
        drop(guard);
        assert!(free(&rwsem)? == (true, true));
        Ok(())
    }

    #[test]
    fn a_writer_keeps_all_out() -> Result {
        let rwsem = rwsem()?;
        let guard = rwsem.write();
        assert!(free(&rwsem)? == (false, false));
        drop(guard);
        assert!(free(&rwsem)? == (true, true));
        Ok(())
    }
}
