// SPDX-License-Identifier: GPL-2.0

//! The table of one device's objects.
//!
//! # The table
//!
//! Each kind has a run of chains of its own. Which chain of the run an entry is in, and where in
//! the chain, depends on its [`Key`] alone: the run as a whole is sorted. That makes a key an exact
//! cursor: what comes after it is the same, whatever comes and goes meanwhile.
//!
//! Nothing is allocated to add an entry, so an entry is never lost.
//!
//! # Locking
//!
//! The root's `rwsem` is the only lock of the tracker. It is held for writing while an entry is
//! linked or unlinked, for reading while the table is walked, and never while the tracker waits for
//! a reader or calls anything else that can wait.

use crate::{
    bindings,
    entry::{
        Entry,
        State, //
    },
    hlist::Chain,
    kind::Kind,
    sync::{
        Held,
        RwSemaphore, //
    }, //
};
use core::mem::offset_of;
use kernel::{
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        }, //
    }, //
};

/// log2 of the number of runs: as many as there are kinds, rounded up.
const RUN_BITS: u32 = 4;

/// log2 of the number of chains in a run.
const CHAIN_BITS: u32 = bindings::RDMA_RESTRACK_HASH_BITS - RUN_BITS;

/// The chains of one kind.
type Run = [Chain<Entry>; 1 << CHAIN_BITS];

/// Where an entry stands among those of its kind.
///
/// Numbers are scattered as `hash_32()` does it: multiplied by an odd constant, which is a
/// bijection of 32 bits, of which the top bits choose the chain. The whole product and the tie
/// between equal numbers are the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u64);

impl Key {
    /// The key of the first entry with this number.
    #[doc(alias = "hash_32")]
    #[inline]
    fn first_of(id: u32) -> Self {
        Self(u64::from(id.wrapping_mul(bindings::GOLDEN_RATIO_32)) << 32)
    }

    /// The key of an entry.
    #[inline]
    fn of(entry: &Entry) -> Self {
        Self(Self::first_of(entry.id()).0 | u64::from(entry.tie()))
    }

    /// The least key that is greater.
    #[inline]
    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Which chain of the run it belongs into.
    #[inline]
    fn chain(self) -> usize {
        (self.0 >> (u64::BITS - CHAIN_BITS)) as usize
    }
}

/// The number that a new entry is to have.
#[derive(Clone, Copy)]
pub(crate) enum Number {
    /// This one, even if others have it too.
    Given(u32),
    /// The next one that no entry of its kind has.
    Unused,
}

/// `struct rdma_restrack_table`: what a root keeps for one kind of object.
#[repr(C)]
struct Table {
    /// Entries that a lookup can find.
    count: Atomic<i32>,
    /// Those of them that are shown only on request.
    details: Atomic<i32>,
    /// Where the search for an unused number starts. Protected by the lock.
    next_id: Atomic<i32>,
    /// Changes whenever an entry comes or goes.
    generation: Atomic<i32>,
}

impl Table {
    /// An entry can be found from now on, or no more.
    #[inline]
    fn change(&self, by: i32, details: bool) {
        self.count.add(by, Relaxed);
        if details {
            self.details.add(by, Relaxed);
        }
        self.generation.add(1, Relaxed);
    }
}

/// `struct rdma_restrack_root`: all tracked objects of one device.
///
/// # Invariants
///
/// - The root is initialised and does not move.
/// - The chains of `hash` hold live entries of the kind of their run, sorted by [`Key`], and
///   `rwsem` protects them.
#[repr(C)]
pub(crate) struct Root {
    rwsem: RwSemaphore,
    hash: [Run; 1 << RUN_BITS],
    table: [Table; Kind::COUNT],
}

