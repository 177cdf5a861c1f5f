// SPDX-License-Identifier: GPL-2.0

//! A spinlock in the lowest bit of a pointer.
//!
//! C header: [`include/linux/bit_spinlock.h`](srctree/include/linux/bit_spinlock.h)

use crate::sync::PreemptGuard;
use core::{
    hint,
    sync::atomic::{
        AtomicUsize,
        Ordering, //
    }, //
};

/// The bit.
pub(crate) const BIT: usize = 1;

/// A pointer whose lowest bit is a spinlock, as in the head of a `struct hlist_bl_head`.
///
/// Who holds the lock may change the rest of the pointer, and no one else does. Sections are to be
/// short: who waits keeps the processor.
///
/// `bit_spin_lock()` is an inline function of C. To call it, and the one that unlocks, would cost 25
/// instructions each time, a tenth of an add.
#[repr(transparent)]
pub(crate) struct BitLock(AtomicUsize);

impl BitLock {
    /// Takes the lock.
    #[doc(alias = "bit_spin_lock")]
    #[inline]
    pub(crate) fn lock(&self, _guard: &PreemptGuard) {
        while self.0.fetch_or(BIT, Ordering::Acquire) & BIT != 0 {
            self.wait();
        }
    }

    /// Waits until the lock seems to be free.
    #[cold]
    fn wait(&self) {
        while self.0.load(Ordering::Relaxed) & BIT != 0 {
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
        let pointer = self.0.load(Ordering::Relaxed) & !BIT;
        self.0.store(pointer, Ordering::Release);
    }

    /// Returns true if the lock is free and the pointer is NULL. What was done under the lock before
    /// is visible then.
    #[inline]
    pub(crate) fn is_null(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}
