// SPDX-License-Identifier: GPL-2.0

//! All tracked objects of a device: a [table](crate::table) for each type.
//!
//! The first buckets of each table are in the root, so adding an entry needs no memory, and cannot
//! fail.
//!
//! # Locking
//!
//! | what | is protected by |
//! | --- | --- |
//! | the chain of a bucket, the place of an entry in it, restoring an entry | the lock of the bucket |
//! | the number of buckets | read: nothing, but it is read again with the bucket locked; written: `rwsem`, and the locks of the two buckets that are split or merged |
//! | the memory of buckets | RCU: preemption is disabled from the search for a bucket to its unlock |
//! | counts, numbers, the state and references of an entry | they are atomic |
//!
//! The order is: `rwsem`, a bucket, a bucket with a greater number of the same table.
//!
//! - The lock of a bucket is a spinlock, on PREEMPT_RT too. It is held for some dozen instructions,
//!   and nothing that can wait is called meanwhile. What can be done without it is: counting with it
//!   held, in a cache line that other processors write, cost threads a third of their throughput.
//! - `rwsem` is held for writing to grow, shrink or clean. Only `clean` waits for it. An add or a
//!   deletion that finds it taken leaves the size of the table to a later one.
//! - No add sleeps for another one, and a walk keeps nobody out: it has one bucket at a time.
//! - An `rcu_read_lock()` is not needed: disabling preemption, as a spinlock does, is one, too.

use crate::{
    bindings,
    bucket::Bucket,
    counts::{
        Counts,
        Ticket, //
    },
    entry::{
        Entry,
        State,
        Updater, //
    },
    key::Key,
    kind::Kind,
    sync::{
        RwSemaphore,
        WriteGuard, //
    },
    table::{
        LockedBucket,
        Resizable,
        Table, //
    }, //
};
use core::mem::{
    offset_of,
    MaybeUninit, //
};
use kernel::{
    pid_namespace::PidNamespace,
    prelude::*,
    sync::aref::ARef, //
};

/// log2 of the number of types, rounded up.
const KIND_BITS: u32 = 4;

/// log2 of the number of buckets that a type has in the root.
const BUCKET_BITS: u32 = bindings::RDMA_RESTRACK_HASH_BITS - KIND_BITS;

/// The buckets that a type has in the root.
type FirstBuckets = [Bucket<Entry>; 1 << BUCKET_BITS];

/// `struct rdma_restrack_root`: all tracked objects of one device.
///
/// # Invariants
///
/// - The root is initialised and does not move.
/// - The buckets of a kind hold live entries of that kind.
#[repr(C)]
pub(crate) struct Root {
    rwsem: RwSemaphore,
    hash: [FirstBuckets; 1 << KIND_BITS],
    table: [Table; Kind::COUNT],
    apart: [u64; 8],
    counts: [Counts; Kind::COUNT],
}

// SAFETY: All fields may be zero: that is a root that C allocated and that is not initialised yet.
#[cfg(CONFIG_KUNIT = "y")]
unsafe impl pin_init::Zeroable for Root {}

const _: () = {
    use bindings::rdma_restrack_root as C;
    assert!(size_of::<Root>() == size_of::<C>());
    assert!(align_of::<Root>() == align_of::<C>());
    assert!(offset_of!(Root, rwsem) == offset_of!(C, rwsem));
    assert!(offset_of!(Root, hash) == offset_of!(C, hash));
    assert!(offset_of!(Root, table) == offset_of!(C, opaque));
    assert!(Kind::COUNT <= 1 << KIND_BITS);
    // Only `clean` takes a table back to its first buckets.
    assert!(Table::KEPT > 1 << BUCKET_BITS);
};

impl Root {
    /// Initialises the root at `this`.
    ///
    /// # Safety
    ///
    /// `this` is zeroed, valid for writes and pinned from now on, and nobody uses it yet.
    pub(crate) unsafe fn init(this: *mut Self) {
        // SAFETY: The field of a valid object.
        let rwsem = unsafe { &raw mut (*this).rwsem };
        // SAFETY: By the requirements of this function.
        // INVARIANT: The rest of the root is zero: empty buckets, nothing counted.
        unsafe { RwSemaphore::init(rwsem) };
        // SAFETY: By the requirements of this function; zeroed, the rest is valid.
        let root = unsafe { &mut *this };
        for (table, buckets) in root.table.iter_mut().zip(&mut root.hash) {
            // SAFETY: The table is new, and the buckets live as long, as both are in the root.
            unsafe { Table::init(table, buckets.as_mut_ptr(), 1 << BUCKET_BITS) };
        }
    }

    /// The table of a kind.
    #[inline]
    fn table(&self, kind: Kind) -> &Table {
        // There is one for each kind, so the compiler drops the check.
        match self.table.get(kind as usize) {
            Some(table) => table,
            None => &self.table[0],
        }
    }

    /// How many buckets there are for a kind.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn bucket_count(&self, kind: Kind) -> u32 {
        self.table(kind).bucket_count()
    }

    /// What is counted for a kind.
    #[inline]
    fn counts(&self, kind: Kind) -> &Counts {
        // There is one for each kind, so the compiler drops the check.
        match self.counts.get(kind as usize) {
            Some(counts) => counts,
            None => &self.counts[0],
        }
    }
}

/// A root whose `rwsem` is held for writing, so nobody else resizes its tables.
///
/// # Invariants
///
/// `_rwsem` is the guard of the `rwsem` in `root`.
struct ResizeGuard<'a> {
    root: &'a Root,
    _rwsem: WriteGuard<'a>,
}

impl<'a> ResizeGuard<'a> {
    /// Waits until nobody else resizes a table of the root. Sleeps.
    fn lock(root: &'a Root) -> Self {
        let rwsem = root.rwsem.write();
        // INVARIANT: It is the guard of the same root.
        Self {
            root,
            _rwsem: rwsem,
        }
    }

