// SPDX-License-Identifier: GPL-2.0

//! The reference count of an object.
//!
//! C headers: [`include/linux/kref.h`](srctree/include/linux/kref.h),
//! [`include/linux/refcount.h`](srctree/include/linux/refcount.h)

#[cfg(CONFIG_KUNIT = "y")]
use crate::instant::Instant;
use crate::{
    bindings,
    sync::atomic::{
        cmpxchg,
        read_once, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Refcount, //
    },
    types::Opaque, //
};

/// Wraps the kernel's `struct kref`.
///
/// Like the C type it saturates instead of overflowing, which is a leak: a saturated count has
/// references for ever. Unlike `kref_put()` a put at zero leaves zero, so that no reader gets a
/// reference afterwards. It frees nothing: the caller who drops the last reference is told so.
#[repr(transparent)]
pub(crate) struct Kref(Opaque<bindings::kref>);

// SAFETY: A `struct kref` may be used from any thread.
unsafe impl Send for Kref {}

// SAFETY: All operations on a `struct kref` are atomic.
unsafe impl Sync for Kref {}

/// The outcome of dropping a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// There are others, or the count is saturated.
    NotLast,
    /// It was the last one.
    Last,
    /// There was none.
    None,
}

impl Kref {
    /// A count of one.
    #[inline]
    pub(crate) const fn one() -> Self {
        let refs = bindings::atomic_t { counter: 1 };
        let refcount = bindings::refcount_struct { refs };
        Self(Opaque::new(bindings::kref { refcount }))
    }

    /// The `refcount_t` in it.
    #[inline]
    fn refcount(&self) -> &Refcount {
        // SAFETY: A `struct kref` is a `refcount_t`, and so is a `Refcount`.
        unsafe { &*self.0.get().cast() }
    }

    /// The counter, for the fast paths.
    #[inline]
    fn atomic(&self) -> &Atomic<c_int> {
        self.refcount().as_atomic()
    }

    /// Sets the count to one. Orders nothing.
    #[doc(alias = "kref_init")]
    #[inline]
    pub(crate) fn init(&self) {
        self.refcount().set(1);
    }

    /// Sets the count to zero, even if it is saturated.
    #[doc(alias = "refcount_set")]
    pub(crate) fn clear(&self) {
        self.refcount().set(0);
    }

    /// Returns the number of references; it is below zero if the count is saturated.
    #[doc(alias = "kref_read")]
    pub(crate) fn count(&self) -> c_int {
        self.atomic().load(Relaxed)
    }

    /// Returns true if there is no reference. A saturated count has references.
    #[inline]
    pub(crate) fn is_zero(&self) -> bool {
        read_once(self.atomic()) == 0
    }

    /// Takes a reference where there is one already.
    #[doc(alias = "kref_get")]
    pub(crate) fn get(&self) {
        self.refcount().inc();
    }

    /// Takes a reference if there is one already.
    #[doc(alias = "kref_get_unless_zero")]
    #[inline]
    #[must_use = "without a reference the object may go away"]
    pub(crate) fn get_unless_zero(&self) -> bool {
        self.try_get() || self.get_unless_zero_slowly()
    }

    /// Takes a reference if the count is above zero, not saturated and not contended.
    #[inline]
    #[must_use = "the reference may not have been taken"]
    pub(crate) fn try_get(&self) -> bool {
        self.try_add(1)
    }

    /// The part of [`Self::get_unless_zero`] for a count that is zero, saturated or contended.
    #[cold]
    #[inline(never)]
    fn get_unless_zero_slowly(&self) -> bool {
        // SAFETY: `self` is a live `struct kref`.
        unsafe { bindings::restrack_helper_kref_get_unless_zero(self.0.get()) }
    }

    /// Drops a reference.
    ///
    /// The caller who drops the last one sees what others did before they dropped theirs.
    #[doc(alias = "kref_put")]
    #[inline]
    #[must_use = "the object of a last reference has to be released"]
    pub(crate) fn put(&self) -> Put {
        match self.try_put() {
            true => Put::NotLast,
            false => self.put_slowly(),
        }
    }

    /// Drops a reference if it is not the last, and the count is not saturated and not contended.
    #[inline]
    #[must_use = "the reference may not have been dropped"]
    pub(crate) fn try_put(&self) -> bool {
        self.try_add(-1)
    }

