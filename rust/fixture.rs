// SPDX-License-Identifier: GPL-2.0

//! What the KUnit suites share: roots and entries without a device, items for a bucket, and a second
//! thread.

use crate::{
    bucket::{
        Linked,
        Node, //
    },
    entry::{
        Entry,
        State,
        Updater, //
    },
    instant::Instant,
    key::Key,
    kind::Kind,
    lifecycle,
    owner::KernelName,
    root::Root, //
};
use core::{
    cell::Cell,
    mem::offset_of,
    ops::Deref, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full, //
        },
        Arc,
        Mutex, //
    },
    task::Task,
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

/// A root of its own, which is cleaned when it goes.
pub(crate) struct TestRoot(Pin<KBox<Root>>);

/// An empty root.
pub(crate) fn root() -> Result<TestRoot> {
    let init = pin_init::zeroed::<Root>().pin_chain(|root| {
        // SAFETY: The root is not moved.
        let root = unsafe { Pin::get_unchecked_mut(root) };
        // SAFETY: The root is zeroed, pinned and new.
        unsafe { Root::init(root) };
        Ok(())
    });
    Ok(TestRoot(KBox::pin_init(init, GFP_KERNEL)?))
}

impl Deref for TestRoot {
    type Target = Root;

    fn deref(&self) -> &Root {
        &self.0
    }
}

impl Drop for TestRoot {
    fn drop(&mut self) {
        self.0.clean();
    }
}

// SAFETY: A root may be used from any thread.
unsafe impl Send for TestRoot {}

// SAFETY: A root may be used from any thread.
unsafe impl Sync for TestRoot {}

/// The name of a kernel module.
pub(crate) fn kernel_name(name: &'static CStr) -> Option<KernelName> {
    KernelName::new(name.as_char_ptr().cast_mut())
}

/// An entry that is deleted when it goes: a test may fail anywhere, and must not leave an entry in a
/// table then.
pub(crate) struct TestEntry(Pin<KBox<Entry>>);

impl TestEntry {
    /// An entry that is zeroed.
    pub(crate) fn zeroed() -> Result<Self> {
        Ok(Self(
            KBox::init(pin_init::zeroed::<Entry>(), GFP_KERNEL)?.into(),
        ))
    }

    /// An entry that is initialised and belongs to the current process.
    pub(crate) fn new(kind: Kind) -> Result<Self> {
        let mut entry = Self::zeroed()?;
        entry.renew(kind);
        lifecycle::set_name(entry.updater(), None);
        Ok(entry)
    }

    /// Deletes what the entry was, and initialises it.
    pub(crate) fn renew(&mut self, kind: Kind) {
        lifecycle::del(self.updater());
        // SAFETY: The entry is not moved.
        let entry = unsafe { self.0.as_mut().get_unchecked_mut() };
        // SAFETY: The entry is deleted: not tracked and without an owner.
        unsafe { Entry::init(entry, kind as u32) };
    }

    /// The right to change the entry.
    pub(crate) fn updater(&self) -> Updater<'_> {
        // SAFETY: The entry was zeroed. A test is one thread, and uses one updater at a time.
        unsafe { Updater::new(&self.0) }
    }

    /// Puts the entry into a table, under a number of its own or a given one.
    pub(crate) fn add(&self, root: &Root, id: Option<u32>, details: bool) -> Result {
        let kind = self.kind().ok_or(EINVAL)?;
        // SAFETY: The entry is pinned, and deleted before it goes.
        unsafe { add(root, kind, self.updater(), id, details) }
    }

    /// Drops a reference. Returns true if it was the last.
    pub(crate) fn put(&self) -> bool {
        // SAFETY: A test puts what it took.
        unsafe { self.0.put() }
    }

    /// An entry in a table, under a number of its own.
    pub(crate) fn tracked(root: &Root, kind: Kind) -> Result<Self> {
        let entry = Self::new(kind)?;
        entry.add(root, None, false)?;
        Ok(entry)
    }

    /// An entry in a table, under a given number.
    pub(crate) fn tracked_as(root: &Root, kind: Kind, id: u32) -> Result<Self> {
        let entry = Self::new(kind)?;
        entry.add(root, Some(id), false)?;
        Ok(entry)
    }

    /// An entry in a table, under a given number, with driver details.
    pub(crate) fn with_details(root: &Root, kind: Kind, id: u32) -> Result<Self> {
        let entry = Self::new(kind)?;
        entry.add(root, Some(id), true)?;
        Ok(entry)
    }
}

/// Puts an entry into a table.
///
/// # Safety
///
/// The entry is neither moved nor freed until it is deleted.
unsafe fn add(
    root: &Root,
    kind: Kind,
    entry: Updater<'_>,
    id: Option<u32>,
    details: bool,
) -> Result {
    if entry.state() != State::New {
        return Err(EBUSY);
    }
    entry.init_references();
    // SAFETY: New, with a reference.
    unsafe { entry.mark_tracked() };
    match id {
        // SAFETY: New, so in no table; the rest by the requirement of this function.
        Some(id) => unsafe { root.add_as(kind, entry, id, details) },
        // SAFETY: New, so in no table; the rest by the requirement of this function.
        None => unsafe { root.add(kind, entry) },
    }
    Ok(())
}

impl Deref for TestEntry {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.0
    }
}

impl Drop for TestEntry {
    fn drop(&mut self) {
        lifecycle::del(self.updater());
    }
}

/// Many entries of the kernel, which are deleted when they go.
///
/// They cost less than so many [`TestEntry`]s.
pub(crate) struct Crowd(KVVec<Entry>);

