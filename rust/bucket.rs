// SPDX-License-Identifier: GPL-2.0

//! A bucket of a hash table: a chain of objects that carry their own links, with a lock in its head.
//!
//! C headers: [`include/linux/list_bl.h`](srctree/include/linux/list_bl.h),
//! [`include/linux/list.h`](srctree/include/linux/list.h)

use crate::{
    bindings,
    key::{
        Hash,
        Key, //
    },
    siblings::{
        self,
        Siblings, //
    },
    sync::{
        bit_lock::BIT,
        BitLock,
        PreemptGuard, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// The links of an object: `struct hlist_node`, and behind it room for a tree.
///
/// Of the objects with one hash the one with the least key is in the chain. The others are its
/// [siblings](crate::siblings), in a tree whose root is in its links.
///
/// # Invariants
///
/// - The links are all NULL if the object is in no bucket.
/// - If it is in one, they are `tree` for an object that [`Linked::is_sibling`], else `chain`.
#[repr(transparent)]
pub(crate) struct Node(Opaque<Links>);

/// See [`Node`].
#[repr(C)]
pub(crate) union Links {
    chain: ChainLinks,
    tree: bindings::rb_node,
}

/// The links of an object in the chain.
#[derive(Clone, Copy)]
#[repr(C)]
struct ChainLinks {
    next: *mut Links,
    /// The link to this object: in the object before it, or in the head.
    link: *mut *mut Links,
    siblings: *mut bindings::rb_node,
}

const _: () = {
    use bindings::{
        hlist_node,
        rb_node,
        rb_root, //
    };
    use core::mem::offset_of;
    assert!(offset_of!(ChainLinks, next) == offset_of!(hlist_node, next));
    assert!(offset_of!(ChainLinks, link) == offset_of!(hlist_node, pprev));
    assert!(offset_of!(ChainLinks, siblings) == size_of::<hlist_node>());
    assert!(size_of::<rb_root>() == size_of::<*mut rb_node>());
    assert!(size_of::<Links>() == size_of::<rb_node>());
};

impl ChainLinks {
    const NONE: Self = Self {
        next: ptr::null_mut(),
        link: ptr::null_mut(),
        siblings: ptr::null_mut(),
    };
}

impl Node {
    /// The links of an object that is in no bucket.
    #[inline]
    pub(crate) const fn new() -> Self {
        // INVARIANT: They are all NULL.
        Self(Opaque::zeroed())
    }

    /// The links.
    #[inline]
    pub(crate) fn links(&self) -> *mut Links {
        self.0.get()
    }

    /// The links of an object in a chain.
    #[inline]
    fn chain(&self) -> *mut ChainLinks {
        self.links().cast()
    }

    /// The tree of the siblings of an object in a chain.
    ///
    /// # Safety
    ///
    /// The object is a `T` in the chain of a bucket that is locked as long as it is borrowed.
    #[inline]
    unsafe fn siblings<T: Linked>(&self) -> Siblings<'_, T> {
        // SAFETY: The field of a live object.
        let root = unsafe { &raw mut (*self.chain()).siblings };
        // SAFETY: The siblings of an object in a chain have their root there.
        unsafe { Siblings::at(root.cast()) }
    }
}

/// An object that can be in a [`Bucket`].
///
/// # Safety
///
/// - [`Self::NODE_OFFSET`] is where in `Self` the [`Node`] is that [`Self::node`] returns.
/// - [`Self::is_sibling`] is what [`Self::set_sibling`] last set, at first false.
/// - [`Self::key`] stays the same while the object is in a bucket.
pub(crate) unsafe trait Linked: Sized {
    /// Offset of the node in the object, in bytes.
    const NODE_OFFSET: usize;

    /// The links of the object.
    fn node(&self) -> &Node;

    /// Where the object is among the others.
    fn key(&self) -> Key;

    /// Returns true if the object is in a tree of siblings, and not in the chain itself.
    fn is_sibling(&self) -> bool;

    /// Sets what [`Self::is_sibling`] returns.
    ///
    /// # Safety
    ///
    /// The object is where this says, in a bucket that is locked. In no bucket it is no sibling.
    unsafe fn set_sibling(&self, is_sibling: bool);
}

/// The object with these links.
///
/// # Safety
///
/// The links are those of a live `T` which stays during `'a`.
#[inline]
pub(crate) unsafe fn object<'a, T: Linked>(links: NonNull<Links>) -> &'a T {
    // SAFETY: The links are so far behind the start of a live `T`, by the definition of `Linked`.
    let object = unsafe { links.byte_sub(T::NODE_OFFSET) };
    // SAFETY: The object is live by the requirement of this function.
    unsafe { object.cast().as_ref() }
}

/// Wraps the kernel's `struct hlist_head`, used as a `struct hlist_bl_head`: a chain of `T`s that
/// it does not own, sorted by key. The lowest bit of the pointer to the first one is a spinlock.
///
/// # Invariants
///
/// - Every object in the bucket is a live `T`, and its links change only while the lock is held.
/// - Objects are sorted by key. Of those with one hash only the first is in the chain.
#[repr(transparent)]
pub(crate) struct Bucket<T: Linked>(Opaque<bindings::hlist_head>, PhantomData<T>);

impl<T: Linked> Bucket<T> {
    /// An empty bucket.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) const fn new() -> Self {
        Self(Opaque::zeroed(), PhantomData)
    }

    /// Takes the lock.
    ///
    /// # Safety
    ///
    /// The bucket stays during `'a`, or at least until the guard is dropped.
    #[doc(alias = "hlist_bl_lock")]
    #[inline]
    pub(crate) unsafe fn lock<'a, O>(
        this: NonNull<Self>,
        guard: PreemptGuard,
        owner: &'a O,
    ) -> Locked<'a, T, O> {
        // SAFETY: By the requirement of this function.
        unsafe { Self::lock_nested(this, 0, guard, owner) }
    }

    /// Takes the lock of a bucket while that of a lower one of the same table is held.
    ///
    /// # Safety
    ///
    /// The bucket stays during `'a`, or at least until the guard is dropped.
    pub(crate) unsafe fn lock_upper<'a, O>(
        this: NonNull<Self>,
        guard: PreemptGuard,
        owner: &'a O,
    ) -> Locked<'a, T, O> {
        // SAFETY: By the requirement of this function.
        unsafe { Self::lock_nested(this, 1, guard, owner) }
    }

    /// Takes the lock. `depth` is for lockdep: the number of buckets that are locked already.
    ///
    /// # Safety
    ///
    /// The bucket stays during `'a`, or at least until the guard is dropped.
    #[cfg_attr(not(CONFIG_DEBUG_LOCK_ALLOC = "y"), expect(unused_variables))]
    #[inline]
    unsafe fn lock_nested<'a, O>(
        this: NonNull<Self>,
        depth: c_uint,
        guard: PreemptGuard,
        owner: &'a O,
    ) -> Locked<'a, T, O> {
        #[cfg(CONFIG_DEBUG_LOCK_ALLOC = "y")]
        // SAFETY: There is no requirement.
        unsafe {
            bindings::restrack_helper_bucket_acquire(depth)
        };
        // SAFETY: The bucket stays while the guard lives.
        let bit = unsafe { this.as_ref() }.bit();
        // SAFETY: The guard is dropped after the lock was released, by `Locked`.
        unsafe { bit.lock() };
        // INVARIANT: It is locked, and stays by the requirement of this function.
        Locked {
            bucket: this,
            _guard: guard,
            owner,
            _objects: PhantomData,
        }
    }

    /// Returns true if the bucket is empty and not locked. Takes no lock.
    ///
    /// After true the caller sees what was done with the lock held.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.bit().is_null()
    }

    /// The lock.
    #[inline]
    fn bit(&self) -> &BitLock {
        // SAFETY: The pointer of a live object, which all access as whole words.
        unsafe { &*self.0.get().cast::<BitLock>() }
    }
}