    /// Takes the lock if nobody else has it.
    fn try_lock(root: &'a Root) -> Option<Self> {
        let rwsem = root.rwsem.try_write()?;
        // INVARIANT: It is the guard of the same root.
        Some(Self {
            root,
            _rwsem: rwsem,
        })
    }

    /// The table of a kind.
    fn table(&self, kind: Kind) -> Resizable<'_> {
        // SAFETY: It is in the root whose `rwsem` is held while this is borrowed.
        unsafe { self.root.table(kind).resizable() }
    }
}

/// Adding entries.
impl Root {
    /// Adds an entry with a given number, which others may have too, and says whether it has driver
    /// details. Lookups find it at once.
    ///
    /// # Safety
    ///
    /// The entry is in no table, and its kind is `kind`. It is neither moved nor freed until it is
    /// removed or the root is cleaned.
    #[inline]
    pub(crate) unsafe fn add_as(&self, kind: Kind, entry: Updater<'_>, id: u32, details: bool) {
        let (table, counts) = (self.table(kind), self.counts(kind));
        let key = Key::new(id, counts.ticket(1).serial());
        // SAFETY: It is linked in this root below.
        unsafe { entry.mark_linked(self.as_raw(), id, key, details) };
        let mut bucket = table.lock(key.hash());
        // SAFETY: By the requirement of this function, and this is the bucket for its hash.
        unsafe { bucket.insert(&entry) };
        drop(bucket);
        self.make_room(kind, table, counts.inc(details));
    }

    /// Adds an entry with the next number that no entry of its kind has. Lookups find it at once.
    ///
    /// # Safety
    ///
    /// As for [`Self::add_as`].
    #[inline]
    pub(crate) unsafe fn add(&self, kind: Kind, entry: Updater<'_>) {
        let (table, counts) = (self.table(kind), self.counts(kind));
        let (mut ticket, mut tried) = (counts.ticket(1), 0u32);
        loop {
            let key = Key::new(ticket.id(), ticket.wraps());
            // SAFETY: It is linked in this root below, if not this time then later.
            unsafe { entry.mark_linked(self.as_raw(), ticket.id(), key, false) };
            let mut bucket = table.lock(key.hash());
            if let Some(point) = bucket.insertion_point(key.hash()) {
                // SAFETY: By the requirement of this function, and this is the bucket for its hash.
                unsafe { point.insert(&entry) };
                drop(bucket);
                return self.make_room(kind, table, counts.inc(false));
            }
            drop(bucket);
            tried = tried.saturating_add(1);
            ticket = Self::later_ticket(counts, tried);
        }
    }

    /// Another ticket, after so many whose numbers were in use. A long row of such numbers is passed
    /// over in growing steps.
    #[cold]
    fn later_ticket(counts: &Counts, tried: u32) -> Ticket {
        /// How many steps go to the next number.
        const SINGLE: u32 = 8;
        /// log2 of the longest step.
        const LONGEST: u32 = 16;
        counts.ticket(1u32.wrapping_shl(tried.saturating_sub(SINGLE).min(LONGEST)))
    }

    /// The root as an entry refers to it.
    #[inline]
    fn as_raw(&self) -> *mut bindings::rdma_restrack_root {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// Updates the counts for an entry that was unlinked. Returns the number of entries left.
    #[inline]
    fn uncount(&self, kind: Kind, entry: &Entry) -> u32 {
        let counts = self.counts(kind);
        match entry.state() {
            // Its deletion has begun, and it is not counted since then.
            State::Dying => counts.touch(),
            _ => counts.dec(entry.has_details()),
        }
    }

    /// Grows a table that has too many entries for its buckets.
    #[inline]
    fn make_room(&self, kind: Kind, table: &Table, entries: u32) {
        if table.is_crowded(entries) {
            self.grow(kind, entries);
        }
    }

    /// The part of [`Self::make_room`] that grows a table, unless somebody else resizes one.
    #[cold]
    fn grow(&self, kind: Kind, entries: u32) {
        if let Some(lock) = ResizeGuard::try_lock(self) {
            if self.table(kind).is_crowded(entries) {
                lock.table(kind).grow(entries);
            }
        }
    }

    /// Shrinks a table, unless somebody else resizes one.
    #[cold]
    fn shrink(&self, kind: Kind) {
        if let Some(lock) = ResizeGuard::try_lock(self) {
            let unused = lock.table(kind).shrink();
            drop(lock);
            // This may sleep.
            drop(unused);
        }
    }

    /// Reports and unlinks all entries, and makes them invalid. Frees the memory of the tables.
    ///
    /// Nothing else may run on the root. A deletion that does so all the same waits for the lock of
    /// the entry's bucket, or finds the entry unlinked, which is then not touched here any more.
    pub(crate) fn clean(&self) -> Leaked {
        let lock = ResizeGuard::lock(self);
        let mut leaked = Leaked::default();
        for kind in Kind::ALL {
            let mut walk = self.table(kind).walk(Key::FIRST);
            while let Some(mut bucket) = walk.next_bucket() {
                // SAFETY: The entry becomes an orphan.
                let Some(entry) = (unsafe { bucket.pop_first() }) else {
                    continue;
                };
                leaked.first.get_or_insert((kind, entry.id()));
                leaked.count = leaked.count.saturating_add(1);
                pr_err!(
                    "leaked: {} {}, owned by {}, {} s old\n",
                    kind.name(),
                    entry.id(),
                    entry.owner(),
                    entry.age(),
                );
                self.uncount(kind, entry);
                // SAFETY: It was unlinked, the bucket is still locked, and the entry is not used any
                // more.
                unsafe { entry.orphan() };
            }
            lock.table(kind).reset();
        }
        leaked
    }
}

/// The entries that were left in a root.
#[derive(Default)]
pub(crate) struct Leaked {
    /// The kind and number of the first.
    pub(crate) first: Option<(Kind, u32)>,
    /// How many there were.
    pub(crate) count: usize,
}

/// An entry that is in a table, for its updater.
///
/// # Invariants
///
/// The entry was linked in the table of `kind` in `root`. It is there still, unless the root was
/// cleaned.
pub(crate) struct TableEntry<'a> {
    root: &'a Root,
    kind: Kind,
    entry: &'a Updater<'a>,
}

