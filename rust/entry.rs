// SPDX-License-Identifier: GPL-2.0

//! What every tracked object carries, and the references to it.

use crate::{
    bindings,
    bucket::{
        Linked,
        Node, //
    },
    clock::Moment,
    key::Key,
    kind::Kind,
    misuse::Misuse,
    owner::Owner,
    sync::{
        atomic::{
            load_acquire,
            read_once, //
        },
        smp_rmb,
        Completion,
        Kref,
        Put, //
    }, //
};
use core::{
    cell::{
        Cell,
        UnsafeCell, //
    },
    mem::offset_of,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Atomic,
            AtomicType,
            Release, //
        }, //
    }, //
};

mod updater;

pub(crate) use updater::Updater;

/// Where in its life an entry is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Not tracked: not added yet, or deleted.
    New,
    /// Tracked: a lookup finds it.
    Tracked,
    /// No lookup finds it, and the last reference goes with the last reader. The entry stays in its
    /// table until the object is gone, or its destruction has failed.
    Dying,
    /// As dying, but only its readers go, not the object.
    Syncing,
}

// SAFETY: Each state is a byte, as an `i8` is.
unsafe impl AtomicType for State {
    type Repr = i8;
}

/// `struct rdma_restrack_entry`.
///
/// Who builds and destroys the object is the entry's [*updater*](Updater): one thread at a time.
/// *Readers* hold references, and come and go at any time. The *lock* is that of the entry's bucket.
///
/// | field | written | read |
/// | --- | --- | --- |
/// | `kref`, `comp` | by all | by all |
/// | `kind`, `no_track`, `user`, `owner` | by the updater, while the entry is in no table and has no reader | by all |
/// | `node`, `id`, `key`, `flags`, `root` | with the lock | with the lock; by the updater; all but `node` and `flags` by readers |
/// | `valid` | by the updater; when the root is cleaned | by the updater |
/// | `since` | by the updater | by the updater; with the lock |
/// | `state` | by the updater | by all, at any time |
///
/// Cleaning a root makes its entries invalid and, last of all, clears their `root`. So an updater
/// that finds NULL there may free the entry. The state of such an *orphan* is what it was: a tracked
/// one may have readers, and the updater of a dying one may be waiting for them.
///
/// # Invariants
///
/// - `comp` is initialised unless the entry is new, or stands in for another one: then there is no
///   reference, and nobody puts one.
/// - `root` points to the root in whose table `node` is linked, or is NULL.
/// - An entry is neither moved nor freed while it is in a table or has a reference.
#[repr(C)]
pub(crate) struct Entry {
    valid: Cell<bool>,
    kref: Kref,
    comp: Completion,
    owner: UnsafeCell<Owner>,
    node: Node,
    kind: Cell<bindings::rdma_restrack_type>,
    id: Cell<u32>,
    no_track: Cell<bool>,
    user: Cell<bool>,
    flags: Cell<u8>,
    state: Atomic<State>,
    since: Cell<Moment>,
    key: Cell<Key>,
    root: Atomic<*mut bindings::rdma_restrack_root>,
}

// The members that C code uses are where it looks for them; the rest is bytes to it.
const _: () = {
    use bindings::rdma_restrack_entry as C;
    assert!(size_of::<Entry>() == size_of::<C>());
    assert!(align_of::<Entry>() == align_of::<C>());
    assert!(offset_of!(Entry, valid) == offset_of!(C, valid));
    assert!(offset_of!(Entry, kref) == offset_of!(C, kref));
    assert!(offset_of!(Entry, comp) == offset_of!(C, comp));
    assert!(offset_of!(Entry, owner) == offset_of!(C, task));
    assert!(offset_of!(Entry, owner) + size_of::<*mut ()>() == offset_of!(C, kern_name));
    assert!(offset_of!(Entry, node) == offset_of!(C, __bindgen_anon_1));
    assert!(offset_of!(Entry, kind) == offset_of!(C, type_));
    assert!(offset_of!(Entry, id) == offset_of!(C, id));
    assert!(offset_of!(Entry, no_track) == offset_of!(C, no_track));
    assert!(offset_of!(Entry, user) == offset_of!(C, user));
    assert!(offset_of!(Entry, flags) == offset_of!(C, opaque));
};

