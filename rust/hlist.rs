// SPDX-License-Identifier: GPL-2.0

//! Chains of objects that carry their own links.
//!
//! C header: [`include/linux/list.h`](srctree/include/linux/list.h)

use crate::{
    bindings,
    sync::{
        Held,
        WriteGuard, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::types::Opaque;

/// Wraps the kernel's `struct hlist_node`.
///
/// # Invariants
///
/// The node is either not linked (its `pprev` is NULL) or in exactly one [`Chain`].
#[repr(transparent)]
pub(crate) struct Node(Opaque<bindings::hlist_node>);

impl Node {
    /// A node that is not linked.
    #[doc(alias = "INIT_HLIST_NODE")]
    #[inline]
    pub(crate) const fn new() -> Self {
        // INVARIANT: `pprev` is NULL.
        Self(Opaque::zeroed())
    }
}

/// An object that can be a member of a [`Chain`].
///
/// # Safety
///
/// [`Self::NODE_OFFSET`] is where in `Self` the [`Node`] is that [`Self::node`] returns.
pub(crate) unsafe trait Linked: Sized {
    /// Offset of the node in the object, in bytes.
    const NODE_OFFSET: usize;

    /// The node of the object.
    fn node(&self) -> &Node;
}

/// Wraps the kernel's `struct hlist_head`: a chain of `T`s that it does not own.
///
/// A lock protects the chain. Which one is the business of who has the chain; every function asks
/// for a guard of it.
///
/// # Invariants
///
/// Every node in the chain is that of a live `T`, and changes only while the lock is held for
/// writing.
#[repr(transparent)]
pub(crate) struct Chain<T: Linked>(Opaque<bindings::hlist_head>, PhantomData<T>);

impl<T: Linked> Chain<T> {
    /// The first object of the chain.
    #[inline]
    pub(crate) fn first<'lock>(&self, lock: &'lock impl Held) -> Option<&'lock T> {
        self.iter(lock).next()
    }

    /// The objects of the chain, from the first to the last.
    #[inline]
    pub(crate) fn iter<'lock>(&self, _lock: &'lock impl Held) -> Iter<'lock, T> {
        // SAFETY: The link of a live object, which nobody writes while the lock is held.
        let first = unsafe { self.link().read() };
        // INVARIANT: By the type invariant of the chain, and the lock is held during `'lock`.
        Iter(first, PhantomData)
    }

    /// The gap before the first object.
    #[inline]
    pub(crate) fn front<'lock>(&self, _lock: &'lock impl Held) -> Gap<'lock, T> {
        // INVARIANT: It is a link of this chain, which is locked during `'lock`.
        Gap(self.link(), PhantomData)
    }

    /// The link to the first node.
    #[inline]
    fn link(&self) -> *mut *mut bindings::hlist_node {
        // SAFETY: The field of a live object.
        unsafe { &raw mut (*self.0.get()).first }
    }

    /// Moves all objects to two chains: those before the first one of which `first` is true to one,
    /// the rest to the other.
    ///
    /// # Safety
    ///
    /// Both chains are empty, or one of them is this chain and the other one is empty.
    #[inline]
    pub(crate) unsafe fn split(
        &self,
        mut first: impl FnMut(&&T) -> bool,
        before: &Chain<T>,
        after: &Chain<T>,
        _lock: &WriteGuard<'_>,
    ) {
        // SAFETY: The link of a live object, and the lock is held for writing.
        let mut nodes = unsafe { self.link().replace(ptr::null_mut()) };
        // INVARIANT: The chain goes on as the nodes behind this link.
        let mut gap = Gap::<T>(&raw mut nodes, PhantomData);
        while let Some(next) = gap.next().filter(|next| !first(next)) {
            gap = Gap::behind(next);
        }
        // SAFETY: The link is `nodes`, or that of a node of the chain.
        let rest = unsafe { gap.0.replace(ptr::null_mut()) };
        // SAFETY: Both are empty by now, and the nodes are all in one of the two lists.
        unsafe { before.set(nodes) };
        // SAFETY: As above.
        unsafe { after.set(rest) };
    }

    /// Puts nodes into the chain, which are linked with each other.
    ///
    /// # Safety
    ///
    /// The chain is empty and locked for writing. The nodes, which may be none, are those of live
    /// `T`s that stay where they are until they are removed; nothing else links to the first one.
    #[doc(alias = "hlist_move_list")]
    #[inline]
    unsafe fn set(&self, nodes: *mut bindings::hlist_node) {
        let link = self.link();
        // SAFETY: By the requirements of this function.
        unsafe { *link = nodes };
        if !nodes.is_null() {
            // SAFETY: As above.
            unsafe { (*nodes).pprev = link };
        }
    }

    /// Takes an object out of the chain that it is in; does nothing if it is in none.
    #[doc(alias = "hlist_del_init")]
    #[inline]
    pub(crate) fn remove(object: &T, _lock: &WriteGuard<'_>) {
        let node = object.node().0.get();
        // SAFETY: The node of a live object, locked.
        let bindings::hlist_node { next, pprev: link } = unsafe { *node };
        if link.is_null() {
            return;
        }
        // SAFETY: The node is in a chain by its type invariant, so this is the link to it.
        unsafe { *link = next };
        if !next.is_null() {
            // SAFETY: The next node of a chain that is locked.
            unsafe { (*next).pprev = link };
        }
        let unlinked = bindings::hlist_node {
            next: ptr::null_mut(),
            pprev: ptr::null_mut(),
        };
        // SAFETY: The node of a live object, locked.
        // INVARIANT: It is in the chain no more.
        unsafe { *node = unlinked };
    }
}