impl<'a> TableEntry<'a> {
    /// An entry in its table. Returns `None` if it is in no table.
    #[inline]
    pub(crate) fn of(entry: &'a Updater<'a>) -> Option<Self> {
        // SAFETY: NULL, or by the invariant of `Entry` the root that it is in, which stays as long
        // as it has entries.
        let root = unsafe { entry.root().cast::<Root>().as_ref() }?;
        let kind = entry.kind()?;
        // INVARIANT: It was linked there.
        Some(Self { root, kind, entry })
    }

    #[inline]
    fn table(&self) -> &'a Table {
        self.root.table(self.kind)
    }

    #[inline]
    fn counts(&self) -> &'a Counts {
        self.root.counts(self.kind)
    }

    /// Returns true if the root was cleaned. To be called with the bucket locked.
    #[inline]
    fn is_orphan(&self) -> bool {
        self.entry.root().is_null()
    }

    /// Unlinks the entry.
    #[inline]
    pub(crate) fn remove(self) {
        let mut bucket = self.table().lock(self.entry.key().hash());
        if self.is_orphan() {
            return;
        }
        // SAFETY: It is in this bucket, by the type invariant.
        unsafe { bucket.remove(self.entry) };
        // SAFETY: It was unlinked.
        unsafe { self.entry.mark_unlinked() };
        drop(bucket);
        let left = self.root.uncount(self.kind, self.entry);
        if self.table().is_sparse(left) {
            self.root.shrink(self.kind);
        }
    }

    /// Puts another entry in the place of this one, which is dying. The other one
    /// [takes over](Updater::take_over) what it was.
    ///
    /// # Safety
    ///
    /// This one was drained. `new` is in no table, and is neither moved nor freed until it is removed
    /// or replaced, or the root is cleaned.
    pub(crate) unsafe fn replace(self, new: &Updater<'_>) {
        let mut bucket = self.table().lock(self.entry.key().hash());
        // SAFETY: This one was drained, and the new one is in no table.
        unsafe { new.take_over(self.entry) };
        if self.is_orphan() {
            return;
        }
        let old = self.entry;
        // SAFETY: It is linked in this root below.
        unsafe { new.mark_linked(self.root.as_raw(), old.id(), old.key(), old.has_details()) };
        // SAFETY: The old one is in this bucket, by the type invariant; the new one is in none.
        unsafe { bucket.replace(old, new) };
        // SAFETY: It was unlinked.
        unsafe { old.mark_unlinked() };
    }

    /// Takes the entry out of the counts, although it stays in the table. Takes no lock.
    /// [`Updater::drain`] makes it unreachable.
    #[inline]
    pub(crate) fn count_as_dying(&self) {
        self.counts().dec(self.entry.has_details());
    }

    /// Makes a dying entry reachable again.
    ///
    /// # Safety
    ///
    /// It was drained, and was not restored since.
    pub(crate) unsafe fn restore(&self) {
        // SAFETY: By the requirement of this function.
        unsafe { self.restore_locked() };
        self.counts().inc(self.entry.has_details());
        self.counts().inc_restores();
    }

    /// Drains the entry and makes it reachable again. A walk may pass it meanwhile, so both change
    /// the generation.
    ///
    /// # Safety
    ///
    /// The entry is tracked.
    pub(crate) unsafe fn sync(&self) {
        self.counts().touch();
        // SAFETY: By the requirement of this function.
        unsafe { self.entry.drain(State::Syncing) };
        // SAFETY: It was drained.
        unsafe { self.restore_locked() };
        self.counts().touch();
    }

    /// Restores the entry with its bucket locked.
    ///
    /// # Safety
    ///
    /// As for [`Self::restore`].
    unsafe fn restore_locked(&self) {
        let bucket = self.table().lock(self.entry.key().hash());
        // SAFETY: By the requirement of this function.
        unsafe { self.entry.restore() };
        drop(bucket);
    }
}

/// Returns true if a walk meets the entry, with or without those that have driver details.
#[inline]
fn is_met(entry: &Entry, details: bool) -> bool {
    details || !entry.has_details()
}

/// Looking at the table.
impl Root {
    /// How many objects there are, with or without those that have driver details. Takes no lock.
    #[inline]
    pub(crate) fn count(&self, kind: Kind, details: bool) -> i32 {
        self.counts(kind).count(details)
    }

    /// How many of the objects have an owner that is seen from a PID namespace.
    pub(crate) fn count_in(&self, kind: Kind, ns: &PidNamespace, details: bool) -> i32 {
        let is_counted = |entry: &&Entry| {
            is_met(entry, details)
                && entry.state() == State::Tracked
                && entry.owner().is_seen_from(ns)
        };
        let mut count = 0i32;
        let mut walk = self.table(kind).walk(Key::FIRST);
        while let Some(mut bucket) = walk.next_bucket() {
            for _ in bucket.entries().filter(is_counted) {
                count = count.saturating_add(1);
            }
        }
        count
    }

    /// A number that has changed whenever an entry has come or gone, or was out of sight for the time
    /// of a sync; never zero.
    #[inline]
    pub(crate) fn generation(&self, kind: Kind) -> u32 {
        self.counts(kind).generation()
    }

    /// Finds an object by its number and takes a reference to its entry.
    #[inline]
    pub(crate) fn get(&self, kind: Kind, id: u32) -> Option<ARef<Entry>> {
        let key = Key::new(id, 0);
        let bucket = self.table(kind).lock(key.hash());
        let first = bucket.find(key.hash())?;
        first.find().or_else(|| Self::get_sibling(&bucket, key))
    }

    /// Finds one of several objects with one number.
    #[cold]
    fn get_sibling(bucket: &LockedBucket<'_>, key: Key) -> Option<ARef<Entry>> {
        bucket
            .iter_from(key)
            .take_while(|entry| entry.key().hash() == key.hash())
            .find_map(Entry::find)
    }