// SAFETY: All fields may be zero: that is an entry that C allocated and that is not used yet.
#[cfg(CONFIG_KUNIT = "y")]
unsafe impl pin_init::Zeroable for Entry {}

// SAFETY: `node` is where the offset says. The lock protects `flags`, and `key` does not change while
// the entry is in a bucket.
unsafe impl Linked for Entry {
    const NODE_OFFSET: usize = offset_of!(Entry, node);

    #[inline]
    fn node(&self) -> &Node {
        &self.node
    }

    #[inline]
    fn key(&self) -> Key {
        self.key()
    }

    #[inline]
    fn is_sibling(&self) -> bool {
        self.flags.get() & Self::SIBLING != 0
    }

    #[inline]
    unsafe fn set_sibling(&self, is_sibling: bool) {
        let others = self.flags.get() & !Self::SIBLING;
        self.flags.set(match is_sibling {
            true => others | Self::SIBLING,
            false => others,
        });
    }
}

impl Entry {
    /// Bit of `flags`: the object is shown only to those who ask for driver details.
    const DETAILS: u8 = 1 << 0;

    /// Bit of `flags`: another entry with the same number is in the chain, and this one in its tree.
    const SIBLING: u8 = 1 << 1;

    /// Initialises the entry at `this`, whatever was there before.
    ///
    /// # Safety
    ///
    /// `this` is valid for writes, and nobody uses what is there: it is not an entry that is tracked
    /// or has an owner.
    #[inline]
    pub(crate) unsafe fn init(this: *mut Self, kind: bindings::rdma_restrack_type) {
        let new = Self {
            valid: Cell::new(false),
            kref: Kref::one(),
            comp: Completion::zeroed(),
            owner: UnsafeCell::new(Owner::nobody()),
            node: Node::new(),
            kind: Cell::new(kind),
            id: Cell::new(0),
            no_track: Cell::new(false),
            user: Cell::new(false),
            flags: Cell::new(0),
            state: Atomic::new(State::New),
            since: Cell::new(Moment::ZERO),
            key: Cell::new(Key::FIRST),
            root: Atomic::new(ptr::null_mut()),
        };
        // SAFETY: By the requirements of this function.
        unsafe { this.write(new) };
        // SAFETY: By now it is an entry, which nobody else uses yet.
        let entry = unsafe { &*this };
        // SAFETY: Nobody else uses the entry yet, and it does not move, by its type invariant.
        unsafe { entry.comp.init() };
    }

    /// The type of the object, as C code gave it.
    #[inline]
    pub(crate) fn raw_kind(&self) -> bindings::rdma_restrack_type {
        self.kind.get()
    }

    /// The type of the object, unless there is no such type.
    #[inline]
    pub(crate) fn kind(&self) -> Option<Kind> {
        Kind::from_raw(self.kind.get())
    }

    /// Returns true from add to del, unless the root was cleaned.
    #[inline]
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn is_valid(&self) -> bool {
        self.valid.get()
    }

    /// Returns true if the entry is kept out of the table.
    #[inline]
    pub(crate) fn is_untracked(&self) -> bool {
        self.no_track.get()
    }

    /// Where in its life the entry is.
    #[inline]
    pub(crate) fn state(&self) -> State {
        read_once(&self.state)
    }

    /// The number of the object.
    #[inline]
    pub(crate) fn id(&self) -> u32 {
        self.id.get()
    }

    /// Where the entry is among those of its kind.
    #[inline]
    pub(crate) fn key(&self) -> Key {
        self.key.get()
    }

    /// Returns true if the object is shown only to those who ask for driver details.
    #[inline]
    pub(crate) fn has_details(&self) -> bool {
        self.flags.get() & Self::DETAILS != 0
    }

    /// How long the entry has been tracked, in seconds.
    pub(crate) fn age(&self) -> u64 {
        self.since.get().age()
    }