/// A gap in a [`Chain`]: before an object, or behind the last one.
///
/// # Invariants
///
/// The link is the first one of a chain that is locked during `'lock`, or that of a node in it.
pub(crate) struct Gap<'lock, T: Linked>(*mut *mut bindings::hlist_node, PhantomData<&'lock T>);

impl<'lock, T: Linked> Gap<'lock, T> {
    /// The object behind the gap.
    #[inline]
    pub(crate) fn next(&self) -> Option<&'lock T> {
        // SAFETY: A link of a locked chain by the type invariant.
        let node = NonNull::new(unsafe { *self.0 })?;
        // SAFETY: A node of a locked chain is that of a live `T`.
        Some(unsafe { object(node) })
    }

    /// The gap behind an object that is behind this gap.
    #[inline]
    pub(crate) fn behind(next: &'lock T) -> Self {
        // SAFETY: The field of a live object.
        let link = unsafe { &raw mut (*next.node().0.get()).next };
        // INVARIANT: The object is in a chain that is locked during `'lock`.
        Self(link, PhantomData)
    }

    /// Puts an object into the gap.
    ///
    /// # Safety
    ///
    /// `object` is in no chain and stays where it is until [`Chain::remove`]; the object behind the
    /// gap is still in its chain, and nothing has come before it since the gap was found.
    #[doc(alias = "hlist_add_before")]
    #[doc(alias = "hlist_add_behind")]
    #[inline]
    pub(crate) unsafe fn fill(self, object: &T, _lock: &WriteGuard<'_>) {
        let (node, link) = (object.node().0.get(), self.0);
        // SAFETY: A link of a locked chain by the type invariant.
        let next = unsafe { link.replace(node) };
        let linked = bindings::hlist_node { next, pprev: link };
        // SAFETY: The node of a live object, which nobody else uses: it is in no chain.
        // INVARIANT: It is in this one now.
        unsafe { *node = linked };
        if !next.is_null() {
            // SAFETY: The field of a live object.
            let link = unsafe { &raw mut (*node).next };
            // SAFETY: A node of a locked chain.
            unsafe { (*next).pprev = link };
        }
    }
}

/// The object that a node is part of.
///
/// # Safety
///
/// The node is that of a live `T` which stays during `'a`.
#[inline]
unsafe fn object<'a, T: Linked>(node: NonNull<bindings::hlist_node>) -> &'a T {
    // SAFETY: By the requirement of this function and the definition of `Linked`.
    let object = unsafe { node.byte_sub(T::NODE_OFFSET) };
    // SAFETY: As above.
    unsafe { object.cast().as_ref() }
}

/// Iterates over the objects of a [`Chain`].
///
/// # Invariants
///
/// The node is NULL or that of a live `T` in a chain that is locked during `'lock`.
pub(crate) struct Iter<'lock, T: Linked>(*mut bindings::hlist_node, PhantomData<&'lock T>);

impl<'lock, T: Linked> Iterator for Iter<'lock, T> {
    type Item = &'lock T;

    #[inline]
    fn next(&mut self) -> Option<&'lock T> {
        let node = NonNull::new(self.0)?;
        // SAFETY: A live node by the type invariant.
        // INVARIANT: The next node is in the same chain.
        self.0 = unsafe { node.as_ref() }.next;
        // SAFETY: By the type invariant.
        Some(unsafe { object(node) })
    }
}