    /// Finds the first object at or behind a cursor, takes a reference to its entry, and moves the
    /// cursor behind it.
    pub(crate) fn next(&self, kind: Kind, cursor: &mut u64, details: bool) -> Option<ARef<Entry>> {
        if self.count(kind, true) == 0 {
            return None;
        }
        let mut walk = self.table(kind).walk(Key::from_cursor(*cursor));
        while let Some(mut bucket) = walk.next_bucket() {
            let mut met = bucket.entries().filter(|entry| is_met(entry, details));
            if let Some(found) = met.find_map(Entry::find) {
                *cursor = found.key().next().into_cursor();
                return Some(found);
            }
        }
        None
    }

    /// Writes the keys of the objects at or behind a cursor to `keys`, as C code gets them, until
    /// there is no more room or no more object, and moves the cursor behind the last one. Returns
    /// how many there are.
    pub(crate) fn keys(
        &self,
        kind: Kind,
        cursor: &mut u64,
        details: bool,
        keys: &mut [MaybeUninit<u64>],
    ) -> usize {
        let room = keys.len();
        let mut slots = keys.iter_mut();
        let mut walk = self.table(kind).walk(Key::from_cursor(*cursor));
        *cursor = Key::LAST.into_cursor();
        'walk: while let Some(mut bucket) = walk.next_bucket() {
            for entry in bucket.entries().filter(|entry| is_met(entry, details)) {
                let Some(slot) = slots.next() else {
                    *cursor = entry.key().into_cursor();
                    break 'walk;
                };
                slot.write(entry.key().into_sortable(entry.id()));
            }
        }
        room.saturating_sub(slots.len())
    }

    /// Finds the object with this key, and takes a reference to its entry.
    ///
    /// # Errors
    ///
    /// `ENOENT` if it is gone, `EAGAIN` if it is being deleted, `EBUSY` if it is being synchronized.
    pub(crate) fn get_by_key(&self, kind: Kind, key: Key) -> Result<ARef<Entry>> {
        let bucket = self.table(kind).lock(key.hash());
        let entry = bucket.iter_from(key).next();
        entry
            .filter(|entry| entry.key() == key)
            .ok_or(ENOENT)?
            .find_or_state()
            .map_err(|state| match state {
                State::Syncing => EBUSY,
                State::Dying => EAGAIN,
                _ => ENOENT,
            })
    }

    /// How many deletions of objects of a kind were taken back; it wraps.
    #[inline]
    pub(crate) fn restores(&self, kind: Kind) -> u32 {
        self.counts(kind).restores()
    }
}

#[kernel::prelude::kunit_tests(restrack_root)]
mod tests {
    use super::*;
    use crate::{
        buckets::memory::{
            self,
            Shortage, //
        },
        fixture::{
            self,
            Crowd,
            TestEntry,
            TestRoot, //
        },
        instant::Instant,
        lifecycle,
        owner, //
    };
    use kernel::sync::Arc;

    #[test]
    fn each_add_takes_the_next_number() -> Result {
        let root = fixture::root()?;
        let first = TestEntry::tracked(&root, Kind::Pd)?;
        let second = TestEntry::tracked(&root, Kind::Pd)?;
        assert_eq!((first.id(), second.id()), (0, 1));
        drop(second);
        // A number is not used again at once.
        let third = TestEntry::tracked(&root, Kind::Pd)?;
        assert_eq!(third.id(), 2);
        // Every kind counts for itself.
        let other = TestEntry::tracked(&root, Kind::Cq)?;
        assert_eq!(other.id(), 0);
        Ok(())
    }

    #[test]
    fn number_in_use_is_passed_over_after_the_wrap() -> Result {
        let root = fixture::root()?;
        let zero = TestEntry::tracked_as(&root, Kind::Pd, 0)?;
        let one = TestEntry::tracked_as(&root, Kind::Pd, 1)?;
        root.counts(Kind::Pd).start_at(u32::MAX);
        let last = TestEntry::tracked(&root, Kind::Pd)?;
        let next = TestEntry::tracked(&root, Kind::Pd)?;
        assert_eq!((last.id(), next.id()), (u32::MAX, 2));
        assert_eq!(root.count(Kind::Pd, true), 4);
        drop((zero, one));
        assert_eq!(root.count(Kind::Pd, true), 2);
        Ok(())
    }

    #[test]
    fn lookup_by_number_finds_its_object() -> Result {
        let root = fixture::root()?;
        let mut entries = KVec::new();
        // So many that the chains are split several times.
        for id in 0..5000u32 {
            let id = id.wrapping_mul(0x0101_0101);
            entries.push(TestEntry::tracked_as(&root, Kind::Mr, id)?, GFP_KERNEL)?;
        }
        for entry in &entries {
            let found = root.get(Kind::Mr, entry.id()).ok_or(ENOENT)?;
            assert!(core::ptr::eq(&*found, &**entry));
        }
        assert!(root.get(Kind::Mr, 1).is_none());
        assert!(root.get(Kind::Pd, 0).is_none());
        drop(entries);
        assert!(root.get(Kind::Mr, 0).is_none());
        Ok(())
    }

    /// Each allocation fails in turn, and all that would follow.
    #[test]
    fn add_without_memory_loses_nothing() -> Result {
        for times in 0..6 {
            let root = fixture::root()?;
            let mut entries = KVec::new();
            let shortage = Shortage::after(times);
            for _ in 0..800 {
                entries.push(TestEntry::tracked(&root, Kind::Pd)?, GFP_KERNEL)?;
            }
            assert!(shortage.refused() > 0);
            assert_eq!(root.count(Kind::Pd, true), 800);
            assert_eq!(walk(&root, Kind::Pd, true)?, 800);
            for entry in &entries {
                let found = root.get(Kind::Pd, entry.id()).ok_or(ENOENT)?;
                assert!(core::ptr::eq(&*found, &**entry));
            }
            entries.truncate(400);
            assert_eq!(walk(&root, Kind::Pd, true)?, 400);
            // When there is memory again the table goes on as if nothing had been.
            drop(shortage);
            for _ in 0..400 {
                entries.push(TestEntry::tracked(&root, Kind::Pd)?, GFP_KERNEL)?;
            }
            assert_eq!(walk(&root, Kind::Pd, true)?, 800);
            drop(entries);
            assert_eq!(root.count(Kind::Pd, true), 0);
        }
        Ok(())
    }