const _: () = {
    use bindings::rdma_restrack_root as C;
    assert!(size_of::<Root>() == size_of::<C>());
    assert!(align_of::<Root>() == align_of::<C>());
    assert!(offset_of!(Root, rwsem) == offset_of!(C, rwsem));
    assert!(offset_of!(Root, hash) == offset_of!(C, hash));
    assert!(offset_of!(Root, table) == offset_of!(C, table));
    assert!(size_of::<Table>() == size_of::<bindings::rdma_restrack_table>());
    assert!(Kind::COUNT <= 1 << RUN_BITS);
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
        // INVARIANT: The rest of the root is zero: empty chains, nothing counted.
        unsafe { RwSemaphore::init(rwsem) };
    }

    /// The root that an entry is linked in.
    #[inline]
    pub(crate) fn of(entry: &Entry) -> Option<&Root> {
        // SAFETY: NULL or a live root by the invariant of `Entry`.
        unsafe { entry.root().cast::<Root>().as_ref() }
    }

    /// What the root keeps for a kind.
    #[inline]
    fn table(&self, kind: Kind) -> &Table {
        // There is one for each kind, so the compiler drops the check.
        match self.table.get(kind as usize) {
            Some(table) => table,
            None => &self.table[0],
        }
    }

    /// The chains of a kind.
    #[inline]
    fn run(&self, kind: Kind) -> &Run {
        match self.hash.get(kind as usize) {
            Some(run) => run,
            None => &self.hash[0],
        }
    }

    /// The chain that a key belongs into.
    #[inline]
    fn chain(&self, kind: Kind, key: Key) -> &Chain<Entry> {
        let run = self.run(kind);
        match run.get(key.chain()) {
            Some(chain) => chain,
            None => &run[0],
        }
    }
}

/// Changes of the table. They all take the lock for writing.
impl Root {
    /// Links an entry, under a number and with details to be shown or hidden.
    ///
    /// The entry becomes visible at once: it is to be initialised and to have an owner.
    ///
    /// # Safety
    ///
    /// The entry is not linked, and stays where it is until [`Self::remove`] or [`Self::clean`].
    pub(crate) unsafe fn add(&self, kind: Kind, entry: &Entry, number: Number, details: bool) {
        let table = self.table(kind);
        let lock = self.rwsem.write();
        let place = match number {
            Number::Given(id) => self.find_place(kind, id, &lock),
            Number::Unused => {
                let mut id = table.next_id.load(Relaxed) as u32;
                loop {
                    let place = self.find_place(kind, id, &lock);
                    id = id.wrapping_add(1);
                    if place.tie == 0 {
                        table.next_id.store(id as i32, Relaxed);
                        break place;
                    }
                }
            }
        };
        let this = core::ptr::from_ref(self).cast_mut();
        // INVARIANT: The entry is linked in this root below.
        entry.place(this.cast(), place.id, place.tie, details);
        match place.previous {
            // SAFETY: `previous` is in that chain; the rest by the requirement of this function.
            // INVARIANT: `previous` is the last one with a lesser key.
            Some(previous) => unsafe { place.chain.add_behind(previous, entry, &lock) },
            // SAFETY: By the requirement of this function.
            // INVARIANT: No entry of the chain has a lesser key.
            None => unsafe { place.chain.add_head(entry, &lock) },
        }
        table.change(1, details);
    }

    /// Finds where an entry with this number belongs.
    #[inline]
    fn find_place<'a>(&'a self, kind: Kind, id: u32, lock: &'a impl Held) -> Place<'a> {
        let key = Key::first_of(id);
        let chain = self.chain(kind, key);
        let mut previous = None;
        let mut tie = 0;
        for entry in chain.iter(lock) {
            if entry.id() == id {
                tie = entry.tie().saturating_add(1);
            } else if Key::of(entry) > key {
                break;
            }
            previous = Some(entry);
        }
        Place {
            chain,
            previous,
            id,
            tie,
        }
    }

    /// Unlinks an entry of this root.
    pub(crate) fn remove(&self, kind: Kind, entry: &Entry) {
        let lock = self.rwsem.write();
        // `clean` may have been faster.
        if entry.root().is_null() {
            return;
        }
        Chain::remove(entry, &lock);
        // INVARIANT: The entry is linked no more.
        entry.unplace();
        if entry.state() == State::Tracked {
            self.table(kind).change(-1, entry.has_details());
        }
    }

