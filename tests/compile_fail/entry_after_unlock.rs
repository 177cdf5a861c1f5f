// SPDX-License-Identifier: GPL-2.0

//! E0505: what was found in a bucket is not used when the bucket is unlocked.

use crate::{
    entry::Entry,
    key::Key,
    root::Root,
    table::{
        LockedBucket,
        Table, //
    }, //
};
use kernel::prelude::*;

fn first(bucket: LockedBucket<'_>) -> u32 {
    let first = bucket.first();
    drop(bucket); //~
    first.map_or(0, Entry::id)
}

fn found(bucket: LockedBucket<'_>, key: Key) -> u32 {
    let found = bucket.find(key.hash());
    drop(bucket); //~
    found.map_or(0, Entry::id)
}

fn iterator(bucket: LockedBucket<'_>) -> usize {
    let entries = bucket.iter_from(Key::FIRST);
    drop(bucket); //~
    entries.count()
}

fn insertion_point(mut bucket: LockedBucket<'_>, entry: &Entry) {
    let point = bucket.insertion_point(entry.key().hash());
    drop(bucket); //~
    if let Some(point) = point {
        // SAFETY: None: the bucket is unlocked.
        unsafe { point.insert(entry) };
    }
}

fn table(table: KBox<Table>) {
    let bucket = table.lock(Key::FIRST.hash());
    drop(table); //~
    drop(bucket);
}

fn walk(root: Pin<KBox<Root>>, table: KBox<Table>) {
    let mut walk = table.walk(Key::FIRST);
    drop(table); //~
    let _ = (root, walk.next_bucket());
}