    /// The part of [`Self::put`] for a count that is one, zero, saturated or contended.
    #[cold]
    #[inline(never)]
    fn put_slowly(&self) -> Put {
        loop {
            if self.count() == 0 {
                return Put::None;
            }
            // SAFETY: `self` is a live `struct kref`, which is a `refcount_t`.
            if unsafe { bindings::refcount_dec_not_one(self.0.get().cast()) } {
                return Put::NotLast;
            }
            if self.put_if_last() {
                return Put::Last;
            }
        }
    }

    /// Drops a reference if it is the last. Ordered as [`Self::put`] is.
    #[doc(alias = "refcount_dec_if_one")]
    #[inline]
    #[must_use = "otherwise the reference is still there"]
    pub(crate) fn put_if_last(&self) -> bool {
        #[cfg(CONFIG_KUNIT = "y")]
        Instant::LastPut.reach();
        cmpxchg(self.atomic(), 1, 0)
    }

    /// Adds to a count that stays above zero and below saturation, unless another thread changes
    /// it at the same time. Returns true if it did.
    #[inline]
    fn try_add(&self, delta: c_int) -> bool {
        let old = read_once(self.atomic());
        let new = old.wrapping_add(delta);
        #[cfg(CONFIG_KUNIT = "y")]
        Instant::ChangeCount.reach();
        old > 0 && new > 0 && cmpxchg(self.atomic(), old, new)
    }
}

#[cfg(CONFIG_KUNIT = "y")]
impl Kref {
    /// Saturates the count.
    #[doc(alias = "REFCOUNT_SATURATED")]
    pub(crate) fn saturate(&self) {
        self.refcount().set(c_int::MIN / 2);
    }
}

#[kernel::prelude::kunit_tests(restrack_kref)]
mod tests {
    use super::*;
    use crate::fixture;
    use kernel::sync::Arc;

    /// A count of zero, as C's zeroed memory has it.
    fn zero() -> Kref {
        Kref(Opaque::zeroed())
    }

    #[test]
    fn get_at_zero_fails() {
        let kref = zero();
        assert!(kref.is_zero());
        assert!(!kref.get_unless_zero());
        assert!(kref.is_zero());
    }

    #[test]
    fn only_the_last_put_says_so() {
        let kref = zero();
        kref.init();
        assert!(kref.get_unless_zero());
        kref.get();
        assert_eq!(kref.put(), Put::NotLast);
        assert_eq!(kref.put(), Put::NotLast);
        assert!(!kref.is_zero());
        assert_eq!(kref.put(), Put::Last);
        assert!(kref.is_zero());
    }

    #[test]
    fn put_at_zero_leaves_zero() {
        let kref = Kref::one();
        assert_eq!(kref.put(), Put::Last);
        assert_eq!(kref.put(), Put::None);
        assert!(kref.is_zero());
        assert!(!kref.get_unless_zero());
    }

    #[test]
    fn saturated_count_stays() {
        let kref = zero();
        kref.saturate();
        let saturated = kref.count();
        assert!(!kref.is_zero());
        assert!(!kref.put_if_last());
        assert_eq!(kref.put(), Put::NotLast);
        assert_eq!(kref.count(), saturated);
        kref.clear();
        assert!(kref.is_zero());
    }

    #[test]
    fn put_if_last_leaves_other_references() {
        let kref = zero();
        kref.init();
        kref.get();
        assert!(!kref.put_if_last());
        assert_eq!(kref.put(), Put::NotLast);
        assert!(kref.put_if_last());
        assert!(kref.is_zero());
        assert!(!kref.put_if_last());
    }

    #[test]
    fn get_amid_another_get_counts() -> Result {
        let kref = Arc::new(Kref::one(), GFP_KERNEL)?;
        let other = kref.clone();
        let taken = fixture::interleave(
            Instant::ChangeCount,
            move || other.get_unless_zero(),
            || kref.get_unless_zero(),
        )?;
        assert!(taken == (true, true));
        assert_eq!(kref.count(), 3);
        Ok(())
    }

    #[test]
    fn get_amid_the_last_put_makes_it_not_the_last() -> Result {
        let kref = Arc::new(Kref::one(), GFP_KERNEL)?;
        let other = kref.clone();
        let (last, taken) = fixture::interleave(
            Instant::LastPut,
            move || other.put_if_last(),
            || kref.get_unless_zero(),
        )?;
        assert!(taken && !last);
        assert_eq!(kref.count(), 2);
        Ok(())
    }

    #[test]
    fn cleared_count_is_zero() {
        let kref = zero();
        kref.init();
        assert!(!kref.is_zero());
        kref.clear();
        assert!(kref.is_zero());
        assert!(!kref.get_unless_zero());
    }
}
