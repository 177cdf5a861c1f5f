// SPDX-License-Identifier: GPL-2.0

//! What every tracked object carries, and the references to it.

use crate::{
    bindings,
    bucket::{
        Linked,
        Node, //
    },
    clock::{
        self,
        Moment, //
    },
    key::Key,
    kind::Kind,
    misuse::Misuse,
    owner::{
        self,
        KernelName,
        Owner, //
    },
    sync::{
        smp_rmb,
        Completion,
        Kref,
        Once,
        Put, //
    }, //
};
use core::{
    borrow::Borrow,
    cell::Cell,
    mem::offset_of,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    task::Task,
    time::{
        self,
        Jiffies, //
    }, //
};

/// Where in its life an entry is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Not tracked: not added yet, or deleted.
    New,
    /// Tracked: a lookup finds it.
    Tracked,
    /// Lookups pass it over, and nobody has a reference as soon as the last reader has left. The
    /// entry keeps its place until it is known whether the object really goes.
    Dying,
    /// As dying, but the object does not go: only its readers do.
    Syncing,
}

/// `struct rdma_restrack_entry`.
///
/// The one who builds and destroys the object is its *keeper*: one thread at a time, as the C
/// interface demands. *Readers* hold references, and come and go at any time. The *lock* is that of
/// the entry's bucket.
///
/// | field | written | read |
/// | --- | --- | --- |
/// | `kref`, `comp` | by all | by all |
/// | `kind`, `no_track`, `user`, `owner` | by the keeper, before it is linked or after | by all |
/// | `node`, `id`, `key`, `flags`, `root` | with the lock | with the lock; by the keeper; but for `node`, `flags` by readers |
/// | `valid` | by the keeper; when the root is cleaned | by the keeper |
/// | `since` | by the keeper | by the keeper; with the lock |
/// | `state` | by the keeper | by all, at any time |
///
/// A root that is cleaned gives up its entries: it makes them invalid and, last of all, clears
/// `root`. So a keeper that finds NULL there may free the entry. The state of such an *orphan* is
/// what it was: a tracked one may have readers, and one that is dying has a keeper that waits for
/// them.
///
/// # Invariants
///
/// - `comp` is initialised unless the entry is new, or stands in for another one: then it has no
///   reference, and nobody puts it.
/// - `root` points to the root whose table `node` is linked in, or is NULL.
#[repr(C)]
pub(crate) struct Entry {
    valid: Cell<bool>,
    kref: Kref,
    comp: Completion,
    owner: Owner,
    node: Node,
    kind: Cell<bindings::rdma_restrack_type>,
    id: Cell<u32>,
    no_track: Cell<bool>,
    user: Cell<bool>,
    flags: Cell<u8>,
    state: Once<State>,
    since: Cell<Moment>,
    key: Cell<Key>,
    root: Once<*mut bindings::rdma_restrack_root>,
}

/// How long a deletion waits before it says so, in jiffies.
fn report_period() -> Jiffies {
    const DAY: u32 = 24 * 60 * 60;
    // Linux 7.2 returns a reference.
    let seconds: u32 = *crate::module_parameters::wait_report.value().borrow();
    let seconds = seconds.min(DAY);
    time::msecs_to_jiffies(seconds.saturating_mul(1000))
}

/// Fails the build where `Entry` and the header disagree.
macro_rules! assert_layout {
    ($($field:ident = $c_field:ident),* $(,)?) => {
        const _: () = {
            use bindings::rdma_restrack_entry as C;
            assert!(size_of::<Entry>() == size_of::<C>());
            assert!(align_of::<Entry>() == align_of::<C>());
            $(assert!(offset_of!(Entry, $field) == offset_of!(C, $c_field));)*
        };
    };
}

assert_layout! {
    valid = valid,
    kref = kref,
    comp = comp,
    owner = task,
    // The union that it is in.
    node = __bindgen_anon_1,
    kind = type_,
    id = id,
    no_track = no_track,
    user = user,
    // The rest is bytes to C.
    flags = opaque,
}

// SAFETY: All fields may be zero; C zeroes every entry before it is used.
#[cfg(CONFIG_KUNIT = "y")]
unsafe impl pin_init::Zeroable for Entry {}

// SAFETY: `node` is where the offset says. Flags change one at a time, and the key before the entry
// is linked.
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
    fn set_sibling(&self, is_sibling: bool) {
        let others = self.flags.get() & !Self::SIBLING;
        self.flags.set(match is_sibling {
            true => others | Self::SIBLING,
            false => others,
        });
    }
}

