// SPDX-License-Identifier: GPL-2.0

//! What a root counts for one kind of object.

#[cfg(CONFIG_KUNIT = "y")]
use crate::instant::Instant;
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Full,
    Relaxed, //
};

/// Every add and del writes it, after the lock of the bucket was released. It is in another cache line
/// than what lookups read.
#[repr(C)]
pub(crate) struct Counts {
    tickets: Atomic<i64>,
    objects: Atomic<i64>,
    details: Atomic<i32>,
    restored: Atomic<i32>,
    apart: [u64; 5],
}

/// A number of its own for each add.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(i64);

impl Ticket {
    /// The number for an object that brings none along. It is given out again when all numbers have
    /// been.
    #[inline]
    pub(crate) fn id(self) -> u32 {
        self.0 as u32
    }

    /// The serial number for an object with [`Self::id`]: how often that has wrapped.
    #[inline]
    pub(crate) fn wraps(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The serial number for an object that brings a number along.
    #[inline]
    pub(crate) fn serial(self) -> u32 {
        self.0 as u32
    }
}

/// What is added to `objects`. Its lower half is the number of objects that lookups find, its upper
/// half how often that or the visibility of an object has changed.
const CHANGE: i64 = 1 << 32;
const ONE_MORE: i64 = CHANGE + 1;
/// The lower half is not zero then, so that it borrows nothing from the upper half.
const ONE_LESS: i64 = CHANGE - 1;

impl Counts {
    /// The next ticket; the `count - 1` after it are given to nobody.
    #[inline]
    pub(crate) fn ticket(&self, count: u32) -> Ticket {
        #[cfg(CONFIG_KUNIT = "y")]
        Instant::DrawTicket.reach();
        Ticket(self.tickets.fetch_add(i64::from(count), Relaxed))
    }

    /// Makes this the next number.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn start_at(&self, id: u32) {
        self.tickets.store(i64::from(id), Relaxed);
    }

    /// Counts an object. Returns how many there are now.
    #[inline]
    pub(crate) fn inc(&self, details: bool) -> u32 {
        if details {
            self.details.add(1, Relaxed);
        }
        #[cfg(CONFIG_KUNIT = "y")]
        Instant::CountObject.reach();
        (self.objects.fetch_add(ONE_MORE, Full) as u32).wrapping_add(1)
    }

    /// Counts an object no more. Returns how many there are now.
    #[inline]
    pub(crate) fn dec(&self, details: bool) -> u32 {
        if details {
            self.details.add(-1, Relaxed);
        }
        (self.objects.fetch_add(ONE_LESS, Full) as u32).wrapping_sub(1)
    }

    /// Counts a change that leaves the number of objects as it is. Returns that number.
    #[inline]
    pub(crate) fn touch(&self) -> u32 {
        self.objects.fetch_add(CHANGE, Full) as u32
    }

    /// Counts a deletion that was taken back.
    #[inline]
    pub(crate) fn inc_restores(&self) {
        let _ = self.restored.fetch_add(1, Full);
    }

    /// How many deletions were taken back.
    #[inline]
    pub(crate) fn restores(&self) -> u32 {
        self.restored.load(Acquire) as u32
    }

    /// How many objects a lookup can find, with or without those that have driver details.
    ///
    /// The two counters are not read at once: the result may be off by adds and deletions at that
    /// moment.
    #[inline]
    pub(crate) fn count(&self, details: bool) -> i32 {
        let all = self.objects.load(Relaxed) as i32;
        let hidden = match details {
            true => 0,
            false => self.details.load(Relaxed),
        };
        all.wrapping_sub(hidden).max(0)
    }

    /// A number that changes with each add and deletion, and when a sync begins and ends. Never zero.
    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        // The lowest bit is always set.
        (((self.objects.load(Acquire) >> 32) as u32) << 1) | 1
    }
}

#[kernel::prelude::kunit_tests(restrack_counts)]
mod tests {
    use super::*;
    use crate::fixture;
    use kernel::{
        prelude::*,
        sync::Arc, //
    };

    fn counts() -> Counts {
        Counts {
            tickets: Atomic::new(0),
            objects: Atomic::new(0),
            details: Atomic::new(0),
            restored: Atomic::new(0),
            apart: [0; 5],
        }
    }

