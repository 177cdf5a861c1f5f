// SPDX-License-Identifier: GPL-2.0

//! The table of one kind of object: a hash table that grows and shrinks by one bucket at a time.
//!
//! # The structure
//!
//! This is *linear hashing* (W. Litwin, "Linear hashing: a new tool for file and table addressing",
//! 1980), with the objects in the order of *split-ordered lists* (O. Shalev and N. Shavit,
//! "Split-ordered lists: lock-free extensible hash tables", 2006) and the buckets in a *segment
//! directory*, which is a tree of pages.
//!
//! With 2^L buckets the lowest L bits of a hash are the number of its bucket. The table grows by
//! splitting one bucket after the other: bucket 2^L takes from bucket 0 the hashes whose next bit is
//! set, bucket 2^L + 1 takes those of bucket 1, until there are twice as many buckets. Here are six;
//! 2 and 3 are not split yet. Letters are entries:
//!
//! ```text
//! lowest bits of a hash   000    100    010    110    001    101    011    111
//! bucket                  [ 0 ]  [ 4 ]  [    2    ]   [ 1 ]  [ 5 ]  [    3    ]
//!                           |             |                    |      |
//! its chain: one entry      A             C ---- D             E      F
//! for each hash             |                    |
//!                           B                    siblings with the hash of D: D' D"
//!
//! where bucket 300 is:    trunk[0] -> branch[1] -> leaf[44]; the first 16 are in the root
//! ```
//!
//! # Invariants
//!
//! - Hashes are ordered by their bits in reverse, as in the drawing. In this order the hashes of a
//!   bucket follow each other without a gap, for every number of buckets.
//! - A chain is sorted by hash, and siblings by serial number. So a split cuts a chain in two, a
//!   merge joins two, and neither changes the order of the entries. That makes a [`Key`] an exact
//!   cursor: an entry that stays in the table stays before it or behind it.
//! - An entry is in the bucket that the [`Size`] of the table says for its hash. A split or a merge
//!   locks its two buckets, and stores the new size before it unlocks them. So a thread that has
//!   locked a bucket loads the size again: if it is the same, this is the right bucket until it is
//!   unlocked.
//! - Memory for a new bucket is there before the size says so. Memory for a bucket that was merged is
//!   freed after a grace period: with preemption disabled, the bucket for a size that was loaded may
//!   still be locked.
//!
//! [`crate::root`] says which lock protects what.

#[cfg(CONFIG_KUNIT = "y")]
use crate::instant::Instant;
use crate::{
    bucket::{
        Bucket,
        Locked, //
    },
    buckets::{
        Buckets,
        Unused, //
    },
    entry::Entry,
    key::{
        Hash,
        Key, //
    },
    size::{
        parent,
        Size, //
    },
    sync::{
        atomic::{
            load_acquire,
            read_once, //
        },
        PreemptGuard, //
    }, //
};
use kernel::{
    alloc::AllocError,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed,
        Release, //
    }, //
};

/// All of it is read by every lookup, and written only where the table grows or shrinks.
///
/// # Invariants
///
/// - `size` says how many buckets there are.
/// - An entry is in the bucket that `size` says for its hash, and no other.
#[repr(C)]
pub(crate) struct Table {
    size: Atomic<Size>,
    buckets: Buckets,
    grow_above: Atomic<u32>,
    shrink_below: Atomic<u32>,
}

/// The bucket for a hash, locked.
pub(crate) type LockedBucket<'a> = Locked<'a, Entry, Table>;

impl LockedBucket<'_> {
    /// Where the keys of the next bucket begin, if there is one. `key` belongs to this bucket.
    #[inline]
    pub(crate) fn end(&self, key: Key) -> Option<Key> {
        // Nobody splits or merges the bucket while it is locked.
        self.owner().size().next(key.hash())
    }
}

impl Table {
    /// Sets up a table.
    ///
    /// # Safety
    ///
    /// `this` is valid for writes and new. There are `count` empty buckets at `first`, which live as
    /// long as it; `count` is a power of two.
    pub(crate) unsafe fn init(this: *mut Self, first: *mut Bucket<Entry>, count: u32) {
        // SAFETY: By the requirements of this function.
        let buckets = unsafe { Buckets::new(first, count) };
        // INVARIANT: There is no entry.
        let table = Self {
            size: Atomic::new(Size::new(count, 0)),
            buckets,
            grow_above: Atomic::new(Self::SMALL),
            shrink_below: Atomic::new(0),
        };
        // SAFETY: By the requirements of this function.
        unsafe { this.write(table) };
    }