    /// Says that an entry cannot be found any more although it keeps its place. Takes no lock.
    pub(crate) fn hide(&self, kind: Kind, entry: &Entry) {
        self.table(kind).change(-1, entry.has_details());
    }

    /// Brings an entry back that [`Self::hide`] made unreachable and [`Entry::drain`] dead.
    pub(crate) fn revive(&self, kind: Kind, entry: &Entry) {
        let _lock = self.rwsem.write();
        entry.revive();
        self.table(kind).change(1, entry.has_details());
    }

    /// Lets readers leave who might see what the entry's object was; see [`Entry::drain`].
    pub(crate) fn sync(&self, entry: &Entry) {
        entry.drain();
        let _lock = self.rwsem.write();
        entry.revive();
    }

    /// Unlinks all entries and makes them invalid; `report` is told of each before.
    pub(crate) fn clean(&self, mut report: impl FnMut(Kind, &Entry)) {
        let lock = self.rwsem.write();
        for kind in Kind::ALL {
            for chain in self.run(kind) {
                while let Some(entry) = chain.first(&lock) {
                    report(kind, entry);
                    Chain::remove(entry, &lock);
                    // INVARIANT: The entry is linked no more.
                    entry.unplace();
                    if entry.state() == State::Tracked {
                        self.table(kind).change(-1, entry.has_details());
                    }
                    entry.invalidate();
                }
            }
        }
    }
}

/// A place in the table for an entry.
struct Place<'a> {
    chain: &'a Chain<Entry>,
    previous: Option<&'a Entry>,
    id: u32,
    tie: u32,
}

/// Looking at the table.
impl Root {
    /// How many objects there are, with or without those that have driver details. Takes no lock.
    #[inline]
    pub(crate) fn count(&self, kind: Kind, details: bool) -> i32 {
        let table = self.table(kind);
        let count = table.count.load(Relaxed);
        if details {
            count
        } else {
            // The two are not read at once.
            count.saturating_sub(table.details.load(Relaxed)).max(0)
        }
    }

    /// How many of the objects have an owner that is seen from a PID namespace.
    pub(crate) fn count_in(&self, kind: Kind, ns: &PidNamespace, details: bool) -> i32 {
        let lock = self.rwsem.read();
        let mut count = 0i32;
        for chain in self.run(kind) {
            for entry in chain.iter(&lock) {
                if (details || !entry.has_details())
                    && entry.is_alive()
                    && entry.owner().is_seen_from(ns)
                {
                    count = count.saturating_add(1);
                }
            }
        }
        count
    }

    /// A number that changes whenever an entry comes or goes, and is never zero.
    #[inline]
    pub(crate) fn generation(&self, kind: Kind) -> u32 {
        let generation = self.table(kind).generation.load(Relaxed) as u32;
        generation.wrapping_add(1).max(1)
    }

    /// Finds an object by its number and takes a reference to its entry.
    pub(crate) fn get(&self, kind: Kind, id: u32) -> Option<ARef<Entry>> {
        let key = Key::first_of(id);
        let lock = self.rwsem.read();
        for entry in self.chain(kind, key).iter(&lock) {
            if entry.id() == id {
                if let Some(entry) = entry.get_ref() {
                    return Some(entry);
                }
            } else if Key::of(entry) > key {
                break;
            }
        }
        None
    }

    /// Finds the first object at or behind a cursor, takes a reference to its entry, and moves the
    /// cursor behind it.
    pub(crate) fn next(
        &self,
        kind: Kind,
        cursor: &mut u64,
        details: bool,
    ) -> Option<ARef<Entry>> {
        let start = Key(*cursor);
        let lock = self.rwsem.read();
        for chain in self.run(kind).iter().skip(start.chain()) {
            for entry in chain.iter(&lock) {
                let key = Key::of(entry);
                if key < start || entry.has_details() && !details {
                    continue;
                }
                if let Some(entry) = entry.get_ref() {
                    *cursor = key.next().0;
                    return Some(entry);
                }
            }
        }
        None
    }
}
