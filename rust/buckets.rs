// SPDX-License-Identifier: GPL-2.0

//! The buckets of one kind: a linear hash that grows and shrinks by one bucket at a time.
//!
//! W. Litwin, "Linear hashing: a new tool for file and table addressing", 1980, with the order of
//! O. Shalev and N. Shavit, "Split-ordered lists: lock-free extensible hash tables", 2006.
//!
//! With 2^L buckets the lowest L bits of a hash are the number of its bucket. The next bucket,
//! number 2^L, takes from bucket 0 what has the next bit set, the one after it from bucket 1, and so
//! on, until there are twice as many. With six buckets:
//!
//! ```text
//!     hash, the lowest three bits   000   100   010   110   001   101   011   111
//!     bucket                         0     4     2     2     1     5     3     3
//! ```
//!
//! Hashes stand here in their order, that of their bits in reverse: the hashes of a bucket are a part
//! of it without a gap, however many buckets there are. So to split a bucket cuts its chain in two,
//! to merge two appends one to the other, and a key is an exact cursor all the time.
//!
//! Who wants the bucket for a hash works out its number, takes its lock, and looks again whether that
//! still is the one: a split or merge says how many buckets there are before it releases the locks of
//! both. [`crate::root`] says which lock protects what.

use crate::{
    bindings,
    bucket::{
        Bucket,
        Locked, //
    },
    entry::Entry,
    key::{
        Hash,
        Key, //
    },
    sync::{
        Once,
        PreemptGuard,
        WriteGuard, //
    }, //
};
use core::{
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};
use kernel::{
    alloc::{
        flags::{
            __GFP_NOWARN,
            __GFP_ZERO, //
            GFP_NOWAIT,
        },
        AllocError,
        Flags, //
    },
    prelude::*, //
};

/// log2 of the number of pointers in a [`Page`], 2 KiB of them.
///
/// It bounds what a single add has to clear, for a page may be allocated for it.
const PAGE_BITS: u32 = 8;

/// As many as pages can hold: chains get longer then.
const MOST: u32 = 1 << (3 * PAGE_BITS);

/// How memory for the table is asked for. Others may need what is locked to free memory: do not
/// wait for them.
///
/// Tests let it be refused; see [`fixture::Shortage`](crate::fixture::Shortage).
fn flags() -> Result<Flags, AllocError> {
    #[cfg(CONFIG_KUNIT = "y")]
    crate::fixture::Shortage::ask()?;
    Ok(GFP_NOWAIT | __GFP_NOWARN | __GFP_ZERO)
}

/// Memory for some of the buckets, or for pointers to such pages: zeroed at first.
#[repr(transparent)]
struct Page<T>([T; 1 << PAGE_BITS]);

/// Buckets.
type Leaf = Page<Bucket<Entry>>;
/// Pointers to leaves.
type Branch = Page<Once<*mut Leaf>>;
/// Pointers to branches.
type Trunk = Page<Once<*mut Branch>>;

