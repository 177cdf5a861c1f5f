// SPDX-License-Identifier: GPL-2.0

//! The table of one kind of object: its buckets, as many as its entries need.

use crate::{
    bucket::Bucket,
    buckets::{
        Buckets,
        LockedBucket,
        Unused, //
    },
    entry::Entry,
    key::{
        Hash,
        Key, //
    },
    sync::{
        Once,
        WriteGuard, //
    }, //
};
use core::ops::ControlFlow;

/// All of it is read by every lookup, and written only where the table grows or shrinks.
#[repr(C)]
pub(crate) struct Table {
    buckets: Buckets,
    grow_above: Once<u32>,
    shrink_below: Once<u32>,
}

impl Table {
    /// How many entries the buckets in the root are for.
    const SMALL: u32 = 32;

    /// How many buckets a table keeps, once it has them, until its root is cleaned: 16 KiB.
    const KEPT: u32 = 2048;

    /// How many buckets come or go at a time.
    const STEP: u32 = 16;

    /// How many entries are walked over without a pause, where a bucket has more.
    const STRIDE: u32 = 64;

    /// Sets up a table that is zeroed, with the buckets of the root.
    ///
    /// # Safety
    ///
    /// As for [`Buckets::init`].
    pub(crate) unsafe fn init(this: *mut Self, first: *mut Bucket<Entry>, count: u32) {
        // SAFETY: The field of an object that is valid for writes.
        let buckets = unsafe { &raw mut (*this).buckets };
        // SAFETY: By the requirements of this function.
        unsafe { Buckets::init(buckets, first, count) };
        // SAFETY: The field of a live object.
        unsafe { &(*this).grow_above }.store(Self::SMALL);
    }

    /// Locks the bucket for a hash.
    #[inline]
    pub(crate) fn lock(&self, hash: Hash) -> LockedBucket<'_> {
        self.buckets.lock(hash)
    }

    /// Passes over the buckets from this key on that are empty; none if there is nothing else.
    #[inline]
    pub(crate) fn skip_empty(&self, from: Key) -> Option<Key> {
        self.buckets.skip_empty(from)
    }

    /// Calls `f` with the entries that have this key or a greater one, in order, until it breaks
    /// off. An entry that is there all the time is met, exactly once; `f` is called with the lock of
    /// its bucket held.
    #[inline]
    pub(crate) fn walk<T>(
        &self,
        mut from: Key,
        mut f: impl FnMut(&Entry) -> ControlFlow<T>,
    ) -> Option<T> {
        loop {
            from = self.skip_empty(from)?;
            let bucket = self.lock(from.hash());
            let mut next = bucket.end(from);
            for (count, entry) in (0..).zip(bucket.iter_from(from)) {
                if count == Self::STRIDE {
                    next = Some(entry.key());
                    break;
                }
                if let ControlFlow::Break(found) = f(entry) {
                    return Some(found);
                }
            }
            from = next?;
        }
    }
}

/// Growing and shrinking.
impl Table {
    /// Are there more entries than the buckets are for?
    #[inline]
    pub(crate) fn is_crowded(&self, entries: u32) -> bool {
        entries > self.grow_above.load()
    }

    /// Are there far fewer entries than the buckets are for?
    #[inline]
    pub(crate) fn is_sparse(&self, entries: u32) -> bool {
        entries < self.shrink_below.load()
    }

    /// Makes more buckets for so many entries, if there is memory for them: some at a time.
    pub(crate) fn grow(&self, entries: u32, lock: &WriteGuard<'_>) {
        for _ in 0..Self::STEP {
            if self.buckets.grow(lock).is_err() {
                // Chains get longer. Do not ask again for every single entry.
                return self.grow_above.store(entries.saturating_add(Self::SMALL));
            }
        }
        self.adapt();
    }

    /// Takes away some buckets, if there are many; see [`Buckets::shrink`].
    ///
    /// A table of a size that is between these bounds stays as it is: four times as many entries as
    /// it shrinks at make it grow.
    pub(crate) fn shrink(&self, lock: &WriteGuard<'_>) -> Option<Unused> {
        let mut unused = None;
        for _ in 0..Self::STEP {
            if self.buckets.count() > Self::kept() {
                unused = self.buckets.shrink(lock).or(unused);
            }
        }
        self.adapt();
        unused
    }

    /// Gives up all buckets but those in the root. There is no entry.
    pub(crate) fn reset(&self, lock: &WriteGuard<'_>) {
        self.buckets.reset(lock);
        self.adapt();
    }

    /// See [`Self::KEPT`]; tests want to see tables shrink that are not large.
    #[inline]
    fn kept() -> u32 {
        #[cfg(CONFIG_KUNIT = "y")]
        if let Some(kept) = crate::fixture::Kept::instead() {
            return kept;
        }
        Self::KEPT
    }

    /// How many buckets there are.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn bucket_count(&self) -> u32 {
        self.buckets.count()
    }

    /// Works out the bounds for the buckets of now.
    fn adapt(&self) {
        let count = self.buckets.count();
        // Some buckets are not split yet, and have twice as many entries as others.
        self.grow_above.store((count / 4 * 3).max(Self::SMALL));
        self.shrink_below.store(match count > Self::kept() {
            true => count / 4,
            false => 0,
        });
    }
}
