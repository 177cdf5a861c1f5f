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

/// The sibling with the next key.
///
/// # Safety
///
/// `sibling` is in the tree of a bucket that is locked as long as it is borrowed.
#[doc(alias = "rb_next")]
pub(crate) unsafe fn next<T: Linked>(sibling: &T) -> Option<&T> {
    // SAFETY: By the requirement of this function.
    let next = unsafe { bindings::rb_next(node(sibling)) };
    // SAFETY: It is in the same tree.
    unsafe { of(next) }
}

impl<'l, T: Linked> Siblings<'l, T> {
    /// The siblings of an object in a chain, by where it keeps the root of the tree.
    ///
    /// # Safety
    ///
    /// The root is that of a tree of live `T`s, sorted by key, in a bucket that is locked during `'l`.
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
                // SAFETY: A node in the tree.
                unsafe { &raw const (*at).rb_left }
            };
            // SAFETY: A link in the tree.
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
                // SAFETY: A node in the tree.
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

    /// Takes an object out of the tree. Its links mean nothing then.
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

#[kernel::prelude::kunit_tests(restrack_siblings)]
mod tests {
    use super::*;
    use crate::{
        bucket::{
            Bucket,
            Locked, //
        },
        fixture::{
            self,
            Crowd,
            Item,
            TestEntry, //
        },
        kind::Kind,
        lifecycle,
        sync::PreemptGuard, //
    };
    /// A key; all have one hash.
    fn key(serial: u32) -> Key {
        Key::from_cursor(5 << 32 | u64::from(serial))
    }

    fn serial(item: &Item) -> u32 {
        item.parts().1
    }

    fn items(serials: impl Iterator<Item = u32>) -> Result<KVVec<Item>> {
        let mut items = KVVec::with_capacity(COUNT as usize, GFP_KERNEL)?;
        for serial in serials {
            items.push(Item::new(key(serial)), GFP_KERNEL)?;
        }
        Ok(items)
    }

    /// How many there are in a test.
    const COUNT: u32 = 10_000;

    /// The most keys that are compared to find an object: a red-black tree is at most twice as deep as
    /// a balanced one. Some more are for the chain.
    const MOST: u32 = 2 * (COUNT.ilog2() + 1) + 6;

    /// How many keys were read since the last call.
    fn asked(items: &[Item]) -> u32 {
        items.iter().map(Item::asked).sum()
    }

    /// Returns true if these come in this order, and no others, and all but the first are siblings.
    fn holds(bucket: &Locked<'_, Item>, serials: impl Iterator<Item = u32>) -> bool {
        let first = bucket.first().is_none_or(|first| !first.is_sibling());
        let rest = bucket.iter_from(Key::FIRST).skip(1);
        first
            && rest.fold(true, |all, item| all && item.is_sibling())
            && bucket.iter_from(Key::FIRST).map(serial).eq(serials)
    }

    /// Inserts objects with one hash, finds each, and removes them. Returns true if all are found and
    /// each step reads at most [`MOST`] keys.
    fn come_and_go(items: &[Item], order: impl Fn(u32) -> u32) -> Result<bool> {
        let bucket = KBox::pin(Bucket::new(), GFP_KERNEL)?;
        let lock = || {
            // SAFETY: It stays until the end of this function.
            unsafe { Bucket::lock(NonNull::from(&*bucket), PreemptGuard::new(), &()) }
        };
        let mut right = true;
        for item in items {
            // SAFETY: It is removed below, and nothing in between can fail.
            unsafe { lock().insert(item) };
        }
        // To insert one, its own key is read each time, too.
        right &= asked(items) <= COUNT * 2 * MOST;
        right &= holds(&lock(), 0..COUNT);
        asked(items);
        for serial in 0..COUNT {
            let locked = lock();
            let mut found = locked.iter_from(key(serial)).map(self::serial);
            right &= found.next() == Some(serial) && found.next() == Some(serial + 1)
                || serial == COUNT - 1;
        }
        right &= asked(items) <= COUNT * MOST;
        for step in 0..COUNT {
            if let Some(item) = items.get(order(step) as usize) {
                // SAFETY: It is in this bucket.
                unsafe { lock().remove(item) };
                right &= !item.is_sibling();
            }
        }
        right &= asked(items) <= COUNT * MOST;
        Ok(right && bucket.is_idle())
    }

    #[test]
    fn each_step_with_many_siblings_reads_few_keys() -> Result {
        let scattered = |step: u32| (step * 7919 + 5000) % COUNT;
        for items in [
            items(0..COUNT)?,
            items((0..COUNT).rev())?,
            items((0..COUNT).map(scattered))?,
        ] {
            assert!(come_and_go(&items, |step| step)?);
            assert!(come_and_go(&items, |step| COUNT - 1 - step)?);
            assert!(come_and_go(&items, scattered)?);
        }
        Ok(())
    }