impl<T> Page<T> {
    /// Allocates one.
    ///
    /// # Safety
    ///
    /// A `T` may be zero.
    unsafe fn new() -> Result<KBox<Self>, AllocError> {
        let page = KBox::new_uninit(flags()?)?;
        #[cfg(CONFIG_KUNIT = "y")]
        crate::fixture::pages::came();
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

/// Tests want to know whether all are given back.
#[cfg(CONFIG_KUNIT = "y")]
impl<T> Drop for Page<T> {
    fn drop(&mut self) {
        crate::fixture::pages::went();
    }
}

/// How many buckets there are, how many bits of a hash choose one, or one bit less, and how often
/// the number of buckets fell: 26, 6 and 32 bits.
///
/// Who looks twice and sees the same has missed no merge, and no bucket that is another one than
/// before.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Size(u64);

impl Size {
    const COUNT_BITS: u32 = 26;

    /// So many, of a table that has shrunk so often.
    fn new(count: u32, shrunk: u32) -> Self {
        let bits = u32::BITS.wrapping_sub(count.wrapping_sub(1).leading_zeros());
        Self(u64::from(shrunk) << 32 | u64::from(bits) << Self::COUNT_BITS | u64::from(count))
    }

    /// The number of buckets.
    #[inline]
    fn count(self) -> u32 {
        self.0 as u32 & ((1 << Self::COUNT_BITS) - 1)
    }

    /// The number of bits that choose one of the buckets, or one bit more than that.
    #[inline]
    fn bits(self) -> u32 {
        self.0 as u32 >> Self::COUNT_BITS
    }

    /// How often it fell.
    #[inline]
    fn shrunk(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// More buckets.
    fn grow(self, count: u32) -> Self {
        Self::new(count, self.shrunk())
    }

    /// Fewer buckets.
    fn shrink(self, count: u32) -> Self {
        Self::new(count, self.shrunk().wrapping_add(1))
    }

    /// The bucket for a hash.
    #[inline]
    fn index(self, hash: Hash) -> u32 {
        let rest = u32::MAX.wrapping_shl(self.bits());
        let index = hash.bits() & !rest;
        match index < self.count() {
            true => index,
            // It has not been split off yet.
            false => hash.bits() & !(rest >> 1 | rest),
        }
    }

    /// The greatest rank of a hash that is for the same bucket.
    fn last_rank(self, hash: Hash) -> u32 {
        let half = 1u32.wrapping_shl(self.bits().wrapping_sub(1));
        let lower = self.index(hash) & half.wrapping_sub(1);
        let is_split = lower.wrapping_add(half) < self.count();
        let bits = self.bits().wrapping_sub(u32::from(!is_split));
        hash.rank() | u32::MAX.checked_shr(bits).unwrap_or(0)
    }

    /// Where the keys of the next bucket begin, if there is one; the hash is for this.
    fn next(self, hash: Hash) -> Option<Key> {
        let rank = self.last_rank(hash).checked_add(1)?;
        Some(Key::from_cursor(u64::from(rank) << 32))
    }
}

/// The bucket that the last one was split from, or is to be merged with, and the bit of a hash that
/// makes the difference.
#[inline]
fn parent(last: u32) -> (u32, u32) {
    let bit = 1u32.wrapping_shl(last.checked_ilog2().unwrap_or(0));
    (last ^ bit, bit)
}

/// The buckets of one kind.
///
/// # Invariants
///
/// - `size` says how many there are. The first `first_count` of them are at `first`, and live as long
///   as this. The others are in leaves, which `trunk` leads to through branches.
/// - A pointer to a leaf without a bucket in use means nothing, and is not followed. Such a leaf is
///   freed after a grace period.
/// - An entry is in the bucket that `size` says for its hash, and no other.
#[repr(C)]
pub(crate) struct Buckets {
    size: Once<u64>,
    first: *mut Bucket<Entry>,
    first_count: u32,
    trunk: Once<*mut Trunk>,
}

/// The bucket for a hash, locked.
pub(crate) struct LockedBucket<'a> {
    bucket: Locked<'a, Entry>,
    buckets: &'a Buckets,
}

impl<'a> Deref for LockedBucket<'a> {
    type Target = Locked<'a, Entry>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.bucket
    }
}

impl DerefMut for LockedBucket<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.bucket
    }
}

impl LockedBucket<'_> {
    /// Where the keys of the next bucket begin, if there is one; `key` is one of this.
    #[inline]
    pub(crate) fn end(&self, key: Key) -> Option<Key> {
        // As long as the bucket is locked, nobody changes which hashes are for it.
        self.buckets.size().next(key.hash())
    }
}

impl Buckets {
    /// Sets up what is zeroed.
    ///
    /// # Safety
    ///
    /// `this` is valid for writes and new. There are `count` empty buckets at `first`, which live as
    /// long as it; `count` is a power of two.
    pub(crate) unsafe fn init(this: *mut Self, first: *mut Bucket<Entry>, count: u32) {
        // SAFETY: By the requirements of this function.
        // INVARIANT: These are all there are.
        unsafe {
            this.write(Self {
                size: Once::new(Size::new(count, 0).0),
                first,
                first_count: count,
                trunk: Once::new(core::ptr::null_mut()),
            })
        };
    }

