// SPDX-License-Identifier: GPL-2.0

//! The memory of the buckets of a table: a segment directory, which leads from the number of a bucket
//! to where it is.
//!
//! The first buckets are in the root. The others are in leaves, the pages at the bottom of a tree of
//! three levels. [`crate::table`] explains the structure.

use crate::{
    bindings,
    bucket::Bucket,
    entry::Entry,
    sync::{
        atomic::read_once,
        PreemptGuard, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    alloc::{
        flags::{
            GFP_NOWAIT,
            __GFP_NOWARN,
            __GFP_ZERO, //
        },
        AllocError, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed,
        Release, //
    }, //
};

/// log2 of the number of elements of a [`Page`], which has 2 KiB.
///
/// A single add may have to clear three of them.
const PAGE_BITS: u32 = 8;

/// The most buckets that the directory leads to. With more entries the chains get longer.
pub(crate) const MOST: u32 = 1 << (3 * PAGE_BITS);

/// Some buckets, or pointers to pages with buckets.
#[repr(transparent)]
struct Page<T>([T; 1 << PAGE_BITS]);

/// Buckets.
type Leaf = Page<Bucket<Entry>>;
/// Pointers to leaves.
type Branch = Page<Atomic<*mut Leaf>>;
/// Pointers to branches.
type Trunk = Page<Atomic<*mut Branch>>;

impl<T> Page<T> {
    /// Allocates a page that is zeroed. Does not wait for memory: the caller holds locks.
    ///
    /// # Safety
    ///
    /// A `T` may be zero.
    unsafe fn new() -> Result<KBox<Self>, AllocError> {
        #[cfg(CONFIG_KUNIT = "y")]
        memory::ask()?;
        let page = KBox::new_uninit(GFP_NOWAIT | __GFP_NOWARN | __GFP_ZERO)?;
        #[cfg(CONFIG_KUNIT = "y")]
        memory::taken();
        // SAFETY: By the requirement of this function, for it is zeroed.
        Ok(unsafe { page.assume_init() })
    }

    /// Where an element of the page is. Higher bits of the index are ignored.
    #[inline]
    fn at(this: *mut Self, index: u32) -> *mut T {
        let index = index as usize % (1 << PAGE_BITS);
        this.cast::<T>().wrapping_add(index)
    }
}

#[cfg(CONFIG_KUNIT = "y")]
impl<T> Drop for Page<T> {
    fn drop(&mut self) {
        memory::given_back();
    }
}

/// A page that nothing leads to any more. Readers may still use it, so it is freed after a grace
/// period. To drop it may sleep.
pub(crate) struct Unused(NonNull<Leaf>);

impl Drop for Unused {
    fn drop(&mut self) {
        #[cfg(CONFIG_KUNIT = "y")]
        memory::given_back();
        // SAFETY: It comes from a `KBox`, and nobody finds it any more.
        unsafe { bindings::restrack_helper_kvfree_rcu(self.0.as_ptr().cast()) };
    }
}

/// Where the buckets of a table are.
///
/// # Invariants
///
/// - The first `first_count` buckets are at `first`, and live as long as this. The others that the
///   table has are in leaves, which `trunk` leads to through branches.
/// - A pointer to a leaf of which no bucket is in use is stale, and is not followed.
#[repr(C)]
pub(crate) struct Buckets {
    first: *mut Bucket<Entry>,
    first_count: u32,
    trunk: Atomic<*mut Trunk>,
}

impl Buckets {
    /// The directory of a table that has its first buckets.
    ///
    /// # Safety
    ///
    /// There are `count` empty buckets at `first`, which live as long as this.
    pub(crate) unsafe fn new(first: *mut Bucket<Entry>, count: u32) -> Self {
        // INVARIANT: These are all there are.
        Self {
            first,
            first_count: count,
            trunk: Atomic::new(core::ptr::null_mut()),
        }
    }

    /// The number of buckets that a table always has.
    #[inline]
    pub(crate) fn first_count(&self) -> u32 {
        self.first_count
    }

    /// Where a bucket is. It stays there while the guard lives.
    ///
    /// # Safety
    ///
    /// There is one of that number, or there was when the guard was made.
    #[inline]
    pub(crate) unsafe fn at(&self, index: u32, _guard: &PreemptGuard) -> NonNull<Bucket<Entry>> {
        let bucket = if index < self.first_count {
            self.first.wrapping_add(index as usize)
        } else {
            // SAFETY: By the requirement of this function.
            Page::at(read_once(unsafe { self.leaf(index) }), index)
        };
        // SAFETY: A bucket is there, so this is not NULL.
        unsafe { NonNull::new_unchecked(bucket) }
    }

    /// Where the pointer to the leaf of a bucket is.
    ///
    /// # Safety
    ///
    /// There is a branch for this bucket, or there was when preemption was disabled.
    #[inline]
    unsafe fn leaf(&self, index: u32) -> &Atomic<*mut Leaf> {
        let branch = Page::at(read_once(&self.trunk), index >> (2 * PAGE_BITS));
        // SAFETY: By the requirement of this function there is a trunk.
        let branch = read_once(unsafe { &*branch });
        // SAFETY: By the requirement of this function.
        unsafe { &*Page::at(branch, index >> PAGE_BITS) }
    }

    /// Provides memory for bucket `new`, the one after the last.
    ///
    /// A reader who has an old size may find the new page. The pointer to it is stored with Release,
    /// so that such a reader sees a page that is zeroed.
    ///
    /// # Safety
    ///
    /// Nobody else changes the number of buckets meanwhile.
    pub(crate) unsafe fn provide(&self, new: u32) -> Result<(), AllocError> {
        if new >= MOST {
            return Err(AllocError);
        }
        if new != self.first_count && new % (1 << PAGE_BITS) != 0 {
            return Ok(());
        }
        // SAFETY: Zero is an empty bucket.
        let leaf = unsafe { Leaf::new() }?;
        if new == self.first_count {
            // SAFETY: Zero is no pointer.
            let branch = unsafe { Branch::new() }?;
            // SAFETY: Zero is no pointer.
            let trunk = KBox::into_raw(unsafe { Trunk::new() }?);
            // SAFETY: It is new.
            unsafe { &*Page::at(trunk, new >> (2 * PAGE_BITS)) }
                .store(KBox::into_raw(branch), Release);
            // INVARIANT: All buckets are at `first`, so the old trunk leads to nothing.
            self.trunk.store(trunk, Release);
        }
        // SAFETY: The trunk is there.
        let branch = unsafe { &*Page::at(self.trunk.load(Relaxed), new >> (2 * PAGE_BITS)) };
        if branch.load(Relaxed).is_null() {
            // SAFETY: Zero is no pointer.
            branch.store(KBox::into_raw(unsafe { Branch::new() }?), Release);
        }
        // SAFETY: The branch is there.
        let slot = unsafe { self.leaf(new) };
        // INVARIANT: The old pointer was stale.
        slot.store(KBox::into_raw(leaf), Release);
        Ok(())
    }

    /// Takes the leaf of a bucket that is gone, unless it has other buckets.
    ///
    /// # Safety
    ///
    /// It was the last bucket, and not one of the first. Nobody else changes the number of buckets.
    pub(crate) unsafe fn retire(&self, last: u32) -> Option<Unused> {
        if last != self.first_count && last % (1 << PAGE_BITS) != 0 {
            return None;
        }
        // SAFETY: The branch is there: only `reset` takes it.
        NonNull::new(unsafe { self.leaf(last) }.load(Relaxed)).map(Unused)
    }

    /// Gives up the trunk and the branches.
    ///
    /// # Safety
    ///
    /// There was a bucket that is not one of the first, and there is none any more. Nobody else
    /// changes the number of buckets.
    pub(crate) unsafe fn reset(&self) {
        let trunk = self.trunk.load(Relaxed);
        for index in 0..1 << PAGE_BITS {
            // SAFETY: The trunk is there.
            let branch = unsafe { &*Page::at(trunk, index) }.load(Relaxed);
            drop(NonNull::new(branch.cast()).map(Unused));
        }
        drop(NonNull::new(trunk.cast()).map(Unused));
    }
}

/// For tests: how many pages tables have, and how to refuse them more.
#[cfg(CONFIG_KUNIT = "y")]
pub(crate) mod memory {
    use kernel::{
        alloc::AllocError,
        sync::atomic::{
            Atomic,
            Relaxed, //
        }, //
    };

    /// How many pages tables have.
    static PAGES: Atomic<i32> = Atomic::new(0);

    /// How many pages may yet be allocated; [`Shortage::NONE`] is any number.
    static LEFT: Atomic<i32> = Atomic::new(Shortage::NONE);

    /// How many pages were refused.
    static REFUSED: Atomic<i32> = Atomic::new(0);

    /// How many pages tables have.
    pub(crate) fn pages() -> i32 {
        PAGES.load(Relaxed)
    }

    pub(super) fn taken() {
        PAGES.add(1, Relaxed);
    }

    pub(super) fn given_back() {
        PAGES.add(-1, Relaxed);
    }

    /// Returns an error if there is a shortage.
    pub(super) fn ask() -> Result<(), AllocError> {
        match LEFT.load(Relaxed) {
            Shortage::NONE => Ok(()),
            left @ 1.. => {
                LEFT.store(left.wrapping_sub(1), Relaxed);
                Ok(())
            }
            _ => {
                REFUSED.add(1, Relaxed);
                Err(AllocError)
            }
        }
    }

    /// While it lives, tables get only so many pages. Tests run one after the other.
    pub(crate) struct Shortage(());

    impl Shortage {
        const NONE: i32 = i32::MAX;

        /// A shortage that begins after so many pages.
        pub(crate) fn after(times: i32) -> Self {
            REFUSED.store(0, Relaxed);
            LEFT.store(times, Relaxed);
            Self(())
        }

        /// How many pages were refused.
        pub(crate) fn refused(&self) -> i32 {
            REFUSED.load(Relaxed)
        }
    }

    impl Drop for Shortage {
        fn drop(&mut self) {
            LEFT.store(Self::NONE, Relaxed);
        }
    }
}

#[kernel::prelude::kunit_tests(restrack_buckets)]
mod tests {
    use super::*;
    use crate::{
        fixture,
        instant::Instant, //
    };

    /// A leaf that another thread finds.
    struct Found(*mut u64);

    // SAFETY: The pointer is to memory that has no owner.
    unsafe impl Send for Found {}

    impl Found {
        /// Returns true if the leaf is as it was.
        ///
        /// # Safety
        ///
        /// It was not freed.
        unsafe fn is_zero(&self) -> bool {
            (0..size_of::<Leaf>() / size_of::<u64>()).all(|word| {
                // SAFETY: By the requirement of this function.
                unsafe { self.0.wrapping_add(word).read_volatile() == 0 }
            })
        }
    }

    #[test]
    fn leaf_is_not_freed_while_a_reader_has_it() -> Result {
        // SAFETY: Zero is an empty bucket.
        let leaf = NonNull::from(KBox::leak(unsafe { Leaf::new() }?));
        let (found, unused) = (Found(leaf.as_ptr().cast()), Unused(leaf));
        let look = move || {
            let _guard = PreemptGuard::new();
            Instant::Look.reach();
            // The allocator writes to memory that is freed.
            // SAFETY: It stays while the guard lives; that is what is to be seen.
            unsafe { found.is_zero() }
        };
        let (is_there, ()) = fixture::interleave(Instant::Look, look, move || drop(unused))?;
        assert!(is_there);
        Ok(())
    }
}
