// SPDX-License-Identifier: GPL-2.0

//! What a root counts for one kind of object.

use crate::bindings;
use core::mem::offset_of;
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Full,
    Relaxed, //
};

/// `struct rdma_restrack_counts`.
///
/// Every add and del writes it, when the entry was linked or unlinked and the lock of its bucket
/// released. Nobody else reads it but to count: it is apart from what lookups read.
#[repr(C)]
pub(crate) struct Counts {
    tickets: Atomic<i64>,
    objects: Atomic<i64>,
    details: Atomic<i32>,
    restored: Atomic<i32>,
    apart: [u64; 5],
}

const _: () = {
    use bindings::rdma_restrack_counts as C;
    assert!(size_of::<Counts>() == size_of::<C>());
    assert!(align_of::<Counts>() == align_of::<C>());
    assert!(offset_of!(Counts, tickets) == offset_of!(C, tickets));
    assert!(offset_of!(Counts, objects) == offset_of!(C, objects));
    assert!(offset_of!(Counts, details) == offset_of!(C, details));
    assert!(offset_of!(Counts, restored) == offset_of!(C, restored));
};

/// A number of its own for each add.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(i64);

impl Ticket {
    /// The number of the object, if it brings none along: no other ticket has it, until so many have
    /// been given out that they wrap.
    #[inline]
    pub(crate) fn id(self) -> u32 {
        self.0 as u32
    }

    /// The serial number of an object whose number is [`Self::id`]: how often that has wrapped.
    #[inline]
    pub(crate) fn turn(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The serial number of an object that brings a number along.
    #[inline]
    pub(crate) fn serial(self) -> u32 {
        self.0 as u32
    }
}

/// Changes of `objects`: the lower half is how many objects there are, the upper half how often
/// that or the visibility of one has changed.
const CHANGE: i64 = 1 << 32;
const ONE_MORE: i64 = CHANGE + 1;
/// The lower half is not zero, and borrows nothing from the upper half.
const ONE_LESS: i64 = CHANGE - 1;

impl Counts {
    /// The next ticket; the `count - 1` after it are given to nobody.
    #[inline]
    pub(crate) fn ticket(&self, count: u32) -> Ticket {
        Ticket(self.tickets.fetch_add(i64::from(count), Relaxed))
    }

    /// Makes this the next number.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn start_at(&self, id: u32) {
        self.tickets.store(i64::from(id), Relaxed);
    }

    /// An object came, or came back. Returns how many there are now.
    #[inline]
    pub(crate) fn came(&self, details: bool) -> u32 {
        if details {
            self.details.add(1, Relaxed);
        }
        (self.objects.fetch_add(ONE_MORE, Full) as u32).wrapping_add(1)
    }

    /// An object goes. Returns how many there are now.
    #[inline]
    pub(crate) fn went(&self, details: bool) -> u32 {
        if details {
            self.details.add(-1, Relaxed);
        }
        (self.objects.fetch_add(ONE_LESS, Full) as u32).wrapping_sub(1)
    }

    /// An object goes out of sight or comes back, or one that was out of sight goes. Returns how many
    /// there are, as before.
    #[inline]
    pub(crate) fn changed(&self) -> u32 {
        self.objects.fetch_add(CHANGE, Full) as u32
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

    /// How many objects a lookup can find, with or without those that have driver details.
    ///
    /// The two counters are not read at once: while objects come and go, the result is one that was
    /// nearly true.
    #[inline]
    pub(crate) fn count(&self, details: bool) -> i32 {
        let all = self.objects.load(Relaxed) as i32;
        let hidden = match details {
            true => 0,
            false => self.details.load(Relaxed),
        };
        all.wrapping_sub(hidden).max(0)
    }

    /// A number that changes whenever an object comes or goes, or is out of sight for the time of a
    /// sync; never zero.
    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        // The lowest bit keeps it from being zero.
        (((self.objects.load(Acquire) >> 32) as u32) << 1) | 1
    }
}
