// SPDX-License-Identifier: GPL-2.0

//! The memory of the buckets of a table: where a bucket is, by its number.
//!
//! The first buckets are in the root. The others are in pages of their own, which come and go with
//! them, and a tree of pages leads there; [`crate::table`] has a drawing of it.

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

/// log2 of the number of pointers in a [`Page`], 2 KiB of them.
///
/// It bounds what a single add has to clear, for a page may be allocated for it.
const PAGE_BITS: u32 = 8;

/// As many buckets as pages can lead to: chains get longer then.
pub(crate) const MOST: u32 = 1 << (3 * PAGE_BITS);

/// Memory for some of the buckets, or for pointers to such pages: zeroed at first.
#[repr(transparent)]
struct Page<T>([T; 1 << PAGE_BITS]);

/// Buckets.
type Leaf = Page<Bucket<Entry>>;
/// Pointers to leaves.
type Branch = Page<Atomic<*mut Leaf>>;
/// Pointers to branches.
type Trunk = Page<Atomic<*mut Branch>>;

impl<T> Page<T> {
    /// Allocates one, without waiting for memory: others may need what is locked to free some.
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

    /// Where an element of the page is, by an index of which the lowest bits count.
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

/// A page that nobody finds any more, although some may have found it: it is freed after they have
/// left. To drop it may sleep.
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
/// - A pointer to a leaf without a bucket in use means nothing, and is not followed. Such a leaf is
///   freed after a grace period.
#[repr(C)]
pub(crate) struct Buckets {
    first: *mut Bucket<Entry>,
    first_count: u32,
    trunk: Atomic<*mut Trunk>,
}

impl Buckets {
    /// The buckets that a table has at first.
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

    /// How many buckets there are at least.
    #[inline]
    pub(crate) fn first_count(&self) -> u32 {
        self.first_count
    }

    /// Where a bucket is. It stays while the guard lives.
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

    /// Provides memory for a new bucket, the number of which is that of the buckets until now.
    ///
    /// One that looks for a bucket that there was before the table shrank may find the new memory: it
    /// is stored with release, so that it is seen to be zeroed.
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
            // INVARIANT: Whatever was there before is not needed: all buckets are at `first`.
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
        // INVARIANT: Whatever was there before was for buckets that are gone.
        slot.store(KBox::into_raw(leaf), Release);
        Ok(())
    }

    /// Takes the leaf of a bucket that is gone, if it was the only one in there.
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

    /// Gives up what leads to leaves.
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

/// For tests: how much memory tables have, and how to let them run out of it.
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

    /// How often memory is to be had yet; [`Shortage::NONE`] is for ever.
    static LEFT: Atomic<i32> = Atomic::new(Shortage::NONE);

    /// How often memory was refused.
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

    /// An error if there is a shortage.
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

    /// While it lives, tables get memory only so many times.
    ///
    /// Tests run one after the other, so nobody else's table is in want of memory.
    pub(crate) struct Shortage(());

    impl Shortage {
        const NONE: i32 = i32::MAX;

        /// A shortage that begins after so many times.
        pub(crate) fn after(times: i32) -> Self {
            REFUSED.store(0, Relaxed);
            LEFT.store(times, Relaxed);
            Self(())
        }

        /// How often memory was refused.
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
    use crate::fixture::{
        self,
        Elsewhere,
        Meeting, //
    };
    use kernel::sync::Arc;

    /// A leaf that somebody else has found, and looks at for a while.
    struct Found {
        leaf: *mut u64,
        meeting: Meeting,
    }

    // SAFETY: The pointer is to memory that has no owner.
    unsafe impl Send for Found {}

    // SAFETY: The pointer is to memory that has no owner.
    unsafe impl Sync for Found {}

    #[test]
    fn a_leaf_stays_until_those_who_found_it_have_left() -> Result {
        const WORDS: usize = size_of::<Leaf>() / size_of::<u64>();
        // SAFETY: Zero is an empty bucket.
        let leaf = NonNull::from(KBox::leak(unsafe { Leaf::new() }?));
        let found = Found {
            leaf: leaf.as_ptr().cast(),
            meeting: Meeting::new(),
        };
        let found = match Arc::new(found, GFP_KERNEL) {
            Ok(found) => found,
            Err(error) => {
                drop(Unused(leaf));
                return Err(error.into());
            }
        };
        let other = found.clone();
        let looks = Elsewhere::start(move || {
            let _guard = PreemptGuard::new();
            other.meeting.attend();
            for _ in 0..20 {
                fixture::dawdle();
            }
            // Who frees it writes to it: the allocator has its links there.
            (0..WORDS).all(|word| {
                // SAFETY: It stays while the guard lives; that is what is to be seen.
                unsafe { other.leaf.wrapping_add(word).read_volatile() == 0 }
            })
        });
        if looks.is_ok() {
            found.meeting.expect();
            found.meeting.attend();
        }
        drop(Unused(leaf));
        assert!(looks?.end()?);
        Ok(())
    }
}
