// SPDX-License-Identifier: GPL-2.0

//! What only the one who builds and destroys an object may do with its entry.

use super::{
    Entry,
    State, //
};
use crate::{
    bindings,
    clock::{
        self,
        Moment, //
    },
    key::Key,
    kind::Kind,
    owner::Owner,
    sync::{
        atomic::write_once,
        Put, //
    }, //
};
use core::{
    borrow::Borrow,
    cell::Cell,
    mem,
    ops::Deref,
    ptr, //
};
use kernel::{
    prelude::*,
    time::{
        self,
        Jiffies, //
    }, //
};

/// The right to build, track and destroy an entry.
///
/// # Invariants
///
/// - The entry was zeroed or initialised before it was first used, and is alive.
/// - There is no other `Updater` of it.
pub(crate) struct Updater<'a>(&'a Entry);

impl Deref for Updater<'_> {
    type Target = Entry;

    #[inline]
    fn deref(&self) -> &Entry {
        self.0
    }
}

/// How long a deletion waits before it says so, in jiffies.
fn report_period() -> Jiffies {
    const DAY: u32 = 24 * 60 * 60;
    /// The value of a parameter, to which Linux 7.2 returns a reference.
    fn value_of(parameter: impl Borrow<u32>) -> u32 {
        *parameter.borrow()
    }
    let seconds = value_of(crate::module_parameters::wait_report.value()).min(DAY);
    time::msecs_to_jiffies(seconds.saturating_mul(1000))
}

impl<'a> Updater<'a> {
    /// The updater of an entry.
    ///
    /// # Safety
    ///
    /// The type invariants.
    #[inline]
    pub(crate) unsafe fn new(entry: &'a Entry) -> Self {
        // INVARIANT: By the requirement of this function.
        Self(entry)
    }

    /// Makes the updater's reference if there is no reference.
    ///
    /// That is so for an entry that was zeroed and has not been through [`Entry::init`], and for one
    /// that was deleted.
    #[inline]
    pub(crate) fn init_references(&self) {
        if self.is_alive() {
            return;
        }
        // SAFETY: Without a reference nobody puts one, and the only one to wait is the updater.
        unsafe { self.comp.init() };
        self.kref.init();
    }

    /// The owner of a new entry, to be changed. `None` for an entry whose owner others may be
    /// reading.
    #[inline]
    pub(crate) fn owner_mut(&mut self) -> Option<OwnerMut<'_>> {
        if self.state() != State::New {
            return None;
        }
        Some(OwnerMut {
            // SAFETY: A new entry is in no table and has no reader, and its only updater is borrowed
            // as long as this.
            owner: unsafe { &mut *self.0.owner.get() },
            user: &self.0.user,
        })
    }

    /// From now on the entry is tracked.
    ///
    /// # Safety
    ///
    /// The entry is new and has a reference, so that its completion is initialised.
    #[inline]
    pub(crate) unsafe fn mark_tracked(&self) {
        self.since.set(Moment::now());
        write_once(&self.state, State::Tracked);
        self.valid.set(true);
    }

    /// From now on the entry is tracked no more, and its owner is released.
    ///
    /// # Safety
    ///
    /// The entry is in no table and has no reader.
    #[inline]
    pub(crate) unsafe fn mark_untracked(&self) {
        self.valid.set(false);
        write_once(&self.state, State::New);
        // SAFETY: By the requirement of this function nobody else uses the owner.
        unsafe { &mut *self.owner.get() }.release();
    }

    /// Says in which table the entry is, and where.
    ///
    /// # Safety
    ///
    /// The entry is linked in a table of `root` before anybody else sees it.
    #[inline]
    pub(crate) unsafe fn mark_linked(
        &self,
        root: *mut bindings::rdma_restrack_root,
        id: u32,
        key: Key,
        details: bool,
    ) {
        // INVARIANT: By the requirement of this function.
        write_once(&self.root, root);
        self.id.set(id);
        self.key.set(key);
        self.flags.set(if details { Entry::DETAILS } else { 0 });
    }

    /// Says that the entry is in no table.
    ///
    /// # Safety
    ///
    /// It was unlinked.
    #[inline]
    pub(crate) unsafe fn mark_unlinked(&self) {
        // INVARIANT: By the requirement of this function.
        write_once(&self.root, ptr::null_mut());
    }

    /// Drops the updater's reference and waits until the last reader has left. Sleeps.
    ///
    /// No new reader comes meanwhile: lookups see the state, [`State::Dying`] or
    /// [`State::Syncing`], which is stored before the reference is dropped; see
    /// [`Entry::find_or_state`].
    ///
    /// # Safety
    ///
    /// The entry is tracked, so that its completion is initialised.
    #[inline]
    pub(crate) unsafe fn drain(&self, state: State) {
        write_once(&self.state, state);
        if !self.kref.put_if_last() {
            // INVARIANT: It stands for `self`, which waits meanwhile.
            Updater(self.0).wait_for_readers(report_period(), |entry, waited, times| {
                entry.report_wait(waited, times);
            });
        }
    }

    /// Makes the updater's reference again after [`Self::drain`].
    ///
    /// To be called with the lock held if the entry is in a table: a reader who finds it afterwards
    /// sees all that the updater did before.
    ///
    /// # Safety
    ///
    /// The entry was drained, and was not restored since.
    #[inline]
    pub(crate) unsafe fn restore(&self) {
        write_once(&self.state, State::Tracked);
        // The completion is as new: nobody completed it, or the wait has consumed that.
        self.kref.init();
    }

    /// Becomes what another entry is, but for its place and its references. The other one becomes an
    /// entry that was never added.
    ///
    /// # Safety
    ///
    /// Neither has a reader.
    pub(crate) unsafe fn take_over(&self, other: &Updater<'_>) {
        self.kind.set(other.kind.get());
        self.no_track.set(other.no_track.get());
        self.user.set(other.user.get());
        self.since.set(other.since.get());
        self.id.set(other.id.get());
        // SAFETY: By the requirement of this function nobody else uses the owners, and two updaters
        // are of two entries.
        unsafe { ptr::swap(self.owner.get(), other.owner.get()) };
        write_once(&self.state, other.state());
        write_once(&other.state, State::New);
        self.valid.set(other.valid.replace(false));
    }
}