    /// The root in whose table the entry is, or NULL.
    ///
    /// Who reads NULL sees all that [`Self::orphan`] did.
    #[inline]
    pub(crate) fn root(&self) -> *mut bindings::rdma_restrack_root {
        load_acquire(&self.root)
    }

    /// Says that the entry's root was cleaned.
    ///
    /// # Safety
    ///
    /// The entry was unlinked, and the lock of its bucket is still held. The caller does not use the
    /// entry any more: its updater may free it at once.
    pub(crate) unsafe fn orphan(&self) {
        self.valid.set(false);
        // INVARIANT: `node` is linked nowhere.
        self.root.store(ptr::null_mut(), Release);
    }

    /// Who owns the object.
    #[inline]
    pub(crate) fn owner(&self) -> &Owner {
        // SAFETY: The owner changes only while the entry is in no table and has no reader, and then
        // through its updater, who cannot hold this borrow: see `Updater::owner_mut()`.
        unsafe { &*self.owner.get() }
    }

    /// Returns true if the object belongs to the kernel, or to nobody yet.
    #[inline]
    pub(crate) fn is_kernel(&self) -> bool {
        !self.user.get()
    }

    /// Returns true if the object belongs to a process, or to the kernel in a name.
    #[inline]
    pub(crate) fn has_owner(&self) -> bool {
        self.owner().process().is_some()
            || (self.is_kernel() && self.owner().kernel_name().is_some())
    }
}

/// References.
impl Entry {
    /// Takes a reference. Returns false if the object is gone. Takes no lock and does not sleep.
    #[inline]
    #[must_use = "without a reference the object may go away"]
    pub(crate) fn get(&self) -> bool {
        self.kref.get_unless_zero()
    }

    /// The fast path of [`Self::get`]. Returns false if that has to be called.
    #[inline]
    #[must_use = "the reference may not have been taken"]
    pub(crate) fn try_get(&self) -> bool {
        self.kref.try_get()
    }

    /// The fast path of [`Self::put`]. Returns false if that has to be called.
    ///
    /// # Safety
    ///
    /// As for [`Self::put`].
    #[inline]
    #[must_use = "the reference may not have been dropped"]
    pub(crate) unsafe fn try_put(&self) -> bool {
        self.kref.try_put()
    }

    /// Takes a reference for a lookup. Returns `None` if the object is going away.
    #[inline]
    pub(crate) fn find(&self) -> Option<ARef<Entry>> {
        if self.state() != State::Tracked || !self.get() {
            return None;
        }
        // SAFETY: The reference that was just taken is the new one's.
        Some(unsafe { ARef::from_raw(NonNull::from(self)) })
    }

    /// As [`Self::find`], but returns the state of an entry that is not found: [`State::New`] if it
    /// is not tracked, or somebody put the reference of its updater.
    ///
    /// To be called with the lock held, so that the entry is not restored meanwhile.
    pub(crate) fn find_or_state(&self) -> Result<ARef<Entry>, State> {
        if let Some(found) = self.find() {
            return Ok(found);
        }
        // Pairs with the release of `Kref::put_if_last()` in `Updater::drain()`, which stores the
        // state first: a reader who finds no reference reads that state, not an earlier one.
        smp_rmb();
        Err(match self.state() {
            State::Tracked => State::New,
            state => state,
        })
    }

    /// Drops a reference. Returns true if it was the last. Takes no lock, except to wake a waiter,
    /// and does not sleep.
    ///
    /// # Safety
    ///
    /// The caller gives up a reference that it has. (To put one too many is noticed if there is none
    /// at all, with a warning.)
    #[inline]
    pub(crate) unsafe fn put(&self) -> bool {
        match self.kref.put() {
            Put::NotLast => false,
            Put::Last => {
                self.last_put();
                true
            }
            Put::None => {
                self.warn_of_put();
                false
            }
        }
    }

