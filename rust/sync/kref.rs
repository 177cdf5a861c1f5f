// SPDX-License-Identifier: GPL-2.0

//! The reference count of an object.
//!
//! C header: [`include/linux/kref.h`](srctree/include/linux/kref.h)

use crate::{
    bindings,
    sync::Once, //
};
use core::sync::atomic::Ordering;
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// Wraps the kernel's `struct kref`.
///
/// Like the C type it saturates instead of overflowing, which is a leak: what is saturated has
/// references for ever. Unlike the C type it does not saturate when a reference is dropped at zero:
/// it stays zero, so that no reader gets a reference afterwards. It frees nothing: who drops the
/// last reference is told so.
#[repr(transparent)]
pub(crate) struct Kref(Opaque<bindings::kref>);

// SAFETY: A `struct kref` may be used from any thread.
unsafe impl Send for Kref {}

// SAFETY: All operations on a `struct kref` are atomic.
unsafe impl Sync for Kref {}

/// What came of dropping a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// There are others, or so many that nobody can tell: the count is saturated.
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

    /// The counter itself.
    ///
    /// `kref_init()` and `kref_read()` are one plain store and load of it.
    #[inline]
    fn counter(&self) -> &Once<c_int> {
        // SAFETY: The field of a live object.
        let counter = unsafe { &raw const (*self.0.get()).refcount.refs.counter };
        // SAFETY: As above; `Once` is transparent, and all accesses to the field are atomic.
        unsafe { &*counter.cast::<Once<c_int>>() }
    }

    /// Sets the count to one.
    ///
    /// The store is relaxed: what it publishes has to be ordered by a lock.
    #[doc(alias = "kref_init")]
    #[inline]
    pub(crate) fn init(&self) {
        self.counter().store(1);
    }

    /// Sets the count to zero, even if it is saturated.
    #[doc(alias = "refcount_set")]
    pub(crate) fn clear(&self) {
        self.counter().store(0);
    }

    /// How many references there are; below zero if the count is saturated.
    #[doc(alias = "kref_read")]
    pub(crate) fn count(&self) -> c_int {
        self.counter().load()
    }

    /// Returns true if there is no reference. A count that is saturated has references.
    #[doc(alias = "kref_read")]
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        self.counter().load() == 0
    }

    /// The count of references in a `refcount_t` of C.
    #[inline]
    pub(crate) fn of(count: &kernel::bindings::refcount_t) -> &Self {
        // SAFETY: It is the only member of a `struct kref`.
        unsafe { &*core::ptr::from_ref(count).cast::<Self>() }
    }

    /// Takes a reference where there is one already.
    #[doc(alias = "kref_get")]
    pub(crate) fn get(&self) {
        // SAFETY: `self` is a live `struct kref`.
        unsafe { bindings::restrack_helper_kref_get(self.0.get()) };
    }

    /// Takes a reference, if that is nothing special; false says that it may be.
    ///
    /// What is special (no reference, saturation, others who take and drop some at this moment) is
    /// for the functions of C.
    #[inline]
    #[must_use = "the reference may not have been taken"]
    pub(crate) fn try_get(&self) -> bool {
        let counter = self.counter().as_atomic();
        let count = counter.load(Ordering::Relaxed);
        let more = count.wrapping_add(1);
        more > 1
            && counter
                .compare_exchange(count, more, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    /// Drops a reference, if that is nothing special, as for [`Self::try_get`], and it is not the
    /// last one.
    #[inline]
    #[must_use = "the reference may not have been dropped"]
    pub(crate) fn try_put(&self) -> bool {
        let counter = self.counter().as_atomic();
        let count = counter.load(Ordering::Relaxed);
        count > 1
            && counter
                .compare_exchange(
                    count,
                    count.wrapping_sub(1),
                    Ordering::Release,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// Takes a reference if there is one already.
    #[doc(alias = "kref_get_unless_zero")]
    #[inline]
    #[must_use = "without a reference the object may go away"]
    pub(crate) fn get_unless_zero(&self) -> bool {
        self.try_get() || self.get_unless_zero_slowly()
    }

    /// The part of [`Self::get_unless_zero`] for what is special.
    #[cold]
    #[inline(never)]
    fn get_unless_zero_slowly(&self) -> bool {
        // SAFETY: `self` is a live `struct kref`.
        unsafe { bindings::restrack_helper_kref_get_unless_zero(self.0.get()) }
    }

    /// Drops a reference if it is the last.
    ///
    /// What the caller does then comes after all that others did with the object before they put
    /// theirs.
    #[doc(alias = "refcount_dec_if_one")]
    #[inline]
    #[must_use = "otherwise the reference is still there"]
    pub(crate) fn put_if_last(&self) -> bool {
        let counter = self.counter().as_atomic();
        counter
            .compare_exchange(1, 0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Drops a reference.
    ///
    /// What was done with the object before is visible to the one who is told that it was the last
    /// (release, and acquire on the last). A count of zero and one that is saturated stay.
    #[doc(alias = "kref_put")]
    #[must_use = "the last reference obliges"]
    pub(crate) fn put(&self) -> Put {
        let counter = self.counter().as_atomic();
        let mut count = counter.load(Ordering::Relaxed);
        loop {
            let outcome = match count {
                0 => return Put::None,
                1 => Put::Last,
                2.. => Put::NotLast,
                _ => return Put::NotLast,
            };
            match counter.compare_exchange_weak(
                count,
                count.wrapping_sub(1),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return outcome,
                Err(now) => count = now,
            }
        }
    }
}

#[cfg(CONFIG_KUNIT = "y")]
impl Kref {
    /// Makes the count one that has overflowed.
    #[doc(alias = "REFCOUNT_SATURATED")]
    pub(crate) fn saturate(&self) {
        self.counter().store(c_int::MIN / 2);
    }
}

#[kernel::prelude::kunit_tests(restrack_kref)]
mod tests {
    use super::*;

    /// A count of zero, as C's zeroed memory has it.
    fn zero() -> Kref {
        Kref(Opaque::zeroed())
    }

    #[test]
    fn zero_gives_no_reference() {
        let kref = zero();
        assert!(kref.is_spent());
        assert!(!kref.get_unless_zero());
        assert!(kref.is_spent());
    }

    #[test]
    fn only_the_last_put_is_the_last() {
        let kref = zero();
        kref.init();
        assert!(kref.get_unless_zero());
        kref.get();
        assert_eq!(kref.put(), Put::NotLast);
        assert_eq!(kref.put(), Put::NotLast);
        assert!(!kref.is_spent());
        assert_eq!(kref.put(), Put::Last);
        assert!(kref.is_spent());
    }

    #[test]
    fn put_at_zero_leaves_zero() {
        let kref = Kref::one();
        assert_eq!(kref.put(), Put::Last);
        assert_eq!(kref.put(), Put::None);
        assert!(kref.is_spent());
        assert!(!kref.get_unless_zero());
    }

    #[test]
    fn saturated_is_not_spent_and_stays() {
        let kref = zero();
        kref.saturate();
        let saturated = kref.count();
        assert!(!kref.is_spent());
        assert!(!kref.put_if_last());
        assert_eq!(kref.put(), Put::NotLast);
        assert_eq!(kref.count(), saturated);
        kref.clear();
        assert!(kref.is_spent());
    }

    #[test]
    fn it_is_put_only_if_it_is_the_last() {
        let kref = zero();
        kref.init();
        kref.get();
        assert!(!kref.put_if_last());
        assert_eq!(kref.put(), Put::NotLast);
        assert!(kref.put_if_last());
        assert!(kref.is_spent());
        assert!(!kref.put_if_last());
    }

    #[test]
    fn cleared_is_zero() {
        let kref = zero();
        kref.init();
        assert!(!kref.is_spent());
        kref.clear();
        assert!(kref.is_spent());
        assert!(!kref.get_unless_zero());
    }
}