impl Entry {
    /// Initialises the entry at `this`, whatever was there before.
    ///
    /// # Safety
    ///
    /// `this` is valid for writes and pinned from now on, and nobody uses what is there: it is not
    /// an entry that is tracked or has an owner.
    #[inline]
    pub(crate) unsafe fn init(this: *mut Self, kind: bindings::rdma_restrack_type) {
        let new = Self {
            valid: Cell::new(false),
            kref: Kref::one(),
            comp: Completion::zeroed(),
            owner: Owner::nobody(),
            node: Node::new(),
            kind: Cell::new(kind),
            no_track: Cell::new(false),
            user: Cell::new(false),
            flags: Cell::new(0),
            state: Once::new(State::New),
            id: Cell::new(0),
            since: Cell::new(Moment::ZERO),
            key: Cell::new(Key::FIRST),
            root: Once::new(ptr::null_mut()),
        };
        // SAFETY: By the requirements of this function.
        unsafe { this.write(new) };
        // SAFETY: As above, and by now it is an entry.
        let entry = unsafe { &*this };
        // SAFETY: Nobody uses the entry yet.
        unsafe { entry.comp.init() };
    }

    /// Makes the keeper's reference, so that others can be had, where there is none.
    ///
    /// For an entry that was zeroed and has not been through [`Self::init`], or was deleted.
    #[inline]
    pub(crate) fn init_references(&self) {
        if !self.kref.is_spent() {
            return;
        }
        // SAFETY: Without a reference nobody waits for the last one to go, or puts it.
        unsafe { self.comp.init() };
        self.kref.init();
    }

    /// The type of the object, as C code gave it.
    #[inline]
    pub(crate) fn raw_kind(&self) -> bindings::rdma_restrack_type {
        self.kind.get()
    }

    /// The type of the object, if it is one.
    #[inline]
    pub(crate) fn kind(&self) -> Option<Kind> {
        Kind::from_raw(self.kind.get())
    }

    /// Is the entry between add and del?
    #[inline]
    pub(crate) fn is_valid(&self) -> bool {
        self.valid.get()
    }

    /// Is the entry to be kept out of the table?
    #[inline]
    pub(crate) fn is_hidden(&self) -> bool {
        self.no_track.get()
    }

    /// Where in its life the entry is.
    #[inline]
    pub(crate) fn state(&self) -> State {
        self.state.load()
    }
}

/// Its place in the table: for [`crate::root`].
impl Entry {
    /// The object is to be shown only to those who ask for driver details.
    const DETAILS: u8 = 1 << 0;

    /// Another entry with the same number is in the chain, this one in its tree.
    const SIBLING: u8 = 1 << 1;

    /// The number of the object.
    #[inline]
    pub(crate) fn id(&self) -> u32 {
        self.id.get()
    }

    /// Where the entry stands among those of its kind.
    #[inline]
    pub(crate) fn key(&self) -> Key {
        self.key.get()
    }

    /// Is the object to be shown only to those who ask for driver details?
    #[inline]
    pub(crate) fn has_details(&self) -> bool {
        self.flags.get() & Self::DETAILS != 0
    }

    /// The root whose table the entry is in, or NULL.
    ///
    /// After NULL, what [`Self::orphan`] did is over.
    #[inline]
    pub(crate) fn root(&self) -> *mut bindings::rdma_restrack_root {
        self.root.load_acquire()
    }

    /// How long the entry has been tracked, in seconds.
    pub(crate) fn age(&self) -> u64 {
        self.since.get().age()
    }

    /// Gives the entry its place.
    #[inline]
    pub(crate) fn place(
        &self,
        root: *mut bindings::rdma_restrack_root,
        id: u32,
        key: Key,
        details: bool,
    ) {
        self.root.store(root);
        self.id.set(id);
        self.key.set(key);
        self.flags.set(if details { Self::DETAILS } else { 0 });
    }

    /// Says that the entry has a place no more; for its keeper.
    #[inline]
    pub(crate) fn unplace(&self) {
        self.root.store(ptr::null_mut());
    }

    /// Says that the entry is tracked no more and has a place no more; its keeper does not know
    /// yet. To be called with the lock of its bucket held.
    ///
    /// The keeper may have freed the entry when this returns.
    pub(crate) fn orphan(&self) {
        self.valid.set(false);
        self.root.store_release(ptr::null_mut());
    }
}