    /// Returns true if each change adds one to the generation, and changes the count by as much as it
    /// should.
    fn is_in_step(counts: &Counts) -> bool {
        let step = |change: &dyn Fn() -> u32, difference: i32| {
            let (count, generation) = (counts.count(true), counts.generation());
            let now = change();
            now as i32 == count + difference
                && counts.count(true) == count + difference
                && counts.generation() == generation.wrapping_add(2)
                && counts.generation() != 0
        };
        step(&|| counts.inc(false), 1)
            && step(&|| counts.inc(true), 1)
            && step(&|| counts.touch(), 0)
            && step(&|| counts.dec(true), -1)
            && step(&|| counts.dec(false), -1)
            && step(&|| counts.touch(), 0)
    }

    #[test]
    fn each_change_of_the_count_changes_the_generation() {
        let counts = counts();
        assert!(is_in_step(&counts));
        assert_eq!(counts.inc(false), 1);
        assert!(is_in_step(&counts));
        assert_eq!(counts.count(true), 1);
    }

    #[test]
    fn generation_wraps_and_leaves_the_count() {
        let counts = counts();
        // A few changes before the upper half wraps, and before the generation does.
        for upper in [-1, -2, -3, -6, 0x7fff_ffff, 0x7fff_fffe, 0x7fff_fffb] {
            for lower in [0, 1, 2, 0x7fff_0000] {
                counts.objects.store(upper * CHANGE + lower, Relaxed);
                assert!(is_in_step(&counts));
                assert_eq!(i64::from(counts.count(true)), lower);
            }
        }
    }

    #[test]
    fn objects_with_details_are_counted_apart() {
        let counts = counts();
        counts.inc(true);
        counts.inc(false);
        counts.inc(true);
        assert_eq!((counts.count(true), counts.count(false)), (3, 1));
        counts.dec(false);
        assert_eq!((counts.count(true), counts.count(false)), (2, 0));
        counts.dec(true);
        assert_eq!((counts.count(true), counts.count(false)), (1, 0));
        counts.dec(true);
        assert_eq!((counts.count(true), counts.count(false)), (0, 0));
    }

    #[test]
    fn no_two_tickets_are_equal() {
        let counts = counts();
        counts.start_at(u32::MAX - 1);
        let parts = |ticket: Ticket| (ticket.id(), ticket.wraps(), ticket.serial());
        assert_eq!(parts(counts.ticket(1)), (u32::MAX - 1, 0, u32::MAX - 1));
        assert_eq!(parts(counts.ticket(1)), (u32::MAX, 0, u32::MAX));
        assert_eq!(parts(counts.ticket(100)), (0, 1, 0));
        assert_eq!(parts(counts.ticket(1)), (100, 1, 100));
        assert_eq!(parts(counts.ticket(0)), (101, 1, 101));
        // The counter becomes negative.
        counts.tickets.store(i64::MAX, Relaxed);
        assert_eq!(parts(counts.ticket(1)), (u32::MAX, 0x7fff_ffff, u32::MAX));
        assert_eq!(parts(counts.ticket(1)), (0, 0x8000_0000, 0));
    }

    #[test]
    fn objects_that_come_at_the_same_time_are_both_counted() -> Result {
        let counts = Arc::new(counts(), GFP_KERNEL)?;
        let other = counts.clone();
        let count = fixture::interleave(
            Instant::CountObject,
            move || other.inc(true),
            || counts.inc(false),
        )?;
        assert!(count == (2, 1));
        assert_eq!((counts.count(true), counts.count(false)), (2, 1));
        assert!(is_in_step(&counts));
        Ok(())
    }

    #[test]
    fn tickets_that_are_drawn_at_the_same_time_differ() -> Result {
        let counts = Arc::new(counts(), GFP_KERNEL)?;
        let other = counts.clone();
        let ids = fixture::interleave(
            Instant::DrawTicket,
            move || other.ticket(1).id(),
            || counts.ticket(1).id(),
        )?;
        assert!(ids == (1, 0));
        Ok(())
    }

    #[test]
    fn restores_are_counted_and_wrap() {
        let counts = counts();
        counts.restored.store(i32::MAX, Relaxed);
        counts.inc_restores();
        assert_eq!(counts.restores(), 0x8000_0000);
    }
}
