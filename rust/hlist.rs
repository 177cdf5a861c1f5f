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
    ptr, //
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
    /// The node that follows in the chain, or NULL.
    fn next(&self) -> *const Node {
        // SAFETY: The field of a live object. Who has a lock guard reads it while nobody writes it.
        unsafe { (*self.0.get()).next.cast() }
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
    /// The object that has this node.
    ///
    /// # Safety
    ///
    /// `node` is NULL or in a chain of `T`s that does not change during `'lock`.
    unsafe fn object<'lock>(node: *const Node) -> Option<&'lock T> {
        let object = if node.is_null() {
            ptr::null()
        } else {
            node.wrapping_byte_sub(T::NODE_OFFSET).cast::<T>()
        };
        // SAFETY: It is NULL or, by the requirement of this function, the invariant of `Chain` and
        // the definition of `Linked`, a live `T`.
        unsafe { object.as_ref() }
    }

    /// The first object of the chain.
    #[inline]
    pub(crate) fn first<'lock>(&self, _lock: &'lock impl Held) -> Option<&'lock T> {
        // SAFETY: The field of a live object, which nobody writes while the lock is held.
        let first = unsafe { (*self.0.get()).first };
        // SAFETY: By the type invariant, and the lock is held during `'lock`.
        unsafe { Self::object(first.cast()) }
    }

    /// The objects of the chain, from the first to the last.
    #[inline]
    pub(crate) fn iter<'lock>(&self, lock: &'lock impl Held) -> Iter<'lock, T> {
        Iter(self.first(lock), PhantomData)
    }

    /// Puts an object before all others.
    ///
    /// # Safety
    ///
    /// `object` is in no chain and stays where it is until [`Self::remove`].
    #[doc(alias = "hlist_add_head")]
    #[inline]
    pub(crate) unsafe fn add_head(&self, object: &T, _lock: &WriteGuard<'_>) {
        // SAFETY: By the requirements of this function, and the chain is locked for writing.
        unsafe { bindings::restrack_helper_hlist_add_head(object.node().0.get(), self.0.get()) };
    }

    /// Puts an object behind another.
    ///
    /// # Safety
    ///
    /// `previous` is in this chain; `object` is in none and stays where it is until
    /// [`Self::remove`].
    #[doc(alias = "hlist_add_behind")]
    #[inline]
    pub(crate) unsafe fn add_behind(&self, previous: &T, object: &T, _lock: &WriteGuard<'_>) {
        // SAFETY: By the requirements of this function, and the chain is locked for writing.
        unsafe {
            bindings::restrack_helper_hlist_add_behind(
                object.node().0.get(),
                previous.node().0.get(),
            )
        };
    }

    /// Takes an object out of the chain that it is in; does nothing if it is in none.
    #[doc(alias = "hlist_del_init")]
    #[inline]
    pub(crate) fn remove(object: &T, _lock: &WriteGuard<'_>) {
        // SAFETY: The node is unlinked or in a chain by its type invariant, and locked.
        unsafe { bindings::restrack_helper_hlist_del_init(object.node().0.get()) };
    }
}

/// Iterates over the objects of a [`Chain`].
///
/// # Invariants
///
/// The object is in a chain that is locked during `'lock`.
pub(crate) struct Iter<'lock, T: Linked>(Option<&'lock T>, PhantomData<&'lock Chain<T>>);

impl<'lock, T: Linked> Iterator for Iter<'lock, T> {
    type Item = &'lock T;

    #[inline]
    fn next(&mut self) -> Option<&'lock T> {
        let object = self.0?;
        // SAFETY: By the type invariant.
        self.0 = unsafe { Chain::object(object.node().next()) };
        Some(object)
    }
}