    #[test]
    fn objects_with_equal_numbers_are_all_tracked() -> Result {
        let root = fixture::root()?;
        let first = TestEntry::tracked_as(&root, Kind::Qp, 7)?;
        let second = TestEntry::tracked_as(&root, Kind::Qp, 7)?;
        let third = TestEntry::tracked_as(&root, Kind::Qp, 7)?;
        assert_eq!(root.count(Kind::Qp, true), 3);
        assert_eq!(walk(&root, Kind::Qp, true)?, 3);
        drop(second);
        assert_eq!(walk(&root, Kind::Qp, true)?, 2);
        drop(first);
        let found = root.get(Kind::Qp, 7).ok_or(ENOENT)?;
        assert!(core::ptr::eq(&*found, &*third));
        Ok(())
    }

    /// So many that a third branch of the table is needed.
    const MANY: usize = 100_000;

    /// How many buckets a table has at first.
    const FEW: u32 = 1 << BUCKET_BITS;

    /// The number of pages for so many buckets: 256 buckets to a leaf, 256 leaves to a branch, and a
    /// trunk.
    fn pages_for(buckets: u32) -> i32 {
        (buckets.div_ceil(1 << 8) + buckets.div_ceil(1 << 16) + 1) as i32
    }

    /// Returns true if exactly the valid ones of these entries are there: in the count, in a walk, in
    /// a list, and each by its number and its key.
    fn holds(root: &Root, kind: Kind, entries: &[Entry]) -> Result<bool> {
        let there = entries.iter().filter(|entry| entry.is_valid()).count();
        let (mut keys, mut cursor, mut listed) = ([MaybeUninit::uninit(); 64], 0, 0);
        while cursor != Key::LAST.into_cursor() {
            listed += root.keys(kind, &mut cursor, true, &mut keys);
        }
        let right = root.count(kind, true) as usize == there
            && walk(root, kind, true)? == there
            && listed == there
            && entries.iter().all(|entry| {
                let by_number = root.get(kind, entry.id());
                let by_key = root.get_by_key(kind, entry.key());
                let found = by_key.is_ok_and(|found| core::ptr::eq(&*found, entry));
                match entry.is_valid() {
                    true => found && by_number.is_some_and(|other| other.id() == entry.id()),
                    false => !found,
                }
            });
        Ok(right)
    }

    /// Grows to many buckets, with too little memory now and then, and shrinks again.
    #[test]
    fn table_frees_unused_memory() -> Result {
        let before = memory::pages();
        let pages = || memory::pages() - before;
        let root = fixture::root()?;
        let table = root.table(Kind::Mr);
        let crowd = Crowd::new(Kind::Mr, MANY)?;
        // There is memory for the next leaf, but not for the branch that it needs.
        let shortage = Shortage::after(pages_for(1 << 16) + 1);
        let (some, most) = (70_000, 1 << 16);
        for index in 0..some {
            crowd.add(&root, index, None)?;
        }
        let refused = shortage.refused() as usize;
        drop(shortage);
        assert!((1..=(some - most / 4 * 3) / 32 + 1).contains(&refused));
        assert_eq!(table.bucket_count(), most as u32);
        assert_eq!(pages(), pages_for(most as u32));
        for index in some..MANY {
            crowd.add(&root, index, None)?;
        }
        let full = table.bucket_count();
        let enough = MANY as u32 / 3 * 4;
        assert!((enough..enough + 24).contains(&full));
        assert_eq!(pages(), pages_for(full));
        assert!(holds(&root, Kind::Mr, &crowd)?);
        // In an order of their own.
        let mut checks = [50_000, 24_000, 12_000, 2000, 400, 0].iter().peekable();
        for index in 0..MANY {
            crowd.del(index * 7919 % MANY)?;
            let left = MANY - 1 - index;
            if checks.next_if_eq(&&left).is_some() {
                assert!(holds(&root, Kind::Mr, &crowd)?);
                let buckets = table.bucket_count();
                assert!(buckets <= (4 * left as u32 + 80).max(Table::KEPT));
                // Two more branches stay, for there may be need of them again.
                assert!((pages_for(buckets)..=pages_for(buckets) + 2).contains(&pages()));
            }
        }
        assert_eq!(table.bucket_count(), Table::KEPT);
        assert!(root.clean().count == 0);
        assert_eq!(table.bucket_count(), FEW);
        assert_eq!(pages(), 0);
        // And all begins anew.
        for index in 0..1000 {
            crowd.add(&root, index, None)?;
        }
        assert!(holds(&root, Kind::Mr, &crowd)?);
        assert!(table.bucket_count() >= 1300);
        drop(crowd);
        drop(root);
        assert_eq!(pages(), 0);
        Ok(())
    }

    /// A root whose table of QPs has so many buckets, and QPs that are all in the last one, or will
    /// be in the next one when the table grows.
    fn busy_bucket(buckets: u32, is_last: bool) -> Result<(Arc<TestRoot>, Crowd)> {
        const COUNT: usize = 8;
        let root = Arc::new(fixture::root()?, GFP_KERNEL)?;
        let crowd = Crowd::new(Kind::Qp, COUNT)?;
        while root.bucket_count(Kind::Qp) < buckets {
            grow(&root);
        }
        let busy = buckets - u32::from(is_last);
        let bits = 2 * busy.next_power_of_two() - 1;
        let is_busy = |id: &u32| Key::new(*id, 0).hash().bits() & bits == busy;
        for (index, id) in (0..).filter(is_busy).take(COUNT).enumerate() {
            crowd.add(&root, index, Some(id))?;
        }
        Ok((root, crowd))
    }

    /// Makes the table of QPs grow.
    fn grow(root: &Root) {
        ResizeGuard::lock(root).table(Kind::Qp).grow(0);
    }

