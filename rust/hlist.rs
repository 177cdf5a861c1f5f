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
    /// The first object of the chain.
    #[inline]
    pub(crate) fn first<'lock>(&self, lock: &'lock impl Held) -> Option<&'lock T> {
        self.iter(lock).next()
    }

    /// The objects of the chain, from the first to the last.
    #[inline]
    pub(crate) fn iter<'lock>(&self, _lock: &'lock impl Held) -> Iter<'lock, T> {
        // SAFETY: The field of a live object, which nobody writes while the lock is held.
        let first = unsafe { (*self.0.get()).first };
        // INVARIANT: By the type invariant of the chain, and the lock is held during `'lock`.
        Iter(first.cast(), PhantomData)
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

    /// Moves all objects to two other chains: those before the first one of which `first` is true
    /// to one, the rest to the other.
    ///
    /// # Safety
    ///
    /// The other chains are empty; or `after` is this chain, and `first` is false of its first object.
    #[doc(alias = "hlist_move_list")]
    #[inline]
    pub(crate) unsafe fn split(
        &self,
        first: impl FnMut(&&T) -> bool,
        before: &Chain<T>,
        after: &Chain<T>,
        lock: &WriteGuard<'_>,
    ) {
        let end = self.iter(lock).find(first);
        let end = end.map_or(ptr::null_mut(), |end| end.node().0.get());
        let (this, before, after) = (self.0.get(), before.0.get(), after.0.get());
        // SAFETY: By the requirement of this function, and all chains are locked for writing.
        unsafe { bindings::restrack_helper_hlist_split(this, end, before, after) };
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
/// The node is NULL or that of a live `T` in a chain that is locked during `'lock`.
pub(crate) struct Iter<'lock, T: Linked>(*const Node, PhantomData<&'lock T>);

impl<'lock, T: Linked> Iterator for Iter<'lock, T> {
    type Item = &'lock T;

    #[inline]
    fn next(&mut self) -> Option<&'lock T> {
        // SAFETY: NULL or a live node by the type invariant.
        let node = unsafe { self.0.as_ref() }?;
        let object = self.0.wrapping_byte_sub(T::NODE_OFFSET).cast::<T>();
        // INVARIANT: The next node is in the same chain.
        self.0 = node.next();
        // SAFETY: By the type invariant and the definition of `Linked`.
        let object = unsafe { NonNull::new_unchecked(object.cast_mut()) };
        // SAFETY: As above.
        Some(unsafe { object.as_ref() })
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
    fn objects_come_in_their_order() -> Result {
        let rwsem = rwsem()?;
        let lock = rwsem.write();
        let chain = Chain::<Item>(Opaque::zeroed(), PhantomData);
        let (one, two, three) = (item(1)?, item(2)?, item(3)?);

        assert!(chain.first(&lock).is_none());
        // SAFETY: All of them are removed below, and nothing in between can fail.
        unsafe { chain.add_head(&*three, &lock) };
        // SAFETY: As above.
        unsafe { chain.add_head(&*one, &lock) };
        // SAFETY: As above.
        unsafe { chain.add_behind(&*one, &*two, &lock) };
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
