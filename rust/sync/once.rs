// SPDX-License-Identifier: GPL-2.0

//! A field that one thread writes while others read it.
//!
//! C header: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h)

use core::{
    cell::UnsafeCell,
    sync::atomic::AtomicI32, //
};

/// A field that is only ever accessed as with the kernel's `READ_ONCE()` and `WRITE_ONCE()`.
///
/// Nothing is ordered by it.
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

impl Once<i32> {
    /// The field, for operations that read and write it at once.
    #[inline]
    pub(crate) fn as_atomic(&self) -> &AtomicI32 {
        // SAFETY: The value of a live object, which all access atomically.
        unsafe { AtomicI32::from_ptr(self.0.get()) }
    }
}