    /// The size of now.
    #[inline]
    fn size(&self) -> Size {
        read_once(&self.size)
    }

    /// Locks the bucket for a hash.
    #[inline]
    pub(crate) fn lock(&self, hash: Hash) -> LockedBucket<'_> {
        match self.try_lock(hash) {
            Some(bucket) => bucket,
            None => self.lock_again(hash),
        }
    }

    /// Locks the bucket for a hash. Returns `None` if the number of buckets has changed meanwhile.
    #[inline]
    fn try_lock(&self, hash: Hash) -> Option<LockedBucket<'_>> {
        let guard = PreemptGuard::new();
        let size = load_acquire(&self.size);
        // SAFETY: It is there by the type invariant.
        let bucket = unsafe { self.buckets.at(size.index(hash), &guard) };
        #[cfg(CONFIG_KUNIT = "y")]
        Instant::LockBucket.reach();
        // SAFETY: It stays while the guard lives.
        let bucket = unsafe { Bucket::lock(bucket, guard, self) };
        // A split or merge of this bucket has stored the new size before it unlocked it.
        (self.size() == size).then_some(bucket)
    }

    /// The part of [`Self::lock`] for a table that grows or shrinks.
    #[cold]
    fn lock_again(&self, hash: Hash) -> LockedBucket<'_> {
        loop {
            if let Some(bucket) = self.try_lock(hash) {
                return bucket;
            }
        }
    }

    /// Passes over the buckets from this key on that are empty. Returns `None` if all of them are.
    #[inline]
    fn skip_empty(&self, mut from: Key) -> Option<Key> {
        let guard = PreemptGuard::new();
        loop {
            let size = load_acquire(&self.size);
            // SAFETY: It is there by the type invariant.
            let bucket = unsafe { self.buckets.at(size.index(from.hash()), &guard) };
            #[cfg(CONFIG_KUNIT = "y")]
            Instant::PassBucket.reach();
            // SAFETY: It stays while the guard lives.
            if !unsafe { bucket.as_ref() }.is_idle() {
                return Some(from);
            }
            // A split or merge of this bucket has stored the new size before it unlocked it.
            if self.size() == size {
                from = size.next(from.hash())?;
            }
        }
    }

    /// A walk over the entries that have this key or a greater one.
    #[inline]
    pub(crate) fn walk(&self, from: Key) -> Walk<'_> {
        Walk {
            table: self,
            from: Some(from),
        }
    }
}

/// A walk over a table, in the order of keys. An entry that is there all the time is met, exactly
/// once.
pub(crate) struct Walk<'a> {
    table: &'a Table,
    /// Where it goes on.
    from: Option<Key>,
}

impl Walk<'_> {
    /// Locks the next bucket that is not empty, or the same one again if there is more in it.
    #[inline]
    pub(crate) fn next_bucket(&mut self) -> Option<WalkedBucket<'_>> {
        let from = self.table.skip_empty(self.from?)?;
        let bucket = self.table.lock(from.hash());
        self.from = bucket.end(from);
        Some(WalkedBucket {
            bucket,
            from,
            next: &mut self.from,
        })
    }
}

/// The bucket that a walk has come to, locked.
pub(crate) struct WalkedBucket<'w> {
    bucket: LockedBucket<'w>,
    from: Key,
    next: &'w mut Option<Key>,
}

impl WalkedBucket<'_> {
    /// How many entries are met without a pause, where a bucket has more.
    const STRIDE: u32 = 64;

    /// The entries in the bucket that the walk has not met yet; if they are many, the first of them.
    #[inline]
    pub(crate) fn entries(&mut self) -> impl Iterator<Item = &Entry> {
        let next: &mut Option<Key> = self.next;
        let mut left = Self::STRIDE;
        self.bucket.iter_from(self.from).map_while(move |entry| {
            let Some(rest) = left.checked_sub(1) else {
                *next = Some(entry.key());
                return None;
            };
            left = rest;
            Some(entry)
        })
    }

    /// Takes the first entry out. The walk comes back to this bucket until it is empty.
    ///
    /// # Safety
    ///
    /// Nobody takes the entry for one that is in a bucket when the lock is released.
    pub(crate) unsafe fn pop_first(&mut self) -> Option<&Entry> {
        *self.next = Some(self.from);
        // SAFETY: By the requirement of this function.
        unsafe { self.bucket.pop_first() }
    }
}

