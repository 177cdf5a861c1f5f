// SPDX-License-Identifier: GPL-2.0

//! What is right: each of the wrong uses beside this file differs from it in one thing.

use crate::{
    entry::{
        Entry,
        Updater, //
    },
    key::Key,
    lifecycle,
    owner::Owner,
    root::Root,
    table::Table, //
};

/// Links an entry, finds it, and takes it out again.
///
/// # Safety
///
/// The entry is in no table, and stays.
pub(crate) unsafe fn link(table: &Table, entry: &Entry) -> bool {
    let hash = entry.key().hash();
    let mut bucket = table.lock(hash);
    if let Some(point) = bucket.insertion_point(hash) {
        // SAFETY: By the requirement of this function, and this is the bucket for its hash.
        unsafe { point.insert(entry) };
    }
    let found = bucket.find(hash).is_some();
    // SAFETY: It was put there.
    unsafe { bucket.remove(entry) };
    drop(bucket);
    found
}

/// Walks over a table.
pub(crate) fn walk(table: &Table) -> usize {
    let mut count = 0;
    let mut walk = table.walk(Key::FIRST);
    while let Some(mut bucket) = walk.next_bucket() {
        count += bucket.entries().count();
    }
    count
}

/// Changes the number of buckets.
///
/// # Safety
///
/// The `rwsem` of the table's root is held for writing.
pub(crate) unsafe fn resize(table: &Table) {
    // SAFETY: By the requirement of this function.
    unsafe { table.resizable() }.reset();
}

/// Cleans a root.
pub(crate) fn clean(root: &Root) -> usize {
    root.clean().count
}

/// Gives an entry another owner, and deletes it.
pub(crate) fn change(mut entry: Updater<'_>) {
    if let Some(owner) = entry.owner_mut() {
        owner.set(Owner::nobody());
    }
    lifecycle::del(entry);
}