/// A link in a chain. The link in the head also has the lock bit.
///
/// # Invariants
///
/// It is the head of a bucket of `T`s that is locked during `'l`, or in an object in its chain.
struct Link<'l, T>(*mut *mut Links, PhantomData<&'l T>);

impl<'l, T: Linked> Link<'l, T> {
    /// The link behind an object.
    ///
    /// # Safety
    ///
    /// The object is in the chain of a bucket that is locked during `'l`.
    #[inline]
    unsafe fn behind(object: &'l T) -> Self {
        // INVARIANT: The first of the links of an object in the chain.
        Self(object.node().links().cast(), PhantomData)
    }

    /// The object that the link leads to.
    #[inline]
    fn object(&self) -> Option<&'l T> {
        let links = NonNull::new(self.get())?;
        // SAFETY: The links of an object in a bucket that is locked during `'l`.
        Some(unsafe { object(links) })
    }

    /// Where the link leads.
    #[inline]
    fn get(&self) -> *mut Links {
        // SAFETY: By the type invariant. In the head others look at the lock bit meanwhile.
        unsafe { self.0.read_volatile() }.map_addr(|address| address & !BIT)
    }

    /// Makes the link lead elsewhere. The lock bit stays.
    ///
    /// # Safety
    ///
    /// What is there is NULL, or the links of an object that is in the chain from now on.
    #[inline]
    unsafe fn set(&self, links: *mut Links) {
        // SAFETY: By the type invariant. In the head others look at the lock bit meanwhile.
        let old = unsafe { self.0.read_volatile() };
        let new = links.map_addr(|address| address | (old.addr() & BIT));
        // SAFETY: By the type invariant. Who holds the lock is the only one to write.
        unsafe { self.0.write_volatile(new) };
        if let Some(links) = NonNull::new(links) {
            // SAFETY: By the requirement of this function.
            unsafe { (*links.as_ptr().cast::<ChainLinks>()).link = self.0 };
        }
    }
}