    /// Releases what the last reference held.
    #[cold]
    fn last_put(&self) {
        match self.state() {
            // The entry was never added: nobody is going to delete it.
            State::New => {
                // SAFETY: It is in no table, and this was the last reference, so nobody else uses
                // the owner.
                unsafe { &mut *self.owner.get() }.release();
            }
            // The updater waits for this. It does so also for an entry that is tracked, of which
            // somebody put the updater's own reference.
            State::Dying | State::Syncing | State::Tracked => {
                // SAFETY: The entry is not new, so this is initialised, by the type invariant.
                unsafe { self.comp.complete() }
            }
        }
    }

    /// Warns of a reference that was put more often than it was taken.
    #[cold]
    fn warn_of_put(&self) {
        Misuse::PutTooOften.warn(c"rdma_restrack_put", self.raw_kind(), self.id());
    }

    /// Returns true if there is a reference, so that another can be had.
    #[inline]
    pub(crate) fn is_alive(&self) -> bool {
        !self.kref.is_zero()
    }
}

// SAFETY: An entry is neither moved nor freed while it has a reference, by its type invariant: its
// updater waits for the last one.
unsafe impl AlwaysRefCounted for Entry {
    fn inc_ref(&self) {
        self.kref.get();
    }

    unsafe fn dec_ref(entry: NonNull<Self>) {
        // SAFETY: The caller has a reference, so the entry is alive.
        let entry = unsafe { entry.as_ref() };
        // SAFETY: The caller gives up that reference.
        unsafe { entry.put() };
    }
}

#[kernel::prelude::kunit_tests(restrack_entry)]
mod tests {
    use super::*;
    use crate::{
        fixture::{
            kernel_name,
            usage,
            TestEntry, //
        },
        lifecycle,
        owner,
        sync::atomic::write_once, //
    };

    /// An entry of the current process that is tracked, in no table.
    fn tracked() -> Result<TestEntry> {
        let entry = TestEntry::new(Kind::Pd)?;
        // SAFETY: New, with a reference.
        unsafe { entry.updater().mark_tracked() };
        Ok(entry)
    }

    #[test]
    fn zeroed_entry_is_not_tracked() -> Result {
        let entry = TestEntry::zeroed()?;
        assert!(!entry.is_valid());
        assert!(entry.state() == State::New);
        assert!(!entry.is_alive());
        assert!(!entry.get());
        assert!(entry.is_kernel());
        assert!(entry.owner().is_nobody());
        Ok(())
    }

    #[test]
    fn only_the_last_put_returns_true() -> Result {
        let entry = TestEntry::new(Kind::Pd)?;
        assert!(entry.get());
        assert!(!entry.put());
        assert!(entry.put());
        assert!(!entry.is_alive());
        assert!(!entry.get());
        Ok(())
    }

    #[test]
    fn last_put_of_a_new_entry_releases_the_owner() -> Result {
        let task = owner::current_process();
        let before = usage(&task);
        let entry = TestEntry::new(Kind::Pd)?;
        assert_eq!(usage(&task), before + 1);
        assert!(entry.put());
        assert_eq!(usage(&task), before);
        Ok(())
    }

    #[test]
    fn last_put_of_a_dying_entry_keeps_the_owner() -> Result {
        let task = owner::current_process();
        let before = usage(&task);
        let entry = tracked()?;
        write_once(&entry.state, State::Dying);
        assert!(entry.put());
        assert!(is_done(&entry));
        assert_eq!(usage(&task), before + 1);
        lifecycle::del(entry.updater());
        assert_eq!(usage(&task), before);
        Ok(())
    }

    /// Returns true if nobody has to wait for the last reader any more.
    fn is_done(entry: &Entry) -> bool {
        // SAFETY: The entry is initialised, and so is this.
        unsafe { entry.comp.is_done() }
    }

    #[test]
    fn drain_without_a_reader_does_not_wait() -> Result {
        let entry = tracked()?;
        // SAFETY: It is tracked.
        unsafe { entry.updater().drain(State::Dying) };
        assert!(!entry.get());
        Ok(())
    }