impl Crowd {
    /// So many entries of a kind, in no table.
    pub(crate) fn new(kind: Kind, count: usize) -> Result<Self> {
        let mut entries = KVVec::with_capacity(count, GFP_KERNEL)?;
        for slot in entries.spare_capacity_mut().iter_mut().take(count) {
            // SAFETY: There is room for an entry, which does not move: the vector does not grow.
            unsafe { Entry::init(slot.as_mut_ptr(), kind as u32) };
        }
        // SAFETY: So many were initialised, and there is room for them.
        unsafe { entries.inc_len(count) };
        let crowd = Self(entries);
        for index in 0..count {
            lifecycle::set_name(crowd.updater(index)?, kernel_name(c"crowd"));
        }
        Ok(crowd)
    }

    /// The right to change an entry.
    pub(crate) fn updater(&self, index: usize) -> Result<Updater<'_>> {
        let entry = self.0.get(index).ok_or(EINVAL)?;
        // SAFETY: The entry was initialised. A test is one thread, and uses one updater at a time.
        Ok(unsafe { Updater::new(entry) })
    }

    /// Puts an entry into a table, under a number of its own or a given one.
    pub(crate) fn add(&self, root: &Root, index: usize, id: Option<u32>) -> Result {
        let entry = self.updater(index)?;
        let kind = entry.kind().ok_or(EINVAL)?;
        // SAFETY: The entry does not move, and is deleted before it goes.
        unsafe { add(root, kind, entry, id, false) }
    }

    /// Deletes an entry.
    pub(crate) fn del(&self, index: usize) -> Result {
        lifecycle::del(self.updater(index)?);
        Ok(())
    }
}

impl Deref for Crowd {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        &self.0
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for index in 0..self.0.len() {
            let _ = self.del(index);
        }
    }
}

/// An object for a bucket, whose node is not at its start.
pub(crate) struct Item {
    key: Key,
    sibling: Cell<bool>,
    asked: Cell<u32>,
    node: Node,
}

impl Item {
    /// An item with this key, in no bucket.
    pub(crate) fn new(key: Key) -> Self {
        Self {
            key,
            sibling: Cell::new(false),
            asked: Cell::new(0),
            node: Node::new(),
        }
    }

    /// The rank of its hash, and its serial number.
    pub(crate) fn parts(&self) -> (u32, u32) {
        let cursor = self.key.into_cursor();
        ((cursor >> 32) as u32, cursor as u32)
    }

    /// How often its bucket asked for its key since the last call.
    pub(crate) fn asked(&self) -> u32 {
        self.asked.take()
    }
}

// SAFETY: `node` is where the offset says; the key does not change.
unsafe impl Linked for Item {
    const NODE_OFFSET: usize = offset_of!(Item, node);

    fn node(&self) -> &Node {
        &self.node
    }

    fn key(&self) -> Key {
        self.asked.set(self.asked.get() + 1);
        self.key
    }

    fn is_sibling(&self) -> bool {
        self.sibling.get()
    }

    unsafe fn set_sibling(&self, is_sibling: bool) {
        self.sibling.set(is_sibling);
    }
}

/// The number of references to a task.
pub(crate) fn usage(task: &Task) -> i32 {
    // SAFETY: The field of a live task.
    let usage = unsafe { &raw const (*task.as_ptr()).usage.refs.counter };
    // SAFETY: The counter of a live task, which may change at any time.
    unsafe { usage.read_volatile() }
}

/// Runs `f` in another thread, and waits for what it returns.
pub(crate) fn elsewhere<T: Send + Unpin + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    Elsewhere::start(f)?.end()
}

/// A function that runs in another thread, and on another processor if there is one.
pub(crate) struct Elsewhere<T>(Arc<Mutex<Option<T>>>);

impl<T: Send + Unpin + 'static> Elsewhere<T> {
    /// Runs `f` there.
    pub(crate) fn start(f: impl FnOnce() -> T + Send + 'static) -> Result<Self> {
        let slot = Arc::pin_init(kernel::new_mutex!(None), GFP_KERNEL)?;
        let filled = slot.clone();
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            let result = f();
            filled.lock().replace(result);
        })?;
        Ok(Self(slot))
    }

    /// Waits for what it returns.
    pub(crate) fn end(self) -> Result<T> {
        expect(|| self.0.lock().take())
    }
}

/// Runs `first` in another thread up to an instant, then `second` here, then the rest of `first`.
pub(crate) fn interleave<T: Send + Unpin + 'static, U>(
    instant: Instant,
    first: impl FnOnce() -> T + Send + 'static,
    second: impl FnOnce() -> U,
) -> Result<(T, U)> {
    let hold = instant.hold();
    let other = Elsewhere::start(first)?;
    hold.expect()?;
    let here = second();
    drop(hold);
    Ok((other.end()?, here))
}

/// Waits until there is something, for 10 s or somewhat longer.
pub(crate) fn expect<T>(mut something: impl FnMut() -> Option<T>) -> Result<T> {
    for _ in 0..10_000 {
        if let Some(found) = something() {
            return Ok(found);
        }
        fsleep(Delta::from_millis(1));
    }
    Err(ETIMEDOUT)
}

/// Two threads that go on at the same time: each waits for the other one here.
pub(crate) struct Meeting(Atomic<i32>);

impl Meeting {
    /// Nobody is there yet.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Waits for the other one, and keeps the processor.
    pub(crate) fn attend(&self) {
        let _ = self.0.fetch_add(1, Full);
        while self.0.load(Acquire) < 2 {
            core::hint::spin_loop();
        }
    }
}