/// A [`Bucket`] whose lock is held; released on drop, by the thread that took it. It carries what the
/// bucket is a part of, its owner.
///
/// What is borrowed from it lives as long as the lock is held and the bucket is not changed.
///
/// # Invariants
///
/// The bucket stays while this exists, and this thread holds its lock.
#[must_use = "the lock is released when this is dropped"]
pub(crate) struct Locked<'a, T: Linked, O = ()> {
    bucket: NonNull<Bucket<T>>,
    // Dropped after the lock was released.
    _guard: PreemptGuard,
    owner: &'a O,
    _objects: PhantomData<&'a T>,
}

impl<T: Linked, O> Drop for Locked<'_, T, O> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The bucket stays by the type invariant.
        let bit = unsafe { self.bucket.as_ref() }.bit();
        // SAFETY: This thread holds the lock by the type invariant.
        unsafe { bit.unlock() };
        #[cfg(CONFIG_DEBUG_LOCK_ALLOC = "y")]
        // SAFETY: This thread has acquired it.
        unsafe {
            bindings::restrack_helper_bucket_release()
        };
    }
}

/// Where objects with some hash belong in the chain.
struct Position<'l, T> {
    link: Link<'l, T>,
    /// The first object with this hash or a greater one.
    next: Option<&'l T>,
}