/// The owner of a new entry, to be changed.
pub(crate) struct OwnerMut<'a> {
    owner: &'a mut Owner,
    user: &'a Cell<bool>,
}

impl OwnerMut<'_> {
    /// Gives the object to this owner.
    #[inline]
    pub(crate) fn set(self, owner: Owner) {
        self.user.set(owner.process().is_some());
        drop(mem::replace(self.owner, owner));
    }
}

/// Waiting for readers.
impl Updater<'_> {
    /// The part of [`Self::drain`] for an entry with readers. Calls `report` after each `period` of
    /// jiffies, unless that is zero, with the jiffies waited so far and the number of reports.
    #[cold]
    pub(super) fn wait_for_readers(
        self,
        period: Jiffies,
        mut report: impl FnMut(&Entry, Jiffies, u32),
    ) {
        match self.kref.put() {
            Put::Last => return,
            Put::NotLast => {}
            // Somebody put the updater's reference, and has completed `comp` or is about to. The
            // entry must not go before that.
            Put::None => self.warn_of_put(),
        }
        if period == 0 {
            // SAFETY: The entry is not new, so `comp` is initialised, by the type invariant.
            unsafe { self.comp.wait() };
        } else {
            let (mut waited, mut times): (Jiffies, u32) = (0, 0);
            // SAFETY: The entry is not new, so `comp` is initialised, by the type invariant.
            while !unsafe { self.comp.wait_timeout(period) } {
                waited = waited.saturating_add(period);
                times = times.saturating_add(1);
                report(&self, waited, times);
            }
        }
        // Zero already, unless it was saturated.
        self.kref.clear();
    }
}

impl Entry {
    /// Reports a deletion that waits: for how many jiffies so far, and how often it was reported.
    ///
    /// The hung-task detector does not see it, as the wait has a timeout. The stack is printed at
    /// the first, second, fourth ... report, lest it fill the log.
    fn report_wait(&self, waited: Jiffies, times: u32) {
        let kind = self.kind().map_or(c"?", Kind::name);
        let (id, owner, waited) = (self.id(), self.owner(), clock::seconds(waited as u64));
        match self.kref.count() {
            count @ 0.. => pr_warn!(
                "{kind} {id} of {owner}: its deletion has been waiting for {waited} s, {count} references are held\n"
            ),
            _ => pr_warn!(
                "{kind} {id} of {owner}: its deletion has been waiting for {waited} s, its references are saturated\n"
            ),
        }
        if times.is_power_of_two() {
            // SAFETY: The function prints the stack of this thread, and has no requirement.
            unsafe { bindings::restrack_helper_dump_stack() };
        }
    }
}
