// SPDX-License-Identifier: GPL-2.0

//! A field that one thread writes while others read it.
//!
//! C header: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h)

use core::{
    cell::UnsafeCell,
    sync::atomic::{
        AtomicPtr,
        AtomicU64,
        Ordering, //
    }, //
};

/// A field that is only ever accessed as with the kernel's `READ_ONCE()` and `WRITE_ONCE()`.
///
/// Nothing is ordered by it, unless a function says so.
///
/// # Invariants
///
/// `T` is at most as large as a machine word, so that an access is not torn.
#[repr(transparent)]
pub(crate) struct Once<T: Copy>(UnsafeCell<T>);

// SAFETY: It is a plain value.
unsafe impl<T: Copy + Send> Send for Once<T> {}

// SAFETY: All accesses are volatile and whole, which is what the kernel's memory model asks for.
unsafe impl<T: Copy + Send> Sync for Once<T> {}

impl<T: Copy> Once<T> {
    const FITS: () = assert!(size_of::<T>() <= size_of::<usize>());

    /// A field with this value.
    #[inline]
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value of now.
    #[doc(alias = "READ_ONCE")]
    #[inline]
    pub(crate) fn load(&self) -> T {
        let () = Self::FITS;
        // SAFETY: The value of a live object, which is not torn by the type invariant.
        unsafe { self.0.get().read_volatile() }
    }

    /// Sets the value.
    #[doc(alias = "WRITE_ONCE")]
    #[inline]
    pub(crate) fn store(&self, value: T) {
        let () = Self::FITS;
        // SAFETY: The value of a live object, which is not torn by the type invariant.
        unsafe { self.0.get().write_volatile(value) };
    }
}

impl<T> Once<*mut T> {
    /// The value of now. What follows comes after all that was done before the value was set by
    /// [`Self::store_release`].
    #[doc(alias = "smp_load_acquire")]
    #[inline]
    pub(crate) fn load_acquire(&self) -> *mut T {
        // SAFETY: The value of a live object, which all access atomically.
        unsafe { AtomicPtr::from_ptr(self.0.get()) }.load(Ordering::Acquire)
    }

    /// Sets the value, after all that was done before.
    #[doc(alias = "smp_store_release")]
    #[inline]
    pub(crate) fn store_release(&self, value: *mut T) {
        // SAFETY: The value of a live object, which all access atomically.
        unsafe { AtomicPtr::from_ptr(self.0.get()) }.store(value, Ordering::Release);
    }
}

impl Once<u64> {
    /// The value of now. What follows comes after all that was done before the value was set by
    /// [`Self::store_release`].
    #[doc(alias = "smp_load_acquire")]
    #[inline]
    pub(crate) fn load_acquire(&self) -> u64 {
        // SAFETY: The value of a live object, which all access atomically.
        unsafe { AtomicU64::from_ptr(self.0.get()) }.load(Ordering::Acquire)
    }

    /// Sets the value, after all that was done before.
    #[doc(alias = "smp_store_release")]
    #[inline]
    pub(crate) fn store_release(&self, value: u64) {
        // SAFETY: The value of a live object, which all access atomically.
        unsafe { AtomicU64::from_ptr(self.0.get()) }.store(value, Ordering::Release);
    }
}