/// Its life: for the keeper, see [`crate::lifecycle`].
impl Entry {
    /// From now on the entry is tracked.
    #[inline]
    pub(crate) fn begin(&self) {
        self.since.set(Moment::now());
        self.state.store(State::Tracked);
        self.valid.set(true);
    }

    /// Gives up the keeper's reference and waits until the last reader has left. Sleeps.
    ///
    /// No new reader comes meanwhile: lookups see the state, [`State::Dying`] or
    /// [`State::Syncing`]. The state is stored before the reference is dropped: one that finds no
    /// reference left sees it behind a read barrier, see [`Self::find_or_state`].
    #[inline]
    pub(crate) fn drain(&self, state: State) {
        self.state.store(state);
        if !self.kref.put_if_last() {
            self.wait_for_readers(report_period(), |waited, times| {
                self.report_wait(waited, times);
            });
        }
    }

    /// The part of [`Self::drain`] with readers. Calls `report` each time that it has waited for
    /// another `period` of jiffies, unless that is zero, with how long it has waited, and how often
    /// that was.
    #[cold]
    fn wait_for_readers(&self, period: Jiffies, mut report: impl FnMut(Jiffies, u32)) {
        match self.kref.put() {
            Put::Last => return,
            Put::NotLast => {}
            // Somebody put the keeper's reference, and has completed `comp` or is about to: that
            // one has to be done with the entry before it goes.
            Put::None => self.warn_of_put(),
        }
        if period == 0 {
            self.comp.wait();
        } else {
            let (mut waited, mut times): (Jiffies, u32) = (0, 0);
            while !self.comp.wait_timeout(period) {
                waited = waited.saturating_add(period);
                times = times.saturating_add(1);
                report(waited, times);
            }
        }
        // Zero already, but for a count that is saturated.
        self.kref.clear();
    }

    /// Tells that a deletion has been waiting for so many jiffies, and that so many times.
    ///
    /// Nobody else tells where it waits: a wait with an end is not for the hung task detector. The
    /// stack comes less and less often, lest it fill the log.
    fn report_wait(&self, waited: Jiffies, times: u32) {
        let kind = self.kind().map_or(c"?", Kind::name);
        let (id, owner, waited) = (self.id(), &self.owner, clock::seconds(waited as u64));
        match self.kref.count() {
            count @ 0.. => pr_warn!(
                "{kind} {id} of {owner}: its deletion has been waiting for {waited} s, {count} references are held\n"
            ),
            _ => pr_warn!(
                "{kind} {id} of {owner}: its deletion has been waiting for {waited} s, its references are saturated\n"
            ),
        }
        if times.is_power_of_two() {
            // SAFETY: The function prints the stack of this thread.
            unsafe { bindings::restrack_helper_dump_stack() };
        }
    }

    /// Warns of a reference that was put more often than it was taken.
    #[cold]
    fn warn_of_put(&self) {
        Misuse::PutTooOften.warn(c"rdma_restrack_put", self.raw_kind(), self.id());
    }

    /// Makes the keeper's reference again after [`Self::drain`]. The completion is as new: nobody
    /// completed it, or the wait has consumed that.
    ///
    /// To be called with the lock of its bucket held, if the entry is in a table: a reader that finds
    /// it afterwards then sees all that the keeper did before.
    #[inline]
    pub(crate) fn revive(&self) {
        self.state.store(State::Tracked);
        self.kref.init();
    }

    /// From now on the entry is tracked no more, and its owner is released.
    #[inline]
    pub(crate) fn end(&self) {
        self.valid.set(false);
        self.state.store(State::New);
        self.owner.release();
    }

    /// Becomes what another entry is, but for its place and its references; that one becomes an
    /// entry that was never added. Neither has a reader.
    pub(crate) fn take_over(&self, other: &Entry) {
        self.kind.set(other.kind.get());
        self.no_track.set(other.no_track.get());
        self.user.set(other.user.get());
        self.since.set(other.since.get());
        self.id.set(other.id.get());
        self.owner.take_over(&other.owner);
        self.state.store(other.state.load());
        other.state.store(State::New);
        self.valid.set(other.valid.replace(false));
    }
}

/// Its readers.
impl Entry {
    /// Takes a reference; false if the object is gone. Takes no lock and does not sleep.
    #[inline]
    #[must_use = "without a reference the object may go away"]
    pub(crate) fn get(&self) -> bool {
        self.kref.get_unless_zero()
    }

    /// Takes a reference if that is nothing special; see [`Kref::try_get`].
    #[inline]
    #[must_use = "the reference may not have been taken"]
    pub(crate) fn try_get(&self) -> bool {
        self.kref.try_get()
    }