    /// How many buckets there are.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        self.size().count()
    }

    /// The size of now.
    #[inline]
    fn size(&self) -> Size {
        Size(self.size.load())
    }

    /// Where a bucket is.
    ///
    /// # Safety
    ///
    /// There is one of that number, or there was when the guard was made.
    #[inline]
    unsafe fn at(&self, index: u32, _guard: &PreemptGuard) -> NonNull<Bucket<Entry>> {
        let bucket = if index < self.first_count {
            self.first.wrapping_add(index as usize)
        } else {
            let branch = Page::at(self.trunk.load(), index >> (2 * PAGE_BITS));
            // SAFETY: By the type invariant there is a branch for this bucket.
            let branch = unsafe { &*branch }.load();
            // SAFETY: As above, a leaf, which stays for the time of the guard.
            let leaf = unsafe { &*Page::at(branch, index >> PAGE_BITS) }.load();
            Page::at(leaf, index)
        };
        // SAFETY: A bucket is there, so this is not NULL.
        unsafe { NonNull::new_unchecked(bucket) }
    }

    /// Locks the bucket for a hash.
    #[inline(always)]
    pub(crate) fn lock(&self, hash: Hash) -> LockedBucket<'_> {
        match self.try_lock(hash) {
            Some(bucket) => bucket,
            None => self.lock_slowly(hash),
        }
    }

    /// Locks the bucket for a hash; none if the number of buckets has changed meanwhile.
    #[inline(always)]
    fn try_lock(&self, hash: Hash) -> Option<LockedBucket<'_>> {
        let guard = PreemptGuard::new();
        let size = Size(self.size.load_acquire());
        // SAFETY: It is there by the type invariant.
        let bucket = unsafe { self.at(size.index(hash), &guard) };
        // SAFETY: It stays while the guard lives.
        let bucket = unsafe { Bucket::lock(bucket, guard) };
        // Whoever splits or merges this one has said so before it was unlocked.
        (self.size() == size).then_some(LockedBucket {
            bucket,
            buckets: self,
        })
    }

    /// The part of [`Self::lock`] for a table that grows or shrinks.
    #[cold]
    #[inline(never)]
    fn lock_slowly(&self, hash: Hash) -> LockedBucket<'_> {
        loop {
            if let Some(bucket) = self.try_lock(hash) {
                return bucket;
            }
        }
    }

    /// Passes over the buckets from this key on that are empty.
    #[inline]
    pub(crate) fn skip_empty(&self, mut from: Key) -> Option<Key> {
        let guard = PreemptGuard::new();
        loop {
            let size = Size(self.size.load_acquire());
            // SAFETY: It is there by the type invariant.
            let bucket = unsafe { self.at(size.index(from.hash()), &guard) };
            // SAFETY: It stays while the guard lives.
            if !unsafe { bucket.as_ref() }.is_idle() {
                return Some(from);
            }
            // Who had it locked before has said so, see `lock`.
            if self.size() == size {
                from = size.next(from.hash())?;
            }
        }
    }
}

/// Growing and shrinking.
impl Buckets {
    /// Adds a bucket: splits the next one.
    ///
    /// # Errors
    ///
    /// There is no memory, or there are as many as can be.
    pub(crate) fn grow(&self, _lock: &WriteGuard<'_>) -> Result<(), AllocError> {
        let size = self.size();
        let new = size.count();
        self.provide(new)?;
        let (old, bit) = parent(new);
        // SAFETY: The old one is there, and memory for the new one was provided.
        let (mut lower, mut upper) = unsafe { self.lock_both(old, new) };
        // SAFETY: The chain is sorted: those with the bit stand last. The new bucket is empty.
        unsafe { lower.split(&mut upper, |entry| entry.key().hash().bits() & bit != 0) };
        // INVARIANT: They are where the new size says.
        self.size.store_release(size.grow(new.wrapping_add(1)).0);
        drop(upper);
        drop(lower);
        Ok(())
    }