impl<'a, T: Linked, O> Locked<'a, T, O> {
    /// What the bucket is a part of.
    #[inline]
    pub(crate) fn owner(&self) -> &'a O {
        self.owner
    }

    /// Warns if the lock is not held.
    #[cfg(CONFIG_KUNIT = "y")]
    #[inline(never)]
    fn check(&self) {
        // SAFETY: The bucket stays by the type invariant.
        let bit = unsafe { self.bucket.as_ref() }.bit();
        kernel::warn_on!(!bit.is_locked());
    }

    /// The link to the first object.
    #[inline]
    fn head(&self) -> Link<'_, T> {
        #[cfg(CONFIG_KUNIT = "y")]
        self.check();
        // INVARIANT: The head of a bucket that is locked while this is borrowed.
        Link(self.bucket.as_ptr().cast(), PhantomData)
    }

    /// Where objects with this hash belong.
    #[inline]
    fn position(&self, hash: Hash) -> Position<'_, T> {
        let mut link = self.head();
        let mut next = link.object();
        while let Some(object) = next.filter(|next| next.key().hash().is_before(hash)) {
            // SAFETY: The chain of this bucket leads to it.
            link = unsafe { Link::behind(object) };
            next = link.object();
        }
        Position { link, next }
    }

    /// The first object of the bucket.
    #[inline]
    pub(crate) fn first(&self) -> Option<&T> {
        self.head().object()
    }

    /// The first object with this hash.
    #[inline]
    pub(crate) fn find(&self, hash: Hash) -> Option<&T> {
        let next = self.position(hash).next;
        next.filter(|next| next.key().hash() == hash)
    }

    /// The objects with this key or a greater one, in order.
    #[inline]
    pub(crate) fn iter_from(&self, from: Key) -> Iter<'_, T> {
        let mut first = self.position(from.hash()).next;
        let mut sibling = None;
        if let Some(object) = first.filter(|first| first.key() < from) {
            // It has the hash of `from`, so that its siblings are next.
            // SAFETY: It is in the chain of this bucket.
            sibling = unsafe { object.node().siblings() }.first_from(from);
            if sibling.is_none() {
                // SAFETY: It is in the chain of this bucket.
                first = unsafe { Link::behind(object) }.object();
            }
        }
        // INVARIANT: They are in this bucket, which is locked while it is borrowed.
        Iter { first, sibling }
    }

    /// Where to insert an object with this hash. Returns `None` if another one has it.
    #[inline]
    pub(crate) fn insertion_point(&mut self, hash: Hash) -> Option<InsertionPoint<'_, T>> {
        let position = self.position(hash);
        let is_taken = position.next.is_some_and(|next| next.key().hash() == hash);
        (!is_taken).then_some(InsertionPoint(position))
    }

    /// Puts an object where its key belongs.
    ///
    /// # Safety
    ///
    /// The object is in no bucket and stays until it is removed, and this is the bucket for its
    /// hash. No other object has its key.
    pub(crate) unsafe fn insert(&mut self, object: &T) {
        let hash = object.key().hash();
        let position = self.position(hash);
        match position.next.filter(|next| next.key().hash() == hash) {
            // SAFETY: By the requirement of this function.
            None => unsafe { InsertionPoint(position).insert(object) },
            Some(first) if first.key() < object.key() => {
                // SAFETY: It is in the chain of this bucket.
                let siblings = unsafe { first.node().siblings() };
                // SAFETY: By the requirement of this function.
                unsafe { siblings.insert(object) };
                // SAFETY: It is one of them now.
                unsafe { object.set_sibling(true) };
            }
            Some(first) => {
                // SAFETY: By the requirement of this function.
                unsafe { take_place(first, object) };
                // SAFETY: It is in the chain of this bucket now.
                let siblings = unsafe { object.node().siblings() };
                // SAFETY: It has lost its place, and is a live object of this bucket.
                unsafe { siblings.insert(first) };
                // SAFETY: It is one of them now.
                unsafe { first.set_sibling(true) };
            }
        }
    }

    /// Takes an object out.
    ///
    /// # Safety
    ///
    /// The object is in this bucket.
    #[inline]
    pub(crate) unsafe fn remove(&mut self, object: &T) {
        // SAFETY: By the requirement of this function.
        unsafe { self.unlink(object) };
    }

    /// Takes the first object out.
    ///
    /// # Safety
    ///
    /// From the release of the lock on the object counts as one that is in no bucket.
    pub(crate) unsafe fn pop_first(&mut self) -> Option<&T> {
        let first = self.first()?;
        // SAFETY: It is in this bucket.
        unsafe { self.unlink(first) };
        Some(first)
    }

    /// [`Self::remove`] for an object that may be borrowed from this.
    ///
    /// # Safety
    ///
    /// The object is in this bucket, and nothing else that is borrowed from this is used any more.
    #[doc(alias = "hlist_del_init")]
    #[inline]
    unsafe fn unlink(&self, object: &T) {
        #[cfg(CONFIG_KUNIT = "y")]
        self.check();
        if object.is_sibling() {
            // SAFETY: By the requirement of this function.
            unsafe { self.remove_sibling(object) };
        } else {
            // SAFETY: By the requirement of this function it is in the chain.
            let links = unsafe { *object.node().chain() };
            if links.siblings.is_null() {
                // INVARIANT: What leads to an object in the chain.
                let link = Link::<T>(links.link, PhantomData);
                // SAFETY: What is behind the object is in the chain.
                unsafe { link.set(links.next) };
            } else {
                // SAFETY: By the requirement of this function.
                unsafe { promote_sibling(object) };
            }
        }
        // SAFETY: The links of a live object, which is in no bucket any more.
        // INVARIANT: They say so.
        unsafe { *object.node().chain() = ChainLinks::NONE };
    }

    /// Takes a sibling out.
    ///
    /// # Safety
    ///
    /// It is in this bucket.
    #[cold]
    unsafe fn remove_sibling(&self, object: &T) {
        if let Some(first) = self.find(object.key().hash()) {
            // SAFETY: It is in the chain of this bucket.
            let siblings = unsafe { first.node().siblings() };
            // SAFETY: The object is a sibling of the first one with its hash.
            unsafe { siblings.remove(object) };
        }
        // SAFETY: It is in no bucket.
        unsafe { object.set_sibling(false) };
    }

    /// Replaces an object by another one with the same key. The old one is in no bucket then.
    ///
    /// # Safety
    ///
    /// `old` is in this bucket; `new` is in none, and stays until it is removed.
    pub(crate) unsafe fn replace(&mut self, old: &T, new: &T) {
        if old.is_sibling() {
            // SAFETY: By the requirement of this function.
            unsafe { self.remove(old) };
            // SAFETY: By the requirement of this function. The old one had the same hash.
            unsafe { self.insert(new) };
        } else {
            // SAFETY: By the requirement of this function.
            unsafe { take_place(old, new) };
            // SAFETY: The links of a live object, which is in no bucket any more.
            // INVARIANT: They say so.
            unsafe { *old.node().chain() = ChainLinks::NONE };
        }
    }

    /// Moves the first object for which `goes` is true, and all behind it, to another bucket.
    ///
    /// # Safety
    ///
    /// The other bucket is empty, and the one for these objects from now on.
    pub(crate) unsafe fn split(&mut self, upper: &mut Self, goes: impl Fn(&T) -> bool) {
        let mut link = self.head();
        while let Some(stays) = link.object().filter(|next| !goes(next)) {
            // SAFETY: The chain of this bucket leads to it.
            link = unsafe { Link::behind(stays) };
        }
        let rest = link.get();
        // SAFETY: The chain ends here.
        unsafe { link.set(ptr::null_mut()) };
        // SAFETY: The rest of the chain, to which nothing else leads any more.
        unsafe { upper.head().set(rest) };
    }

    /// Moves all objects of another bucket to the end of this one.
    ///
    /// # Safety
    ///
    /// Tfirst keys are greater than those here, and this is the bucket for them from now on.
    pub(crate) unsafe fn merge(&mut self, upper: &mut Self) {
        let mut link = self.head();
        while let Some(object) = link.object() {
            // SAFETY: The chain of this bucket leads to it.
            link = unsafe { Link::behind(object) };
        }
        let objects = upper.head().get();
        // SAFETY: The bucket is empty from now on.
        unsafe { upper.head().set(ptr::null_mut()) };
        // SAFETY: The objects of the other bucket, to which nothing else leads any more.
        unsafe { link.set(objects) };
    }
}