    /// Makes it shrink.
    fn shrink(root: &Root) {
        drop(ResizeGuard::lock(root).table(Kind::Qp).shrink());
    }

    #[test]
    fn objects_are_there_while_a_table_grows() -> Result {
        for instant in [Instant::BeginResize, Instant::EndResize] {
            let (root, crowd) = busy_bucket(FEW, false)?;
            let other = root.clone();
            let look = || holds(&root, Kind::Qp, &crowd);
            let ((), all) = fixture::interleave(instant, move || grow(&other), look)?;
            assert!(all?);
            assert!(holds(&root, Kind::Qp, &crowd)?);
        }
        Ok(())
    }

    #[test]
    fn objects_are_there_while_a_table_shrinks() -> Result {
        for instant in [Instant::BeginResize, Instant::EndResize] {
            let (root, crowd) = busy_bucket(Table::KEPT + FEW, true)?;
            let other = root.clone();
            let look = || holds(&root, Kind::Qp, &crowd);
            let ((), all) = fixture::interleave(instant, move || shrink(&other), look)?;
            assert!(all?);
            assert_eq!(root.bucket_count(Kind::Qp), Table::KEPT);
        }
        Ok(())
    }

    #[test]
    fn walk_meets_what_a_split_moves() -> Result {
        let (root, crowd) = busy_bucket(FEW, false)?;
        let other = root.clone();
        let walk = move || walk(&other, Kind::Qp, true);
        let (met, ()) = fixture::interleave(Instant::LockBucket, walk, || grow(&root))?;
        assert_eq!(met?, crowd.len());
        Ok(())
    }

    /// The merge empties the bucket that the walk comes to.
    #[test]
    fn walk_meets_what_a_merge_moves() -> Result {
        let (root, crowd) = busy_bucket(Table::KEPT + FEW, true)?;
        let keys = crowd.iter().map(Entry::key);
        let mut cursor = keys.min().ok_or(EINVAL)?.into_cursor();
        let other = root.clone();
        let find = move || other.next(Kind::Qp, &mut cursor, true).is_some();
        let (found, ()) = fixture::interleave(Instant::PassBucket, find, || shrink(&root))?;
        assert!(found);
        assert_eq!(root.bucket_count(Kind::Qp), Table::KEPT);
        Ok(())
    }

    #[test]
    fn one_thread_at_a_time_makes_a_table_grow() -> Result {
        const MORE: u32 = 2 * FEW + 1;
        let root = Arc::new(fixture::root()?, GFP_KERNEL)?;
        let other = root.clone();
        let ((), buckets) = fixture::interleave(
            Instant::BeginResize,
            move || other.grow(Kind::Qp, MORE),
            || {
                root.grow(Kind::Qp, MORE);
                root.bucket_count(Kind::Qp)
            },
        )?;
        assert_eq!(buckets, FEW);
        assert_eq!(root.bucket_count(Kind::Qp), 2 * FEW);
        Ok(())
    }

    #[test]
    fn table_does_not_grow_and_shrink_by_turns() -> Result {
        /// How often the number of buckets changes while one object comes and goes.
        fn changes(root: &Root, crowd: &Crowd, index: usize) -> Result<u32> {
            let table = root.table(Kind::Pd);
            let (mut before, mut changes) = (table.bucket_count(), 0);
            for step in 0..500 {
                match step % 2 {
                    0 => crowd.add(root, index, None)?,
                    _ => crowd.del(index)?,
                }
                changes += u32::from(table.bucket_count() != before);
                before = table.bucket_count();
            }
            Ok(changes)
        }
        let root = fixture::root()?;
        let table = root.table(Kind::Pd);
        let crowd = Crowd::new(Kind::Pd, 5000)?;
        // Where it grows, at some sizes.
        for index in 0..5000 {
            if [15, 16, 31, 32, 33, 2047, 2048, 2049, 4095, 4096, 4999].contains(&index) {
                // Twice with the 33rd object, which is one too many for 16 buckets and for 32.
                assert!(changes(&root, &crowd, index)? <= 2);
            }
            crowd.add(&root, index, None)?;
        }
        // And where it shrinks, each time that it has.
        let mut buckets = table.bucket_count();
        let mut shrunk = 0;
        for index in (0..5000).rev() {
            crowd.del(index)?;
            if table.bucket_count() != buckets {
                shrunk += 1;
                assert!(changes(&root, &crowd, index)? <= 1);
                buckets = table.bucket_count();
            }
        }
        assert!(shrunk > 10);
        assert_eq!(table.bucket_count(), Table::KEPT);
        Ok(())
    }

    /// Each allocation fails in turn, and is made up for later.
    #[test]
    fn table_grows_after_a_shortage_of_memory() -> Result {
        let before = memory::pages();
        let pages = || memory::pages() - before;
        for times in 0..6 {
            let root = fixture::root()?;
            let table = root.table(Kind::Pd);
            let crowd = Crowd::new(Kind::Pd, 1000)?;
            let shortage = Shortage::after(times);
            for index in 0..800 {
                crowd.add(&root, index, None)?;
            }
            let refused = shortage.refused();
            drop(shortage);
            let (buckets, kept) = match times {
                // A leaf is of no use without a branch, nor is that without a trunk.
                0..3 => (FEW, 0),
                leaves => (256 * (leaves as u32 - 2), leaves),
            };
            assert_eq!(table.bucket_count(), buckets);
            assert_eq!(pages(), kept);
            // It is not asked for at each add.
            assert!((1..=800 / 32 + 1).contains(&refused));
            assert!(holds(&root, Kind::Pd, &crowd)?);
            for index in 800..900 {
                crowd.add(&root, index, None)?;
            }
            assert!(table.bucket_count() >= 900);
            assert!(holds(&root, Kind::Pd, &crowd)?);
            drop(crowd);
            drop(root);
            assert_eq!(pages(), 0);
        }
        Ok(())
    }