    #[test]
    fn waiting_deletion_reports_each_time() -> Result {
        let entry = tracked()?;
        assert!(entry.get());
        let mut told = [0; 3];
        let mut reports = 0;
        write_once(&entry.state, State::Dying);
        entry.updater().wait_for_readers(1, |_, waited, times| {
            assert_eq!(times as usize, reports + 1);
            if let Some(told) = told.get_mut(reports) {
                *told = waited;
            }
            reports += 1;
            assert_eq!(entry.kref.count(), 1);
            if reports == 3 {
                entry.put();
            }
        });
        assert_eq!(reports, 3);
        assert_eq!(told, [1, 2, 3]);
        Ok(())
    }

    #[test]
    fn drain_waits_while_the_count_is_saturated() -> Result {
        let entry = tracked()?;
        entry.kref.saturate();
        let mut reports = 0;
        write_once(&entry.state, State::Dying);
        entry.updater().wait_for_readers(1, |entry, _, times| {
            reports = times;
            // SAFETY: The count is saturated, so there are references.
            assert!(!unsafe { entry.put() });
            if times == 5 {
                // SAFETY: The entry is initialised, and so is this.
                unsafe { entry.comp.complete() };
            }
        });
        assert_eq!(reports, 5);
        assert!(!entry.is_alive());
        Ok(())
    }

    /// Somebody puts the updater's reference, before it begins to delete the entry and after.
    #[test]
    fn last_put_by_others_completes() -> Result {
        for state in [State::Tracked, State::Dying, State::Syncing] {
            let entry = tracked()?;
            write_once(&entry.state, state);
            assert!(!is_done(&entry));
            assert!(entry.put());
            assert!(is_done(&entry));
            // SAFETY: The entry is initialised, and so is this.
            unsafe { entry.comp.wait() };
            // SAFETY: It has no reader, as if it was drained.
            unsafe { entry.updater().restore() };
        }
        Ok(())
    }

    #[test]
    fn restored_entry_can_be_had_and_drained_again() -> Result {
        let entry = tracked()?;
        for _ in 0..3 {
            // SAFETY: It is tracked.
            unsafe { entry.updater().drain(State::Dying) };
            assert!(!entry.get());
            // SAFETY: It was drained.
            unsafe { entry.updater().restore() };
            assert!(entry.state() == State::Tracked);
            assert!(entry.get());
            assert!(!entry.put());
        }
        Ok(())
    }

    #[test]
    fn found_reference_puts_itself() -> Result {
        let entry = tracked()?;
        let first = entry.find().ok_or(EINVAL)?;
        let second = first.clone();
        drop(first);
        drop(second);
        // SAFETY: It is tracked.
        unsafe { entry.updater().drain(State::Dying) };
        assert!(entry.find().is_none());
        Ok(())
    }

    #[test]
    fn only_a_new_entry_gets_another_owner() -> Result {
        let entry = TestEntry::new(Kind::Pd)?;
        let mut updater = entry.updater();
        assert!(updater.owner_mut().is_some());
        // SAFETY: New, with a reference.
        unsafe { updater.mark_tracked() };
        assert!(updater.owner_mut().is_none());
        // SAFETY: It is tracked.
        unsafe { updater.drain(State::Dying) };
        assert!(updater.owner_mut().is_none());
        Ok(())
    }

    #[test]
    fn child_has_the_owner_of_its_parent() -> Result {
        let task = owner::current_process();
        let before = usage(&task);
        let name = kernel_name(c"ib_core");
        {
            let (parent, child) = (TestEntry::new(Kind::Pd)?, TestEntry::zeroed()?);
            lifecycle::parent_name(child.updater(), &parent);
            assert!(!child.is_kernel());
            assert_eq!(usage(&task), before + 2);

            lifecycle::set_name(parent.updater(), name);
            lifecycle::parent_name(child.updater(), &parent);
            assert!(child.is_kernel());
            assert!(child.owner().kernel_name() == name);
            assert_eq!(usage(&task), before);

            // An entry may be its own parent.
            lifecycle::parent_name(child.updater(), &child);
            assert!(child.owner().kernel_name() == name);
        }
        assert_eq!(usage(&task), before);
        Ok(())
    }
}