/// Replaces an object in a chain by another one, which gets its siblings. The links of the old one
/// mean nothing then.
///
/// # Safety
///
/// `old` is in the chain of a bucket that is locked; `new` is in none.
unsafe fn take_place<T: Linked>(old: &T, new: &T) {
    // SAFETY: The links of a live object in a chain.
    let links = unsafe { *old.node().chain() };
    // SAFETY: The links of a live object that is in no bucket.
    unsafe { *new.node().chain() = links };
    let new = new.node().links();
    // INVARIANT: What leads to the old object.
    let link = Link::<T>(links.link, PhantomData);
    // SAFETY: It leads to the new one, which is in the chain now.
    unsafe { link.set(new) };
    // INVARIANT: The first of the links of an object in the chain.
    let link = Link::<T>(new.cast(), PhantomData);
    // SAFETY: What is behind the new object is what was behind the old one.
    unsafe { link.set(links.next) };
}

/// Replaces an object in a chain by the first of its siblings.
///
/// # Safety
///
/// The object is in the chain of a bucket that is locked, and has siblings.
#[cold]
unsafe fn promote_sibling<T: Linked>(object: &T) {
    // SAFETY: By the requirement of this function.
    let siblings = unsafe { object.node().siblings::<T>() };
    if let Some(first) = siblings.first() {
        // SAFETY: It is one of them.
        unsafe { siblings.remove(first) };
        // SAFETY: It is in no bucket.
        unsafe { first.set_sibling(false) };
        // SAFETY: By the requirement of this function, and the sibling is in no bucket now.
        unsafe { take_place(object, first) };
    }
}