#[kernel::prelude::kunit_tests(restrack_hlist)]
mod tests {
    use super::*;
    use crate::sync::RwSemaphore;
    use core::mem::offset_of;
    use kernel::prelude::*;

    /// Something to be linked, with its node not at its start.
    struct Item {
        value: u32,
        node: Node,
    }

    // SAFETY: `node` is where the offset says.
    unsafe impl Linked for Item {
        const NODE_OFFSET: usize = offset_of!(Item, node);

        fn node(&self) -> &Node {
            &self.node
        }
    }

    fn item(value: u32) -> Result<Pin<KBox<Item>>> {
        let node = Node(Opaque::zeroed());
        Ok(KBox::new(Item { value, node }, GFP_KERNEL)?.into())
    }

    fn rwsem() -> Result<Pin<KBox<RwSemaphore>>> {
        let rwsem = KBox::<RwSemaphore>::new_uninit(GFP_KERNEL)?;
        let rwsem = KBox::into_raw(rwsem).cast::<RwSemaphore>();
        // SAFETY: Valid for writes, new, and pinned by what is returned.
        unsafe { RwSemaphore::init(rwsem) };
        // SAFETY: The pointer comes from `into_raw()`, and is initialised now.
        Ok(unsafe { KBox::from_raw(rwsem) }.into())
    }

    /// The values in the chain, as decimal digits.
    fn digits(chain: &Chain<Item>, lock: &impl Held) -> u32 {
        chain
            .iter(lock)
            .fold(0, |digits, item| digits * 10 + item.value)
    }

    #[test]
    fn a_chain_is_split_anywhere() -> Result {
        let rwsem = rwsem()?;
        let lock = rwsem.write();
        let chain = || Chain::<Item>(Opaque::zeroed(), PhantomData);
        let (one, two, left, right) = (item(1)?, item(2)?, chain(), chain());
        let mut found = [(0, 0); 3];

        for (from, found) in (1..).zip(&mut found) {
            // SAFETY: Both are removed below, and nothing in between can fail.
            unsafe { left.front(&lock).fill(&*two, &lock) };
            // SAFETY: As above.
            unsafe { left.front(&lock).fill(&*one, &lock) };
            // SAFETY: One of the two is the chain itself, the other one is empty.
            unsafe { left.split(|item| item.value >= from, &left, &right, &lock) };
            *found = (digits(&left, &lock), digits(&right, &lock));
            Chain::remove(&*one, &lock);
            Chain::remove(&*two, &lock);
        }
        assert!(left.first(&lock).is_none() && right.first(&lock).is_none());
        assert!(found == [(0, 12), (1, 2), (12, 0)]);

        // SAFETY: It is removed below.
        unsafe { left.front(&lock).fill(&*one, &lock) };
        // SAFETY: One of the two is the chain itself, the other one is empty.
        unsafe { left.split(|_| false, &right, &left, &lock) };
        let moved = digits(&right, &lock);
        Chain::remove(&*one, &lock);
        assert_eq!(moved, 1);
        assert!(right.first(&lock).is_none());
        Ok(())
    }

    #[test]
    fn objects_come_in_their_order() -> Result {
        let rwsem = rwsem()?;
        let lock = rwsem.write();
        let chain = Chain::<Item>(Opaque::zeroed(), PhantomData);
        let (one, two, three) = (item(1)?, item(2)?, item(3)?);

        assert!(chain.first(&lock).is_none());
        assert!(chain.front(&lock).next().is_none());
        // SAFETY: All of them are removed below, and nothing in between can fail.
        unsafe { chain.front(&lock).fill(&*three, &lock) };
        // SAFETY: As above.
        unsafe { chain.front(&lock).fill(&*one, &lock) };
        // SAFETY: As above.
        unsafe { Gap::behind(&*one).fill(&*two, &lock) };
        let all = digits(&chain, &lock);

        Chain::remove(&*two, &lock);
        let without_two = digits(&chain, &lock);
        // Not linked: nothing happens.
        Chain::remove(&*two, &lock);
        let still_without_two = digits(&chain, &lock);
        Chain::remove(&*one, &lock);
        let without_one = digits(&chain, &lock);
        Chain::remove(&*three, &lock);

        assert_eq!(all, 123);
        assert_eq!(without_two, 13);
        assert_eq!(still_without_two, 13);
        assert_eq!(without_one, 3);
        assert!(chain.first(&lock).is_none());
        Ok(())
    }
}