    /// Adds so many objects with one number; deletes them in an order, and looks now and then.
    fn one_number(count: usize, order: impl Fn(usize) -> usize) -> Result<bool> {
        const NUMBER: u32 = 7;
        let root = fixture::root()?;
        let crowd = Crowd::new(Kind::Qp, count)?;
        for index in 0..count {
            crowd.add(&root, index, Some(NUMBER))?;
        }
        let mut right = holds(&root, Kind::Qp, &crowd)?;
        for step in 0..count {
            let going = order(step);
            let left = count - 1 - step;
            lifecycle::begin_del(&crowd.updater(going)?);
            right &= root.get(Kind::Qp, NUMBER).is_some() == (left > 0);
            if left % 3 == 0 {
                lifecycle::abort_del(&crowd.updater(going)?);
                right &= root.get(Kind::Qp, NUMBER).is_some();
            }
            crowd.del(going)?;
            right &= root.get(Kind::Qp, NUMBER).is_some() == (left > 0);
            if left % (count / 4) == 0 {
                right &= holds(&root, Kind::Qp, &crowd)?;
            }
        }
        Ok(right && root.count(Kind::Qp, true) == 0)
    }

    #[test]
    fn many_objects_with_equal_numbers_are_found() -> Result {
        const COUNT: usize = 10_000;
        assert!(one_number(COUNT, |step| step)?);
        assert!(one_number(COUNT, |step| COUNT - 1 - step)?);
        assert!(one_number(COUNT, |step| (step * 7919 + 5000) % COUNT)?);
        Ok(())
    }

    /// Of objects with one number those that came after the wrap are first.
    #[test]
    fn serial_number_wraps() -> Result {
        let root = fixture::root()?;
        let crowd = Crowd::new(Kind::Qp, 6)?;
        root.counts(Kind::Qp).start_at(u32::MAX - 2);
        for index in 0..crowd.len() {
            crowd.add(&root, index, Some(7))?;
            assert!(holds(&root, Kind::Qp, &crowd)?);
        }
        let (mut cursor, mut order) = (0, [3, 4, 5, 0, 1, 2].iter());
        while let Some(found) = root.next(Kind::Qp, &mut cursor, true) {
            let expected = order.next().and_then(|index| crowd.get(*index));
            assert!(expected.is_some_and(|entry| core::ptr::eq(entry, &*found)));
        }
        assert!(order.next().is_none());
        for index in [3, 1, 0, 5, 2, 4] {
            crowd.del(index)?;
            assert!(holds(&root, Kind::Qp, &crowd)?);
        }
        Ok(())
    }

    #[test]
    fn long_row_of_numbers_in_use_takes_few_steps() -> Result {
        let root = fixture::root()?;
        let counts = root.counts(Kind::Mr);
        let mut tried = 0;
        let mut next = || {
            tried += 1;
            Root::later_ticket(counts, tried).id()
        };
        // One at a time first, lest numbers be wasted for a few.
        for number in 0..9 {
            assert_eq!(next(), number);
        }
        let mut calls = 9;
        while next() < MANY as u32 {
            calls += 1;
        }
        assert!(calls <= 9 + 17);
        // No step is longer than the longest.
        let before = next();
        assert_eq!(next() - before, 1 << 16);
        let last = || Root::later_ticket(counts, u32::MAX).id();
        let before = last();
        assert_eq!(last() - before, 1 << 16);
        Ok(())
    }

    #[test]
    fn free_number_behind_a_long_row_is_found() -> Result {
        const LATER: usize = 1000;
        let root = fixture::root()?;
        let counts = root.counts(Kind::Mr);
        let crowd = Crowd::new(Kind::Mr, MANY + LATER)?;
        for index in 0..MANY {
            crowd.add(&root, index, None)?;
        }
        let start = u32::MAX - 1;
        counts.start_at(start);
        for index in MANY..MANY + LATER {
            crowd.add(&root, index, None)?;
        }
        let ids = |index: usize| crowd.get(index).map(|entry| entry.id());
        assert_eq!(ids(MANY), Some(start));
        assert_eq!(ids(MANY + 1), Some(u32::MAX));
        let moved = counts.ticket(0).id().wrapping_sub(start);
        assert!((MANY as u32..MANY as u32 + (2 << 16) + LATER as u32).contains(&moved));
        // Each number leads to its object, so each has its own.
        let own = |entry: &Entry| {
            let found = root.get(Kind::Mr, entry.id());
            found.is_some_and(|found| core::ptr::eq(&*found, entry))
        };
        assert!(crowd.iter().all(own));
        assert_eq!(walk(&root, Kind::Mr, true)?, MANY + LATER);
        Ok(())
    }

    /// How many objects a walk meets; an error if they do not come in order.
    fn walk(root: &Root, kind: Kind, details: bool) -> Result<usize> {
        let (mut cursor, mut count) = (0, 0);
        loop {
            let before = cursor;
            let Some(entry) = root.next(kind, &mut cursor, details) else {
                return Ok(count);
            };
            let key = entry.key();
            if key < Key::from_cursor(before) || key.next().into_cursor() != cursor {
                return Err(EINVAL);
            }
            count += 1;
        }
    }

    #[test]
    fn walk_meets_each_entry_that_stays_once() -> Result {
        let root = fixture::root()?;
        let mut entries = KVec::new();
        for _ in 0..3000 {
            let entry = TestEntry::tracked(&root, Kind::Pd)?;
            entries.push((entry, 0), GFP_KERNEL)?;
        }
        let mut cursor = 0;
        let mut passing = KVec::new();
        while let Some(found) = root.next(Kind::Pd, &mut cursor, true) {
            for (entry, met) in &mut entries {
                if core::ptr::eq(&*found, &**entry) {
                    *met += 1;
                }
            }
            drop(found);
            // Others come and go between the steps, before and behind the cursor.
            if passing.len() < 2000 {
                let entry = TestEntry::tracked(&root, Kind::Pd)?;
                passing.push(entry, GFP_KERNEL)?;
            } else {
                drop(passing.pop());
            }
        }
        assert!(entries.iter().all(|(_, met)| *met == 1));
        Ok(())
    }