/// Where to insert an object into a chain that has no other one with its hash.
pub(crate) struct InsertionPoint<'l, T>(Position<'l, T>);

impl<T: Linked> InsertionPoint<'_, T> {
    /// Inserts an object there.
    ///
    /// # Safety
    ///
    /// The object is in no bucket and stays until it is removed. This is the insertion point, and the
    /// bucket, for its hash.
    #[doc(alias = "hlist_add_before")]
    #[doc(alias = "hlist_add_behind")]
    #[inline]
    pub(crate) unsafe fn insert(self, object: &T) {
        let Position { link, next } = self.0;
        let links = object.node().links();
        let behind = next.map_or(ptr::null_mut(), |next| next.node().links());
        // SAFETY: The object is in the chain from now on.
        unsafe { link.set(links) };
        // SAFETY: The first of its links, of an object that was in no bucket.
        unsafe { links.cast::<*mut Links>().write(behind) };
        if let Some(next) = next {
            // SAFETY: The links of the next object in the chain, which is behind the object now.
            unsafe { (*next.node().chain()).link = links.cast() };
        }
    }
}

/// Iterates over the objects of a bucket.
///
/// # Invariants
///
/// The objects are in a bucket that is locked during `'l`: `first` in its chain, `sibling` among the
/// siblings of `first`.
pub(crate) struct Iter<'l, T: Linked> {
    /// The object in the chain that comes next, or whose siblings do.
    first: Option<&'l T>,
    sibling: Option<&'l T>,
}

impl<'l, T: Linked> Iterator for Iter<'l, T> {
    type Item = &'l T;

    #[inline]
    fn next(&mut self) -> Option<&'l T> {
        let first = self.first?;
        let (this, sibling) = match self.sibling {
            // SAFETY: It is among the siblings of an object by the type invariant.
            Some(sibling) => (sibling, unsafe { siblings::next(sibling) }),
            // SAFETY: It is in a chain by the type invariant.
            None => (first, unsafe { first.node().siblings() }.first()),
        };
        self.sibling = sibling;
        if sibling.is_none() {
            // SAFETY: It is in a chain by the type invariant.
            self.first = unsafe { Link::behind(first) }.object();
        }
        Some(this)
    }
}

#[kernel::prelude::kunit_tests(restrack_bucket)]
mod tests {
    use super::*;
    use crate::fixture::Item;

    /// The key whose hash and serial number are two digits.
    fn key(digits: u32) -> Key {
        Key::from_cursor(u64::from(digits / 10) << 32 | u64::from(digits % 10))
    }

    fn item(digits: u32) -> Result<Pin<KBox<Item>>> {
        Ok(KBox::new(Item::new(key(digits)), GFP_KERNEL)?.into())
    }

    fn digits(item: &Item) -> u32 {
        let (rank, serial) = item.parts();
        rank * 10 + serial
    }

