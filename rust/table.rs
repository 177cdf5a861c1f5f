// SPDX-License-Identifier: GPL-2.0

//! What a root keeps for one kind of object: counts, the next number, room to grow.

use crate::{
    bindings,
    entry::Entry,
    hlist::Chain,
    segments::{
        Directory,
        Segments, //
    },
    sync::{
        Guarded,
        Held,
        Once,
        WriteGuard, //
    }, //
};
use core::mem::offset_of;
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Relaxed, //
    }, //
};

/// `struct rdma_restrack_table`.
///
/// What is [`Once`] is written with the root's lock held for writing, and read at any time.
#[repr(C)]
pub(crate) struct Table {
    linked: Once<u32>,
    details: Once<u32>,
    dying: Atomic<i32>,
    dying_details: Atomic<i32>,
    changes: Once<u32>,
    turns: Atomic<i32>,
    restored: Atomic<i32>,
    next_id: Once<u32>,
    grow_at: Once<u32>,
    directory: Guarded<Directory>,
}

const _: () = {
    use bindings::rdma_restrack_table as C;
    assert!(size_of::<Table>() == size_of::<C>());
    assert!(align_of::<Table>() == align_of::<C>());
    assert!(offset_of!(Table, linked) == offset_of!(C, linked));
    assert!(offset_of!(Table, restored) == offset_of!(C, restored));
    assert!(offset_of!(Table, next_id) == offset_of!(C, next_id));
    assert!(offset_of!(Table, directory) == offset_of!(C, directory));
};

impl Table {
    /// Sets up a table that is zeroed, with the chains of the root.
    ///
    /// # Safety
    ///
    /// The table is valid for writes, new, and does not move. The chains, `1 << chain_bits` of them,
    /// live as long as it.
    pub(crate) unsafe fn init(this: *mut Self, run: *const Chain<Entry>, chain_bits: u32) {
        // SAFETY: The field of an object that is valid for writes.
        let directory = unsafe { &raw mut (*this).directory };
        // SAFETY: By the requirements of this function; `Guarded` is transparent.
        unsafe { Directory::init(directory.cast(), run, chain_bits) };
        // SAFETY: The field of a live object.
        unsafe { &(*this).grow_at }.store(Self::SMALL);
    }
}

/// Counting.
impl Table {
    /// The serial number of the next add: [`Self::linked`] makes the one after it another.
    #[inline]
    pub(crate) fn serial(&self, _lock: &WriteGuard<'_>) -> u32 {
        self.changes.load()
    }

    /// An entry was linked.
    #[inline]
    pub(crate) fn linked(&self, details: bool, _lock: &WriteGuard<'_>) {
        self.linked.store(self.linked.load().wrapping_add(1));
        if details {
            self.details.store(self.details.load().wrapping_add(1));
        }
        self.changes.store(self.changes.load().wrapping_add(1));
    }

    /// An entry was unlinked.
    #[inline]
    pub(crate) fn unlinked(&self, details: bool, _lock: &WriteGuard<'_>) {
        self.linked.store(self.linked.load().wrapping_sub(1));
        if details {
            self.details.store(self.details.load().wrapping_sub(1));
        }
        self.changes.store(self.changes.load().wrapping_add(1));
    }

    /// An entry that is linked begins to be deleted.
    #[inline]
    pub(crate) fn dying(&self, details: bool) {
        self.dying.add(1, Relaxed);
        if details {
            self.dying_details.add(1, Relaxed);
        }
        self.turn();
    }

    /// An entry that was being deleted is unlinked, or comes back.
    #[inline]
    pub(crate) fn dead(&self, details: bool) {
        self.dying.add(-1, Relaxed);
        if details {
            self.dying_details.add(-1, Relaxed);
        }
        self.turn();
    }

    /// A deletion was taken back, and the entry can be found again.
    #[inline]
    pub(crate) fn restored(&self) {
        let _ = self.restored.fetch_add(1, Full);
    }

    /// How many deletions were taken back.
    #[inline]
    pub(crate) fn restores(&self) -> u32 {
        self.restored.load(Acquire) as u32
    }

    /// An entry that is linked goes out of sight, or comes back; the counts stay as they are.
    #[inline]
    pub(crate) fn turn(&self) {
        let _ = self.turns.fetch_add(1, Full);
    }

    /// Is nothing linked?
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.linked.load() == 0
    }

    /// How many entries a lookup can find, with or without those that have driver details.
    ///
    /// The counters are not read at once: while entries come and go, the result is one that was
    /// nearly true.
    #[inline]
    pub(crate) fn count(&self, details: bool) -> i32 {
        let alive = |linked: &Once<u32>, dying: &Atomic<i32>| {
            (linked.load() as i32).wrapping_sub(dying.load(Relaxed))
        };
        let all = alive(&self.linked, &self.dying);
        let hidden = match details {
            true => 0,
            false => alive(&self.details, &self.dying_details),
        };
        all.wrapping_sub(hidden).max(0)
    }

    /// A number that changes whenever an entry comes or goes, or is out of sight for the time of a
    /// sync; never zero.
    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        let turns = self.turns.load(Relaxed) as u32;
        // The lowest bit keeps it from being zero.
        (self.changes.load().wrapping_add(turns) << 1) | 1
    }
}

/// Numbers.
impl Table {
    /// The next number to try for a new object.
    #[inline]
    pub(crate) fn next_id(&self, _lock: &WriteGuard<'_>) -> u32 {
        let id = self.next_id.load();
        self.next_id.store(id.wrapping_add(1));
        id
    }

    /// Makes this the next number to try.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn start_at(&self, id: u32) {
        self.next_id.store(id);
    }
}

/// Chains.
impl Table {
    /// How many entries the chains in the root are for.
    const SMALL: u32 = 32;

    /// The chains of the kind.
    #[inline]
    pub(crate) fn directory<'a>(&'a self, lock: &'a impl Held) -> &'a Directory {
        self.directory.get(lock)
    }

    /// Are there more entries than the chains are for?
    #[inline]
    pub(crate) fn is_crowded(&self) -> bool {
        self.linked.load() >= self.grow_at.load()
    }

    /// Makes more chains, if there is memory for them.
    #[cold]
    pub(crate) fn grow(&self, lock: &mut WriteGuard<'_>) {
        let mut segments = self.directory.get_mut(lock).take();
        let grown = match &mut segments {
            Some(segments) => segments.grow(lock),
            None => {
                Segments::new(self.directory(lock).run(), lock).map(|first| segments = Some(first))
            }
        };
        let capacity = segments.as_ref().map_or(0, |segments| segments.capacity());
        self.directory.get_mut(lock).set(segments);
        self.grow_at.store(match grown {
            Ok(()) => u32::try_from(capacity).unwrap_or(u32::MAX),
            // Do not ask again for every single entry.
            Err(_) => self.linked.load().saturating_add(Self::SMALL),
        });
    }

    /// Gives up all chains but those in the root; nothing is linked.
    pub(crate) fn shrink(&self, lock: &mut WriteGuard<'_>) {
        self.directory.get_mut(lock).set(None);
        self.grow_at.store(Self::SMALL);
    }
}
