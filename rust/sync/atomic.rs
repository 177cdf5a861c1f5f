// SPDX-License-Identifier: GPL-2.0

//! Fast paths of the kernel's atomic variables.
//!
//! C headers: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h),
//! [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)
//!
//! [`Atomic`] calls a function of C for each operation. Where that costs 5 % of an add, a deletion or
//! a lookup, the function here is used, which is compiled in place. It costs so many instructions to
//! use [`Atomic`] instead:
//!
//! | instead of | add (241) | deletion (153) | lookup (133) | get and put (35) |
//! | --- | --- | --- | --- | --- |
//! | [`read_once`] | 47 (20 %) | 42 (27 %) | 28 (21 %) | |
//! | [`write_once`] | 15 (6 %) | 16 (10 %) | 0 | |
//! | [`load_acquire`] | 5 (2 %) | 18 (12 %) | 5 (4 %) | |
//! | [`fetch_or_acquire`] | 18 (7 %) | 25 (16 %) | 17 (13 %) | |
//! | [`cmpxchg`] | 0 | 6 (4 %) | 46 (35 %) | 47 (134 %) |

use core::sync::atomic::{
    fence,
    AtomicI32,
    AtomicUsize,
    Ordering, //
};
use kernel::sync::atomic::{
    Atomic,
    AtomicType, //
};

/// Loads the value, as [`Atomic::load`] with `Relaxed`.
#[doc(alias = "READ_ONCE")]
#[inline]
pub(crate) fn read_once<T: AtomicType>(atomic: &Atomic<T>) -> T {
    // SAFETY: The value of a live object. It is a machine word or less, which is read at once.
    unsafe { atomic.as_ptr().read_volatile() }
}

/// Stores a value, as [`Atomic::store`] with `Relaxed`.
#[doc(alias = "WRITE_ONCE")]
#[inline]
pub(crate) fn write_once<T: AtomicType>(atomic: &Atomic<T>, value: T) {
    // SAFETY: The value of a live object. It is a machine word or less, which is written at once.
    unsafe { atomic.as_ptr().write_volatile(value) };
}

/// Loads the value, as [`Atomic::load`] with `Acquire`.
#[doc(alias = "smp_load_acquire")]
#[inline]
pub(crate) fn load_acquire<T: AtomicType>(atomic: &Atomic<T>) -> T {
    let value = read_once(atomic);
    fence(Ordering::Acquire);
    value
}

/// Sets bits, and returns the value before. What follows comes after it, as with `Acquire`.
///
/// [`Atomic`] has no such operation; `cmpxchg` is the next best.
#[doc(alias = "atomic_long_fetch_or_acquire")]
#[inline]
pub(crate) fn fetch_or_acquire(atomic: &Atomic<usize>, bits: usize) -> usize {
    // SAFETY: A live object of that size, which is only accessed atomically.
    let atomic = unsafe { AtomicUsize::from_ptr(atomic.as_ptr()) };
    atomic.fetch_or(bits, Ordering::Acquire)
}

/// Stores `new` if the value is `old`, and returns true then. Fully ordered, as with `Full`.
#[doc(alias = "atomic_try_cmpxchg")]
#[inline]
pub(crate) fn cmpxchg(atomic: &Atomic<i32>, old: i32, new: i32) -> bool {
    // SAFETY: A live object of that size, which is only accessed atomically.
    let atomic = unsafe { AtomicI32::from_ptr(atomic.as_ptr()) };
    let exchanged = atomic.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed);
    exchanged.is_ok()
}