    #[test]
    fn cursor_outlives_its_entry() -> Result {
        let root = fixture::root()?;
        let mut entries = KVec::new();
        for _ in 0..50 {
            let entry = TestEntry::tracked(&root, Kind::Pd)?;
            entries.push(entry, GFP_KERNEL)?;
        }
        // Each one goes as soon as it has been met.
        let (mut cursor, mut count) = (0, 0);
        while let Some(found) = root.next(Kind::Pd, &mut cursor, true) {
            let raw = core::ptr::from_ref(&*found);
            drop(found);
            entries.retain(|entry| !core::ptr::eq(raw, &**entry));
            count += 1;
        }
        assert_eq!(count, 50);
        assert!(entries.is_empty());
        Ok(())
    }

    #[test]
    fn entry_with_details_is_hidden_unless_asked_for() -> Result {
        let root = fixture::root()?;
        let shown = TestEntry::tracked_as(&root, Kind::Qp, 1)?;
        let hidden = TestEntry::with_details(&root, Kind::Qp, 2)?;
        assert_eq!(root.count(Kind::Qp, false), 1);
        assert_eq!(root.count(Kind::Qp, true), 2);
        assert_eq!(walk(&root, Kind::Qp, false)?, 1);
        assert_eq!(walk(&root, Kind::Qp, true)?, 2);
        drop(hidden);
        assert_eq!(root.count(Kind::Qp, false), 1);
        assert_eq!(root.count(Kind::Qp, true), 1);
        drop(shown);
        assert_eq!(root.count(Kind::Qp, false), 0);
        Ok(())
    }

    #[test]
    fn dying_entry_is_not_found_until_restored() -> Result {
        let root = fixture::root()?;
        let entry = TestEntry::tracked(&root, Kind::Pd)?;
        lifecycle::begin_del(&entry.updater());
        assert_eq!(root.count(Kind::Pd, true), 0);
        assert_eq!(walk(&root, Kind::Pd, true)?, 0);
        assert!(root.get(Kind::Pd, entry.id()).is_none());
        // Its number is not given to another: it may come back with it.
        root.counts(Kind::Pd).start_at(0);
        let other = TestEntry::tracked(&root, Kind::Pd)?;
        assert!(other.id() != entry.id());

        lifecycle::abort_del(&entry.updater());
        assert_eq!(root.count(Kind::Pd, true), 2);
        assert!(root.get(Kind::Pd, entry.id()).is_some());
        lifecycle::begin_del(&entry.updater());
        lifecycle::del(entry.updater());
        assert_eq!(root.count(Kind::Pd, true), 1);
        assert_eq!(walk(&root, Kind::Pd, true)?, 1);
        Ok(())
    }

    #[test]
    fn number_of_a_dying_entry_is_reused() -> Result {
        let root = fixture::root()?;
        let old = TestEntry::tracked_as(&root, Kind::Qp, 5)?;
        lifecycle::begin_del(&old.updater());
        let new = TestEntry::tracked_as(&root, Kind::Qp, 5)?;
        let found = root.get(Kind::Qp, 5).ok_or(ENOENT)?;
        assert!(core::ptr::eq(&*found, &*new));
        lifecycle::abort_del(&old.updater());
        assert_eq!(walk(&root, Kind::Qp, true)?, 2);
        Ok(())
    }

    #[test]
    fn add_and_del_change_the_generation() -> Result {
        let root = fixture::root()?;
        let empty = root.generation(Kind::Pd);
        assert!(empty != 0);
        let entry = TestEntry::tracked(&root, Kind::Pd)?;
        let full = root.generation(Kind::Pd);
        assert!(full != empty);
        assert_eq!(root.generation(Kind::Cq), empty);
        assert_eq!(root.generation(Kind::Pd), full);
        drop(entry);
        assert!(root.generation(Kind::Pd) != full);
        Ok(())
    }

    #[test]
    fn pid_namespace_counts_its_own_processes() -> Result {
        let root = fixture::root()?;
        let current = kernel::current!();
        let ns = current.active_pid_ns().ok_or(EINVAL)?;
        let entry = TestEntry::tracked(&root, Kind::Pd)?;
        let kernel = TestEntry::new(Kind::Pd)?;
        lifecycle::set_name(kernel.updater(), fixture::kernel_name(c"ib_core"));
        kernel.add(&root, None, false)?;
        let hidden = TestEntry::with_details(&root, Kind::Pd, 1000)?;
        assert_eq!(root.count_in(Kind::Pd, ns, true), 2);
        assert_eq!(root.count_in(Kind::Pd, ns, false), 1);
        lifecycle::begin_del(&entry.updater());
        assert_eq!(root.count_in(Kind::Pd, ns, false), 0);
        drop(hidden);
        assert_eq!(root.count_in(Kind::Pd, ns, true), 0);
        Ok(())
    }

    #[test]
    fn clean_reports_and_unlinks_what_is_left() -> Result {
        let task = owner::current_process();
        let before = fixture::usage(&task);
        let root = fixture::root()?;
        let pd = TestEntry::tracked(&root, Kind::Pd)?;
        let qp = TestEntry::with_details(&root, Kind::Qp, 3)?;
        let dying = TestEntry::tracked(&root, Kind::Cq)?;
        lifecycle::begin_del(&dying.updater());

        let leaked = root.clean();
        assert!(leaked.count == 3 && leaked.first == Some((Kind::Pd, pd.id())));
        let leaked = root.clean();
        assert!(leaked.count == 0 && leaked.first.is_none());
        for kind in Kind::ALL {
            assert_eq!(root.count(kind, true), 0);
            assert_eq!(root.count(kind, false), 0);
            assert_eq!(walk(&root, kind, true)?, 0);
        }
        for entry in [&pd, &qp, &dying] {
            assert!(!entry.is_valid());
            assert!(entry.root().is_null());
        }
        drop(root);
        drop((pd, qp, dying));
        assert_eq!(fixture::usage(&task), before);
        Ok(())
    }
}