    fn lock(bucket: &Pin<KBox<Bucket<Item>>>) -> Locked<'_, Item> {
        // SAFETY: It stays as long as it is borrowed.
        unsafe { Bucket::lock(NonNull::from(&**bucket), PreemptGuard::new(), &()) }
    }

    fn bucket() -> Result<Pin<KBox<Bucket<Item>>>> {
        Ok(KBox::new(Bucket::new(), GFP_KERNEL)?.into())
    }

    /// Returns true if these items come in this order, and no others.
    fn holds(bucket: &Locked<'_, Item>, from: u32, values: &[u32]) -> bool {
        bucket
            .iter_from(key(from))
            .map(digits)
            .eq(values.iter().copied())
    }

    #[test]
    fn objects_are_sorted_whatever_the_order_of_inserts() -> Result {
        let bucket = bucket()?;
        let values = [31u32, 12, 20, 34, 11, 35, 30, 13];
        let mut items = KVec::new();
        for value in values {
            items.push(item(value)?, GFP_KERNEL)?;
        }
        let mut locked = lock(&bucket);
        for item in &items {
            // SAFETY: It is removed below, and nothing in between can fail.
            unsafe { locked.insert(item) };
        }
        let all = holds(&locked, 0, &[11, 12, 13, 20, 30, 31, 34, 35])
            && holds(&locked, 12, &[12, 13, 20, 30, 31, 34, 35])
            && holds(&locked, 14, &[20, 30, 31, 34, 35])
            && holds(&locked, 32, &[34, 35])
            && holds(&locked, 36, &[])
            && locked.first().is_some_and(|first| digits(first) == 11);
        let mut left = true;
        for (removed, item) in items.iter().enumerate() {
            // SAFETY: It is in this bucket.
            unsafe { locked.remove(item) };
            let rest = items.iter().skip(removed + 1);
            let count = locked.iter_from(Key::FIRST).count();
            left &= count == rest.len() && rest.count() == count && !item.is_sibling();
        }
        let empty = locked.first().is_none();
        drop(locked);
        assert!(all && left && empty);
        assert!(bucket.is_idle());
        Ok(())
    }

    #[test]
    fn replaced_object_is_found_no_more() -> Result {
        let bucket = bucket()?;
        let (one, two, three) = (item(11)?, item(12)?, item(21)?);
        let (new_one, new_two) = (item(11)?, item(12)?);
        let mut locked = lock(&bucket);
        for item in [&one, &two, &three] {
            // SAFETY: It is removed below, and nothing in between can fail.
            unsafe { locked.insert(item) };
        }
        // SAFETY: The first is there, the second is not.
        unsafe { locked.replace(&two, &new_two) };
        // SAFETY: The first is there, the second is not.
        unsafe { locked.replace(&one, &new_one) };
        let all = holds(&locked, 0, &[11, 12, 21]);
        let new = locked
            .iter_from(Key::FIRST)
            .zip([&new_one, &new_two, &three]);
        let new = new.map(|(found, item)| ptr::eq(found, &**item));
        let new = new.fold(true, |all, this| all && this);
        for item in [&new_one, &three, &new_two] {
            // SAFETY: It is in this bucket.
            unsafe { locked.remove(item) };
        }
        let empty = locked.first().is_none();
        drop(locked);
        assert!(all && new && empty);
        Ok(())
    }

    #[test]
    fn split_and_merge_keep_all_objects() -> Result {
        let (lower, upper) = (bucket()?, bucket()?);
        let (one, two, three) = (item(10)?, item(20)?, item(21)?);
        let mut low = lock(&lower);
        // SAFETY: It stays as long as it is borrowed.
        let mut high =
            unsafe { Bucket::lock_upper(NonNull::from(&*upper), PreemptGuard::new(), &()) };
        for item in [&one, &two, &three] {
            // SAFETY: It is removed below, and nothing in between can fail.
            unsafe { low.insert(item) };
        }
        let mut right = true;
        for (from, stay, go) in [
            (10, &[][..], &[10, 20, 21][..]),
            (20, &[10], &[20, 21]),
            (30, &[10, 20, 21], &[]),
        ] {
            // SAFETY: The other bucket is empty.
            unsafe { low.split(&mut high, |item| digits(item) >= from) };
            right &= holds(&low, 0, stay) && holds(&high, 0, go);
            // SAFETY: What is there is greater.
            unsafe { low.merge(&mut high) };
            right &= holds(&low, 0, &[10, 20, 21]) && high.first().is_none();
        }
        for item in [&one, &two, &three] {
            // SAFETY: It is in this bucket.
            unsafe { low.remove(item) };
        }
        drop((high, low));
        assert!(right);
        assert!(lower.is_idle() && upper.is_idle());
        Ok(())
    }
}
