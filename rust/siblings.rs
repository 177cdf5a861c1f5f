// SPDX-License-Identifier: GPL-2.0

//! Objects of a bucket that have the hash of another one: a red-black tree, sorted by key.
//!
//! C header: [`include/linux/rbtree.h`](srctree/include/linux/rbtree.h)

use crate::{
    bindings,
    bucket::{
        object,
        Linked, //
    },
    key::Key, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::prelude::*;

/// The siblings of an object in the chain of a bucket: a `struct rb_root`.
///
/// # Invariants
///
/// The root is that of a tree of live `T`s, sorted by key, in a bucket that is locked during `'l`.
pub(crate) struct Siblings<'l, T: Linked>(*mut bindings::rb_root, PhantomData<&'l T>);

/// The tree's part of the links of an object.
#[inline]
fn node<T: Linked>(object: &T) -> *mut bindings::rb_node {
    object.node().links().cast()
}

/// The object of a node in a tree.
///
/// # Safety
///
/// The node is NULL, or that of a live `T` which stays during `'l`.
#[inline]
unsafe fn of<'l, T: Linked>(node: *mut bindings::rb_node) -> Option<&'l T> {
    let node = NonNull::new(node.cast())?;
    // SAFETY: By the requirement of this function.
    Some(unsafe { object(node) })
}

/// The sibling behind one, in the same bucket.
#[doc(alias = "rb_next")]
pub(crate) fn next<T: Linked>(sibling: &T) -> Option<&T> {
    // SAFETY: Who has a sibling at hand has locked its bucket.
    let next = unsafe { bindings::rb_next(node(sibling)) };
    // SAFETY: It is in the same tree.
    unsafe { of(next) }
}

impl<'l, T: Linked> Siblings<'l, T> {
    /// The siblings of an object in a chain, by where it keeps the root of the tree.
    ///
    /// # Safety
    ///
    /// The type invariant.
    #[inline]
    pub(crate) unsafe fn at(root: *mut bindings::rb_root) -> Self {
        // INVARIANT: By the requirement of this function.
        Self(root, PhantomData)
    }

    /// The node at the top of the tree, or NULL.
    #[inline]
    fn top(&self) -> *mut bindings::rb_node {
        // SAFETY: By the type invariant.
        unsafe { (*self.0).rb_node }
    }

    /// The sibling with the least key.
    #[doc(alias = "rb_first")]
    #[inline]
    pub(crate) fn first(&self) -> Option<&'l T> {
        if self.top().is_null() {
            return None;
        }
        self.first_from(Key::FIRST)
    }

    /// The sibling with the least key that is not less than this.
    #[cold]
    pub(crate) fn first_from(&self, from: Key) -> Option<&'l T> {
        let (mut found, mut at) = (None, self.top());
        // SAFETY: The node is NULL or in the tree.
        while let Some(object) = unsafe { of::<T>(at) } {
            let below = if object.key() < from {
                // SAFETY: A node in the tree.
                unsafe { &raw const (*at).rb_right }
            } else {
                found = Some(object);
                // SAFETY: As above.
                unsafe { &raw const (*at).rb_left }
            };
            // SAFETY: As above.
            at = unsafe { *below };
        }
        found
    }

    /// Puts an object into the tree.
    ///
    /// # Safety
    ///
    /// The object is in no bucket and stays until it is removed; no other has its key.
    #[doc(alias = "rb_link_node")]
    #[doc(alias = "rb_insert_color")]
    #[cold]
    pub(crate) unsafe fn insert(&self, object: &T) {
        // SAFETY: The field of a live object.
        let mut link = unsafe { &raw mut (*self.0).rb_node };
        let mut parent: *mut bindings::rb_node = ptr::null_mut();
        loop {
            // SAFETY: A link in the tree.
            let at = unsafe { *link };
            // SAFETY: It leads to NULL or to a node in the tree.
            let Some(other) = (unsafe { of::<T>(at) }) else {
                break;
            };
            link = if object.key() < other.key() {
                // SAFETY: A node in the tree.
                unsafe { &raw mut (*at).rb_left }
            } else {
                // SAFETY: As above.
                unsafe { &raw mut (*at).rb_right }
            };
            parent = at;
        }
        let new = bindings::rb_node {
            // A new node is red, which is zero.
            __rb_parent_color: parent as c_ulong,
            rb_right: ptr::null_mut(),
            rb_left: ptr::null_mut(),
        };
        let node = node(object);
        // SAFETY: The links of an object that is in no bucket.
        unsafe { *node = new };
        // SAFETY: The link where it belongs.
        unsafe { *link = node };
        // SAFETY: It was linked, and is to be brought into balance.
        unsafe { bindings::rb_insert_color(node, self.0) };
    }

    /// Takes an object out of the tree; its links mean nothing then.
    ///
    /// # Safety
    ///
    /// The object is in this tree.
    #[doc(alias = "rb_erase")]
    #[cold]
    pub(crate) unsafe fn remove(&self, object: &T) {
        // SAFETY: By the requirement of this function.
        unsafe { bindings::rb_erase(node(object), self.0) };
    }
}
