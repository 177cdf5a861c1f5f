// SPDX-License-Identifier: GPL-2.0

//! A spinlock in the lowest bit of a pointer.
//!
//! C header: [`include/linux/bit_spinlock.h`](srctree/include/linux/bit_spinlock.h)

#[cfg(CONFIG_KUNIT = "y")]
use crate::instant::Instant;
use crate::sync::atomic::{
    fetch_or_acquire,
    load_acquire,
    read_once, //
};
use core::hint;
use kernel::sync::atomic::{
    Atomic,
    Release, //
};

/// The bit.
pub(crate) const BIT: usize = 1;

/// A pointer whose lowest bit is a spinlock, as in the head of a `struct hlist_bl_head`.
///
/// Only the holder of the lock changes the rest of the pointer.
///
/// This is `bit_spin_lock()`, which is an inline function of C. See [`crate::sync::atomic`] for what a
/// call would cost.
#[repr(transparent)]
pub(crate) struct BitLock(Atomic<usize>);

impl BitLock {
    /// Takes the lock.
    ///
    /// # Safety
    ///
    /// Preemption is disabled until the lock is released.
    #[doc(alias = "bit_spin_lock")]
    #[inline]
    pub(crate) unsafe fn lock(&self) {
        while fetch_or_acquire(&self.0, BIT) & BIT != 0 {
            self.wait();
        }
    }

    /// Waits until the lock seems to be free.
    #[cold]
    fn wait(&self) {
        #[cfg(CONFIG_KUNIT = "y")]
        Instant::AwaitLock.reach();
        while read_once(&self.0) & BIT != 0 {
            hint::spin_loop();
        }
    }

    /// Releases the lock.
    ///
    /// # Safety
    ///
    /// This thread holds it.
    #[doc(alias = "__bit_spin_unlock")]
    #[inline]
    pub(crate) unsafe fn unlock(&self) {
        let pointer = read_once(&self.0) & !BIT;
        self.0.store(pointer, Release);
    }

    /// Returns true if somebody holds the lock.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn is_locked(&self) -> bool {
        read_once(&self.0) & BIT != 0
    }

    /// Returns true if the lock is free and the pointer is NULL. The caller then sees what was done
    /// with the lock held.
    #[inline]
    pub(crate) fn is_null(&self) -> bool {
        load_acquire(&self.0) == 0
    }
}

#[kernel::prelude::kunit_tests(restrack_bit_lock)]
mod tests {
    use super::*;
    use crate::{
        fixture::{
            self,
            Elsewhere,
            Meeting, //
        },
        sync::PreemptGuard, //
    };
    use kernel::{
        prelude::*,
        sync::{
            atomic::Relaxed,
            Arc, //
        }, //
    };

    /// What two threads count in.
    struct Shared {
        lock: BitLock,
        count: Atomic<usize>,
        meeting: Meeting,
    }

    const TIMES: usize = 20_000;

    /// Counts in two steps, which are one only with the lock.
    fn count(shared: &Shared) {
        shared.meeting.attend();
        for _ in 0..TIMES {
            let _guard = PreemptGuard::new();
            // SAFETY: Preemption is disabled until the end of the block.
            unsafe { shared.lock.lock() };
            let before = shared.count.load(Relaxed);
            hint::spin_loop();
            shared.count.store(before + 1, Relaxed);
            // SAFETY: This thread holds it.
            unsafe { shared.lock.unlock() };
        }
    }

    #[test]
    fn lock_has_one_holder_at_a_time() -> Result {
        let shared = Shared {
            lock: BitLock(Atomic::new(0)),
            count: Atomic::new(0),
            meeting: Meeting::new(),
        };
        let shared = Arc::new(shared, GFP_KERNEL)?;
        let other = shared.clone();
        let other = Elsewhere::start(move || count(&other))?;
        count(&shared);
        other.end()?;
        assert_eq!(shared.count.load(Relaxed), 2 * TIMES);
        assert!(shared.lock.is_null());
        Ok(())
    }

    #[test]
    fn lock_is_waited_for_until_it_is_released() -> Result {
        let lock = Arc::new(BitLock(Atomic::new(BIT)), GFP_KERNEL)?;
        let other = lock.clone();
        let hold_and_release = move || {
            let _guard = PreemptGuard::new();
            // SAFETY: Preemption is disabled until the end of the block.
            unsafe { other.lock() };
            // SAFETY: This thread holds it.
            unsafe { other.unlock() };
        };
        fixture::interleave(Instant::AwaitLock, hold_and_release, || {
            // SAFETY: It was made for this thread to hold it.
            unsafe { lock.unlock() };
        })?;
        assert!(lock.is_null());
        Ok(())
    }

    #[test]
    fn lock_and_unlock_keep_the_pointer() {
        let lock = BitLock(Atomic::new(0x1230));
        assert!(!lock.is_null() && !lock.is_locked());
        let guard = PreemptGuard::new();
        // SAFETY: Preemption is disabled until the guard is dropped.
        unsafe { lock.lock() };
        let (locked, idle, pointer) = (lock.is_locked(), lock.is_null(), lock.0.load(Relaxed));
        // SAFETY: This thread holds it.
        unsafe { lock.unlock() };
        drop(guard);
        assert!(locked && !idle && pointer == 0x1231);
        assert_eq!(lock.0.load(Relaxed), 0x1230);
    }
}