    /// Locks two buckets, the lower one first.
    ///
    /// # Safety
    ///
    /// There is memory for both, and it stays until they are unlocked.
    unsafe fn lock_both(&self, lower: u32, upper: u32) -> (Locked<'_, Entry>, Locked<'_, Entry>) {
        let guard = PreemptGuard::new();
        // SAFETY: By the requirement of this function.
        let lower = unsafe { self.at(lower, &guard) };
        // SAFETY: By the requirement of this function.
        let upper = unsafe { self.at(upper, &guard) };
        // SAFETY: By the requirement of this function.
        let lower = unsafe { Bucket::lock(lower, guard) };
        // SAFETY: By the requirement of this function.
        let upper = unsafe { Bucket::lock_upper(upper, PreemptGuard::new()) };
        (lower, upper)
    }

    /// Provides memory for a new bucket.
    ///
    /// One that looks for a bucket that there was before the table shrank may find the new memory: it
    /// is stored with release, so that it is seen to be zeroed.
    fn provide(&self, new: u32) -> Result<(), AllocError> {
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
            // SAFETY: As above.
            let trunk = KBox::into_raw(unsafe { Trunk::new() }?);
            // SAFETY: It is new.
            unsafe { &*Page::at(trunk, new >> (2 * PAGE_BITS)) }
                .store_release(KBox::into_raw(branch));
            // INVARIANT: Whatever was there before is not needed: all buckets are at `first`.
            self.trunk.store_release(trunk);
        }
        // SAFETY: The trunk is there.
        let branch = unsafe { &*Page::at(self.trunk.load(), new >> (2 * PAGE_BITS)) };
        if branch.load().is_null() {
            // SAFETY: Zero is no pointer.
            branch.store_release(KBox::into_raw(unsafe { Branch::new() }?));
        }
        // SAFETY: The branch is there.
        let place = unsafe { &*Page::at(branch.load(), new >> PAGE_BITS) };
        // INVARIANT: Whatever was there before was for buckets that are gone.
        place.store_release(KBox::into_raw(leaf));
        Ok(())
    }

    /// Takes a bucket away: merges the last one with the one that it was split from. Returns memory
    /// that is not needed any more.
    ///
    /// The first buckets and one more stay: only [`Self::reset`] gives up the trunk.
    pub(crate) fn shrink(&self, _lock: &WriteGuard<'_>) -> Option<Unused> {
        let size = self.size();
        let last = size.count().wrapping_sub(1);
        if last <= self.first_count {
            return None;
        }
        let (old, _) = parent(last);
        // The memory of the last one goes when it is said to be free.
        let guard = PreemptGuard::new();
        // SAFETY: Both are there.
        let (mut lower, mut upper) = unsafe { self.lock_both(old, last) };
        // SAFETY: Those in the upper one have the bit that those in the lower one have not.
        unsafe { lower.merge(&mut upper) };
        // INVARIANT: They are where the new size says.
        self.size.store_release(size.shrink(last).0);
        drop(upper);
        drop(lower);
        if last % (1 << PAGE_BITS) != 0 {
            return None;
        }
        // SAFETY: The guard was made when the bucket was there.
        let bucket = unsafe { self.at(last, &guard) };
        // It was the last one in use of its leaf, and the first one in there.
        Some(Unused(bucket.cast()))
    }

    /// Gives up all buckets but the first ones. All of them are empty.
    pub(crate) fn reset(&self, _lock: &WriteGuard<'_>) {
        let size = self.size();
        // INVARIANT: No entry is anywhere.
        self.size.store_release(size.shrink(self.first_count).0);
        self.each_page(size.count(), |page| drop(Unused(page)));
    }

    /// Calls `f` with all pages for so many buckets; those for others are not needed after it.
    fn each_page(&self, count: u32, mut f: impl FnMut(NonNull<Leaf>)) {
        if count <= self.first_count {
            return;
        }
        let leaves = count.div_ceil(1 << PAGE_BITS);
        let trunk = self.trunk.load();
        for leaf in 0..leaves {
            // SAFETY: There are buckets for which it is there.
            let branch = unsafe { &*Page::at(trunk, leaf >> PAGE_BITS) }.load();
            // SAFETY: As above.
            let page = unsafe { &*Page::at(branch, leaf) }.load();
            NonNull::new(page).map(&mut f);
        }
        for index in 0..1 << PAGE_BITS {
            // SAFETY: The trunk is there.
            let branch = unsafe { &*Page::at(trunk, index) }.load();
            NonNull::new(branch.cast()).map(&mut f);
        }
        NonNull::new(trunk.cast()).map(&mut f);
    }
}