    /// Drops a reference if that is nothing special; see [`Kref::try_put`].
    #[inline]
    #[must_use = "the reference may not have been dropped"]
    pub(crate) fn try_put(&self) -> bool {
        self.kref.try_put()
    }

    /// Takes a reference for a lookup, one that drops itself; none if the object is going away.
    #[inline]
    pub(crate) fn find(&self) -> Option<ARef<Entry>> {
        if self.state() != State::Tracked || !self.get() {
            return None;
        }
        // SAFETY: The reference that was just taken is the new one's.
        Some(unsafe { ARef::from_raw(NonNull::from(self)) })
    }

    /// As [`Self::find`], but says in which state an entry is that is not to be had: [`State::New`]
    /// if it is not tracked, or somebody put the reference of its keeper.
    ///
    /// To be called with the lock of its bucket held, so that it is not restored meanwhile.
    pub(crate) fn find_or_state(&self) -> Result<ARef<Entry>, State> {
        if let Some(found) = self.find() {
            return Ok(found);
        }
        // Who gives up the last reference has stored the state before that: do not read what was
        // there even earlier.
        smp_rmb();
        Err(match self.state() {
            State::Tracked => State::New,
            state => state,
        })
    }

    /// Drops a reference; true if it was the last. Takes no lock, but to wake a waiter, and does
    /// not sleep.
    #[inline]
    pub(crate) fn put(&self) -> bool {
        match self.kref.put() {
            Put::NotLast => return false,
            Put::Last => self.left(),
            Put::None => {
                self.warn_of_put();
                return false;
            }
        }
        true
    }

    /// The last reader has left.
    #[cold]
    fn left(&self) {
        match self.state() {
            // Nobody is going to delete an entry that was never added: its keeper just puts it.
            State::New => self.owner.release(),
            // The keeper waits for this. Of an entry that is tracked somebody put the keeper's own
            // reference; the keeper is going to wait until that one has left, too.
            State::Dying | State::Syncing | State::Tracked => self.comp.complete(),
        }
    }

    /// Is there a reference, so that another can be had?
    #[inline]
    pub(crate) fn is_alive(&self) -> bool {
        !self.kref.is_spent()
    }
}

// SAFETY: An entry stays where it is as long as there is a reference: its keeper waits for that.
unsafe impl AlwaysRefCounted for Entry {
    fn inc_ref(&self) {
        self.kref.get();
    }

    unsafe fn dec_ref(entry: NonNull<Self>) {
        // SAFETY: The caller has a reference, so the entry is alive.
        unsafe { entry.as_ref() }.put();
    }
}

/// Its owner.
impl Entry {
    /// Who owns the object.
    #[inline]
    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Does the object belong to the kernel, or to nobody yet?
    #[inline]
    pub(crate) fn is_kernel(&self) -> bool {
        !self.user.get()
    }

    /// Returns true if the object belongs to a process, or to the kernel in a name.
    #[inline]
    pub(crate) fn has_owner(&self) -> bool {
        self.owner.process().is_some() || (self.is_kernel() && self.owner.kernel_name().is_some())
    }

    /// Gives the object to the kernel.
    #[inline]
    pub(crate) fn set_kernel(&self, name: Option<KernelName>) {
        self.user.set(false);
        self.owner.set_kernel(name);
    }

    /// Gives the object to a process.
    #[inline]
    pub(crate) fn set_process(&self, task: ARef<Task>) {
        self.user.set(true);
        self.owner.set_process(task);
    }

    /// Gives the object to the current process.
    #[inline]
    pub(crate) fn set_current(&self) {
        /// Apart from the rest, which needs less of a stack frame without it.
        #[cold]
        #[inline(never)]
        fn slowly(entry: &Entry) {
            entry.set_process(owner::current_process());
        }
        match owner::try_current_process() {
            Some(process) => self.set_process(process),
            None => slowly(self),
        }
    }

    /// Gives the object to the owner of another.
    pub(crate) fn inherit(&self, parent: &Entry) {
        if parent.is_kernel() {
            self.set_kernel(parent.owner.kernel_name());
        } else if let Some(task) = parent.owner.process() {
            self.set_process(task.into());
        }
    }
}

#[kernel::prelude::kunit_tests(restrack_entry)]
mod tests {
    use super::*;
    use crate::fixture::{
        usage,
        TestEntry, //
    };