/// When to grow and shrink.
impl Table {
    /// How many entries the buckets in the root are for.
    const SMALL: u32 = 32;

    /// How many buckets a table keeps, once it has them, until its root is cleaned: 16 KiB. Tests
    /// want to see tables shrink that are not large.
    pub(crate) const KEPT: u32 = if cfg!(CONFIG_KUNIT = "y") { 32 } else { 2048 };

    /// How many buckets come or go at a time.
    const STEP: u32 = 16;

    /// Returns true if there are more entries than the buckets are for.
    #[inline]
    pub(crate) fn is_crowded(&self, entries: u32) -> bool {
        entries > read_once(&self.grow_above)
    }

    /// Returns true if there are far fewer entries than the buckets are for.
    #[inline]
    pub(crate) fn is_sparse(&self, entries: u32) -> bool {
        entries < read_once(&self.shrink_below)
    }

    /// How many buckets there are.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn bucket_count(&self) -> u32 {
        self.size().count()
    }

    /// Opens the table to change the number of its buckets.
    ///
    /// # Safety
    ///
    /// The `rwsem` of the root that the table is in is held for writing during `'a`.
    pub(crate) unsafe fn resizable(&self) -> Resizable<'_> {
        // INVARIANT: By the requirement of this function.
        Resizable(self)
    }
}

/// A table whose number of buckets may be changed.
///
/// # Invariants
///
/// The `rwsem` of the root that the table is in is held for writing while this lives, so nobody else
/// changes the number.
pub(crate) struct Resizable<'a>(&'a Table);

impl Resizable<'_> {
    /// Adds some buckets, if there is memory for them. There are `entries` entries.
    pub(crate) fn grow(&self, entries: u32) {
        for _ in 0..Table::STEP {
            if self.split_next().is_err() {
                // Chains get longer. Do not ask for memory at each add.
                let more = entries.saturating_add(Table::SMALL);
                return self.0.grow_above.store(more, Relaxed);
            }
        }
        self.set_bounds();
    }

    /// Takes away some buckets, if there are many. Returns memory that is not needed any more.
    pub(crate) fn shrink(&self) -> Option<Unused> {
        let mut unused = None;
        for _ in 0..Table::STEP {
            if self.0.size().count() > Table::KEPT {
                unused = self.merge_last().or(unused);
            }
        }
        self.set_bounds();
        unused
    }

    /// Gives up all buckets but those in the root. Sleeps.
    pub(crate) fn reset(&self) {
        let first_count = self.0.buckets.first_count();
        if self.0.size().count() > first_count {
            while self.0.size().count() > first_count {
                drop(self.merge_last());
            }
            // SAFETY: There was another bucket, and nobody else changes the number by the type
            // invariant.
            unsafe { self.0.buckets.reset() };
        }
        self.set_bounds();
    }

    /// Sets when to grow and when to shrink, for the number of buckets of now. There is a factor of
    /// three between both, so that a table does not grow and shrink by turns.
    fn set_bounds(&self) {
        let count = self.0.size().count();
        // Buckets that are not split yet have twice as many entries as others.
        let grow_above = (count / 4 * 3).max(Table::SMALL);
        let shrink_below = match count > Table::KEPT {
            true => count / 4,
            false => 0,
        };
        self.0.grow_above.store(grow_above, Relaxed);
        self.0.shrink_below.store(shrink_below, Relaxed);
    }

    /// Adds a bucket: splits the next one.
    ///
    /// # Errors
    ///
    /// There is no memory, or there are [`MOST`](crate::buckets::MOST) buckets.
    fn split_next(&self) -> Result<(), AllocError> {
        let size = self.0.size();
        let new = size.count();
        // SAFETY: By the type invariant.
        unsafe { self.0.buckets.provide(new) }?;
        let (old, bit) = parent(new);
        // SAFETY: The old one is there, and memory for the new one was provided.
        let (mut lower, mut upper) = unsafe { self.lock_both(old, new) };
        // SAFETY: The chain is sorted, so those with the bit are the last. The new bucket is empty.
        unsafe { lower.split(&mut upper, |entry| entry.key().hash().bits() & bit != 0) };
        // INVARIANT: They are where the new size says.
        self.0.size.store(size.grow(new.wrapping_add(1)), Release);
        drop(upper);
        drop(lower);
        #[cfg(CONFIG_KUNIT = "y")]
        Instant::EndResize.reach();
        Ok(())
    }

    /// Takes the last bucket away, unless it is one of the first ones: merges it with the one that it
    /// was split from. Returns memory that is not needed any more.
    fn merge_last(&self) -> Option<Unused> {
        let size = self.0.size();
        if size.count() <= self.0.buckets.first_count() {
            return None;
        }
        let last = size.count().wrapping_sub(1);
        let (old, _) = parent(last);
        // SAFETY: The size says that there are both.
        let (mut lower, mut upper) = unsafe { self.lock_both(old, last) };
        // SAFETY: The hashes in the upper one have a bit that those in the lower one do not have.
        unsafe { lower.merge(&mut upper) };
        // INVARIANT: They are where the new size says.
        self.0.size.store(size.shrink(last), Release);
        drop(upper);
        drop(lower);
        #[cfg(CONFIG_KUNIT = "y")]
        Instant::EndResize.reach();
        // SAFETY: It was the last one, and nobody else changes the number by the type invariant.
        unsafe { self.0.buckets.retire(last) }
    }

    /// Locks two buckets, the lower one first.
    ///
    /// # Safety
    ///
    /// There is memory for both.
    unsafe fn lock_both(&self, lower: u32, upper: u32) -> (LockedBucket<'_>, LockedBucket<'_>) {
        #[cfg(CONFIG_KUNIT = "y")]
        Instant::BeginResize.reach();
        let guard = PreemptGuard::new();
        // SAFETY: By the requirement of this function.
        let lower = unsafe { self.0.buckets.at(lower, &guard) };
        // SAFETY: By the requirement of this function.
        let upper = unsafe { self.0.buckets.at(upper, &guard) };
        // SAFETY: It stays: nobody else takes memory away by the type invariant.
        let lower = unsafe { Bucket::lock(lower, guard, self.0) };
        // SAFETY: It stays: nobody else takes memory away by the type invariant.
        let upper = unsafe { Bucket::lock_upper(upper, PreemptGuard::new(), self.0) };
        (lower, upper)
    }
}