/// A page that nobody finds any more, although some may have found it: it is freed after they have
/// left. To drop it may sleep.
pub(crate) struct Unused(NonNull<Leaf>);

impl Drop for Unused {
    fn drop(&mut self) {
        #[cfg(CONFIG_KUNIT = "y")]
        crate::fixture::pages::went();
        // SAFETY: It comes from a `KBox`, and nobody finds it any more.
        unsafe { bindings::restrack_helper_kvfree_rcu(self.0.as_ptr().cast()) };
    }
}

impl Drop for Buckets {
    fn drop(&mut self) {
        self.each_page(self.count(), |page| {
            // SAFETY: All pages are of one size, come from a `KBox`, and nobody uses them.
            drop(unsafe { KBox::from_raw(page.as_ptr()) });
        });
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

    /// How many buckets a table has at first.
    const FEW: u32 = 16;

    /// A hash by its rank.
    fn hash(rank: u32) -> Hash {
        Key::from_cursor(u64::from(rank) << 32).hash()
    }

    /// Hashes from all over their order, and those at its ends.
    fn hashes() -> impl Iterator<Item = Hash> {
        let ends = [0, 1, u32::MAX / 2, u32::MAX / 2 + 1, u32::MAX - 1, u32::MAX];
        // An odd factor that scatters the rest.
        (0..200u32).map(move |number| {
            let scattered = number.wrapping_mul(bindings::GOLDEN_RATIO_32);
            hash(ends.get(number as usize).copied().unwrap_or(scattered))
        })
    }

    /// Are the parts of the order that belong to so many buckets one after the other, from its
    /// first hash to its last, and one for each bucket?
    fn is_partition(size: Size, met: &mut [bool]) -> bool {
        met.fill(false);
        let (mut begin, mut parts) = (Some(Key::FIRST), 0);
        while let Some(key) = begin {
            let (first, index) = (key.hash(), size.index(key.hash()));
            let last = size.last_rank(first);
            let middle = first.rank() + (last - first.rank()) / 2;
            let of_one = [middle, last].map(hash).iter().all(|hash| {
                size.index(*hash) == index
                    && size.last_rank(*hash) == last
                    && size.next(*hash) == size.next(first)
            });
            match met.get_mut(index as usize) {
                Some(met) if of_one && index < size.count() && !*met => *met = true,
                _ => return false,
            }
            parts += 1;
            begin = size.next(first);
            if begin.is_some_and(|next| next.into_cursor() != (u64::from(last) + 1) << 32) {
                return false;
            }
            if begin.is_none() && last != u32::MAX {
                return false;
            }
        }
        parts == size.count()
    }

    #[test]
    fn the_order_of_hashes_is_cut_into_one_part_for_each_bucket() -> Result {
        let mut met = KVVec::from_elem(false, 5000, GFP_KERNEL)?;
        for count in FEW..5000 {
            if count < 300 || count % 47 == 0 || (count + 1) % 256 < 3 {
                assert!(is_partition(Size::new(count, 0), &mut met));
            }
        }
        Ok(())
    }

    #[test]
    fn every_hash_has_a_bucket() {
        for count in [FEW..3000, 65_535..65_538, MOST - 1..MOST + 1]
            .into_iter()
            .flatten()
        {
            let size = Size::new(count, u32::MAX);
            let right = size.count() == count
                && size.shrunk() == u32::MAX
                && hashes().all(|hash| {
                    let (index, last) = (size.index(hash), size.last_rank(hash));
                    index < count
                        // What is left of the bits is the number, or that and the next bit.
                        && (hash.bits() ^ index).trailing_zeros() + 1 >= size.bits()
                        && last >= hash.rank()
                        && size.next(hash).map_or(last == u32::MAX, |next| {
                            next.hash().rank() == last + 1 && size.index(next.hash()) != index
                        })
                });
            assert!(right);
        }
    }

    /// What one more bucket changes, and that it is undone where that goes.
    #[test]
    fn a_split_moves_what_has_the_bit_and_nothing_else() {
        for new in [FEW..3000, 65_535..65_538, MOST - 2..MOST]
            .into_iter()
            .flatten()
        {
            let (old, bit) = parent(new);
            let before = Size::new(new, 7);
            let after = before.grow(new + 1);
            let back = after.shrink(new);
            let right = old < new
                && new == old | bit
                && after.count() == new + 1
                && after.shrunk() == 7
                && back.count() == new
                && back.shrunk() == 8
                && back != before
                && hashes().all(|hash| {
                    let goes = before.index(hash) == old && hash.bits() & bit != 0;
                    let index = if goes { new } else { before.index(hash) };
                    after.index(hash) == index
                        && back.index(hash) == before.index(hash)
                        && back.next(hash) == before.next(hash)
                })
                && is_cut(before, after, new);
            assert!(right);
        }
    }

    /// Is the upper part of what the lower bucket had that of the new one?
    fn is_cut(before: Size, after: Size, new: u32) -> bool {
        let (old, bit) = parent(new);
        // The first of the hashes of each: no other bits but those of its number.
        let (lower, upper) = (hash(old.reverse_bits()), hash(new.reverse_bits()));
        lower.bits() == old
            && upper.bits() == old | bit
            && after.next(lower).is_some_and(|next| next.hash() == upper)
            && after.next(upper) == before.next(lower)
            && before.next(upper) == before.next(lower)
    }

    #[test]
    fn how_often_a_table_shrank_wraps() {
        let size = Size::new(FEW + 1, u32::MAX);
        let shrunk = size.shrink(FEW);
        assert!((shrunk.count(), shrunk.shrunk()) == (FEW, 0));
        assert!(size.grow(FEW + 2).shrunk() == u32::MAX);
    }

    /// Some buckets of which some are used, shared by two threads.
    struct Shared {
        buckets: Buckets,
        first: KBox<[Bucket<Entry>; 2 * FEW as usize]>,
        meeting: Meeting,
    }

    // SAFETY: What the pointers lead to goes with it.
    unsafe impl Send for Shared {}

    // SAFETY: As a root, it may be used from any thread.
    unsafe impl Sync for Shared {}

    impl Shared {
        fn new() -> Result<Arc<Self>> {
            let first = [const { Bucket::new() }; 2 * FEW as usize];
            let mut first = KBox::new(first, GFP_KERNEL)?;
            let buckets = Buckets {
                size: Once::new(Size::new(FEW, 0).0),
                first: first.as_mut_ptr(),
                first_count: 2 * FEW,
                trunk: Once::new(core::ptr::null_mut()),
            };
            let shared = Self {
                buckets,
                first,
                meeting: Meeting::new(),
            };
            Ok(Arc::new(shared, GFP_KERNEL)?)
        }

        /// Is nobody in this bucket?
        fn is_idle(&self, index: u32) -> bool {
            self.first
                .get(index as usize)
                .is_some_and(|bucket| bucket.is_idle())
        }
    }

    /// While one waits for a lock, the bucket that it is for is split.
    #[test]
    fn who_waited_for_a_lock_has_that_of_the_right_bucket() -> Result {
        for _ in 0..20 {
            let shared = Shared::new()?;
            let (lower, upper) = (hash(0), hash(FEW.reverse_bits()));
            assert!(shared.buckets.size().index(upper) == 0);
            let other = shared.clone();
            let waits = Elsewhere::start(move || {
                other.meeting.attend();
                let _place = other.buckets.lock(upper);
                other.is_idle(0) && !other.is_idle(FEW)
            })?;
            shared.meeting.expect();
            let place = shared.buckets.lock(lower);
            shared.meeting.attend();
            fixture::dawdle();
            let size = shared.buckets.size();
            shared.buckets.size.store_release(size.grow(FEW + 1).0);
            drop(place);
            assert!(waits.end()?);
            assert!(shared.is_idle(0) && shared.is_idle(FEW));
        }
        Ok(())
    }

    /// A leaf that somebody else has found, and looks at for a while.
    struct Found {
        leaf: *mut u64,
        meeting: Meeting,
    }

    // SAFETY: The pointer is to memory that has no owner.
    unsafe impl Send for Found {}

    // SAFETY: As above.
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