    #[test]
    fn zeroed_is_not_tracked() -> Result {
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
    fn only_the_last_reference_is_the_last() -> Result {
        let entry = TestEntry::new(Kind::Pd)?;
        assert!(entry.get());
        assert!(!entry.put());
        assert!(entry.put());
        assert!(!entry.is_alive());
        assert!(!entry.get());
        Ok(())
    }

    #[test]
    fn the_last_put_of_a_new_entry_releases_the_owner() -> Result {
        let task = owner::current_process();
        let before = usage(&task);
        let entry = TestEntry::new(Kind::Pd)?;
        assert_eq!(usage(&task), before + 1);
        assert!(entry.put());
        assert_eq!(usage(&task), before);
        Ok(())
    }

    #[test]
    fn the_last_put_of_a_dying_entry_leaves_the_owner_to_its_keeper() -> Result {
        let task = owner::current_process();
        let before = usage(&task);
        let entry = TestEntry::new(Kind::Pd)?;
        entry.begin();
        entry.state.store(State::Dying);
        assert!(entry.put());
        assert!(entry.comp.is_done());
        assert_eq!(usage(&task), before + 1);
        entry.end();
        assert_eq!(usage(&task), before);
        Ok(())
    }

    #[test]
    fn without_a_reader_nobody_is_waited_for() -> Result {
        let entry = TestEntry::new(Kind::Pd)?;
        entry.begin();
        entry.drain(State::Dying);
        assert!(!entry.get());
        entry.end();
        Ok(())
    }

    #[test]
    fn a_deletion_that_waits_tells_so_each_time() -> Result {
        let entry = TestEntry::new(Kind::Pd)?;
        entry.begin();
        assert!(entry.get());
        let mut told = [0; 3];
        let mut reports = 0;
        entry.state.store(State::Dying);
        entry.wait_for_readers(1, |waited, times| {
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
        entry.end();
        Ok(())
    }

    #[test]
    fn a_count_that_is_saturated_is_waited_for() -> Result {
        let entry = TestEntry::new(Kind::Pd)?;
        entry.begin();
        entry.kref.saturate();
        let mut reports = 0;
        entry.state.store(State::Dying);
        entry.wait_for_readers(1, |_, times| {
            reports = times;
            assert!(!entry.put());
            if times == 5 {
                entry.comp.complete();
            }
        });
        assert_eq!(reports, 5);
        assert!(!entry.is_alive());
        entry.end();
        Ok(())
    }

    /// Somebody puts the keeper's reference, before it begins to delete the entry and after.
    #[test]
    fn a_last_put_of_others_completes() -> Result {
        for state in [State::Tracked, State::Dying, State::Syncing] {
            let entry = TestEntry::new(Kind::Pd)?;
            entry.begin();
            entry.state.store(state);
            assert!(!entry.comp.is_done());
            assert!(entry.put());
            assert!(entry.comp.is_done());
            // What it was is brought back without a warning.
            entry.comp.wait();
            entry.revive();
        }
        Ok(())
    }

    #[test]
    fn a_revived_entry_can_be_had_and_drained_again() -> Result {
        let entry = TestEntry::new(Kind::Pd)?;
        entry.begin();
        for _ in 0..3 {
            entry.drain(State::Dying);
            assert!(!entry.get());
            entry.revive();
            assert!(entry.state() == State::Tracked);
            assert!(entry.get());
            assert!(!entry.put());
        }
        entry.drain(State::Syncing);
        entry.end();
        Ok(())
    }

    #[test]
    fn an_owned_reference_puts_itself() -> Result {
        let entry = TestEntry::new(Kind::Pd)?;
        entry.begin();
        let first = entry.find().ok_or(EINVAL)?;
        let second = first.clone();
        drop(first);
        drop(second);
        entry.drain(State::Dying);
        assert!(entry.find().is_none());
        entry.end();
        Ok(())
    }

    #[test]
    fn an_owner_is_inherited() -> Result {
        let task = owner::current_process();
        let before = usage(&task);
        let name = KernelName::new(c"ib_core".as_char_ptr().cast_mut());
        {
            let (parent, child) = (TestEntry::zeroed()?, TestEntry::zeroed()?);
            parent.set_current();
            child.inherit(&parent);
            assert!(!child.is_kernel());
            assert_eq!(usage(&task), before + 2);

            parent.set_kernel(name);
            child.inherit(&parent);
            assert!(child.is_kernel());
            assert!(child.owner().kernel_name() == name);
            assert_eq!(usage(&task), before);
        }
        assert_eq!(usage(&task), before);
        Ok(())
    }
}