#[kernel::prelude::kunit_tests(restrack_table)]
mod tests {
    use super::*;
    use crate::fixture;
    use kernel::sync::Arc;

    /// How many buckets there are at first.
    const FEW: u32 = 16;

    /// A hash by its rank.
    fn hash(rank: u32) -> Hash {
        Key::from_cursor(u64::from(rank) << 32).hash()
    }

    /// A table of which two threads use some buckets.
    struct Shared {
        table: Table,
        first: KBox<[Bucket<Entry>; 2 * FEW as usize]>,
    }

    // SAFETY: What the pointers lead to goes with it.
    unsafe impl Send for Shared {}

    // SAFETY: As a root, it may be used from any thread.
    unsafe impl Sync for Shared {}

    impl Shared {
        fn new() -> Result<Arc<Self>> {
            let first = [const { Bucket::new() }; 2 * FEW as usize];
            let mut first = KBox::new(first, GFP_KERNEL)?;
            let table = Table {
                size: Atomic::new(Size::new(FEW, 0)),
                // SAFETY: They live as long as this.
                buckets: unsafe { Buckets::new(first.as_mut_ptr(), 2 * FEW) },
                grow_above: Atomic::new(u32::MAX),
                shrink_below: Atomic::new(0),
            };
            Ok(Arc::new(Self { table, first }, GFP_KERNEL)?)
        }

        /// Returns true if this bucket is empty and not locked.
        fn is_idle(&self, index: u32) -> bool {
            self.first
                .get(index as usize)
                .is_some_and(|bucket| bucket.is_idle())
        }
    }

    /// The bucket is split before a thread that has found it locks it.
    #[test]
    fn lock_of_a_bucket_that_is_split_meanwhile_locks_the_new_one() -> Result {
        let shared = Shared::new()?;
        let upper = hash(FEW.reverse_bits());
        let size = shared.table.size();
        assert!(size.index(upper) == 0);
        let other = shared.clone();
        let lock = move || {
            let _bucket = other.table.lock(upper);
            other.is_idle(0) && !other.is_idle(FEW)
        };
        let (is_right, ()) = fixture::interleave(Instant::LockBucket, lock, || {
            shared.table.size.store(size.grow(FEW + 1), Release);
        })?;
        assert!(is_right);
        assert!(shared.is_idle(0) && shared.is_idle(FEW));
        Ok(())
    }
}