    #[test]
    fn first_object_and_sibling_can_be_replaced() -> Result {
        let bucket = KBox::pin(Bucket::new(), GFP_KERNEL)?;
        let (old, new) = (items(1..6)?, items(1..6)?);
        // SAFETY: It stays to the end of this function.
        let mut locked = unsafe { Bucket::lock(NonNull::from(&*bucket), PreemptGuard::new(), &()) };
        for item in &old {
            // SAFETY: It is removed below, and nothing in between can fail.
            unsafe { locked.insert(item) };
        }
        let mut right = true;
        for (old, new) in [2, 0, 4, 1, 3]
            .iter()
            .filter_map(|at| old.get(*at).zip(new.get(*at)))
        {
            // SAFETY: The first is there, the second is not.
            unsafe { locked.replace(old, new) };
            right &= holds(&locked, 1..6) && !old.is_sibling();
            let mut found = locked.iter_from(key(serial(new)));
            right &= found.next().is_some_and(|found| ptr::eq(found, new));
        }
        for item in &new {
            // SAFETY: It is in this bucket.
            unsafe { locked.remove(item) };
            right &= holds(&locked, serial(item) + 1..6);
        }
        drop(locked);
        assert!(right && bucket.is_idle());
        Ok(())
    }

    #[test]
    fn object_with_the_least_key_becomes_the_first() -> Result {
        let bucket = KBox::pin(Bucket::new(), GFP_KERNEL)?;
        let items = items([7, 9, 3, 8, 1].into_iter())?;
        // SAFETY: It stays to the end of this function.
        let mut locked = unsafe { Bucket::lock(NonNull::from(&*bucket), PreemptGuard::new(), &()) };
        let mut right = true;
        for (item, there) in items.iter().zip([
            &[7][..],
            &[7, 9],
            &[3, 7, 9],
            &[3, 7, 8, 9],
            &[1, 3, 7, 8, 9],
        ]) {
            // SAFETY: It is removed below, and nothing in between can fail.
            unsafe { locked.insert(item) };
            right &= holds(&locked, there.iter().copied());
        }
        for (item, left) in items
            .iter()
            .zip([&[1, 3, 8, 9][..], &[1, 3, 8], &[1, 8], &[1], &[]])
        {
            // SAFETY: It is in this bucket.
            unsafe { locked.remove(item) };
            right &= holds(&locked, left.iter().copied());
        }
        drop(locked);
        assert!(right && bucket.is_idle());
        Ok(())
    }

    /// What may be freed and what was not, among objects with the same number.
    #[test]
    fn stand_in_replaces_the_first_object_and_a_sibling() -> Result {
        const NUMBER: u32 = 7;
        let root = fixture::root()?;
        let crowd = Crowd::new(Kind::Mr, 5)?;
        for index in 0..crowd.len() {
            crowd.add(&root, index, Some(NUMBER))?;
        }
        let is_order = |expected: &[usize]| {
            let mut cursor = 0;
            let mut expected = expected.iter();
            while let Some(found) = root.next(Kind::Mr, &mut cursor, true) {
                let entry = expected.next().and_then(|index| crowd.get(*index));
                if !entry.is_some_and(|entry| ptr::eq(entry, &*found)) {
                    return false;
                }
            }
            expected.next().is_none()
        };
        for (index, others) in [(0, [1, 2, 3, 4]), (2, [0, 1, 3, 4]), (4, [0, 1, 2, 3])] {
            let entry = crowd.get(index).ok_or(EINVAL)?;
            let key = entry.key();
            let stand_in = TestEntry::zeroed()?;
            // SAFETY: The stand-in is zeroed, and stays.
            unsafe { lifecycle::begin_free(crowd.updater(index)?, stand_in.updater()) };
            assert!(!entry.is_valid() && stand_in.is_valid());
            assert!(stand_in.key() == key);
            assert!(matches!(root.get_by_key(Kind::Mr, key), Err(EAGAIN)));
            assert!(root.get(Kind::Mr, NUMBER).is_some());
            assert!(is_order(&others));
            // SAFETY: Both were given to `begin_free()`, and stay.
            unsafe { lifecycle::abort_free(crowd.updater(index)?, stand_in.updater()) };
            assert!(entry.is_valid() && !stand_in.is_valid());
            assert!(root
                .get_by_key(Kind::Mr, key)
                .is_ok_and(|found| ptr::eq(&*found, entry)));
            assert!(is_order(&[0, 1, 2, 3, 4]));
        }
        // And those that are freed.
        for (index, rest) in [(2, &[0, 1, 3, 4][..]), (0, &[1, 3, 4]), (4, &[1, 3])] {
            let stand_in = TestEntry::zeroed()?;
            // SAFETY: The stand-in is zeroed, and stays.
            unsafe { lifecycle::begin_free(crowd.updater(index)?, stand_in.updater()) };
            lifecycle::commit_free(stand_in.updater());
            assert!(!stand_in.is_valid());
            assert!(is_order(rest));
        }
        Ok(())
    }
}
