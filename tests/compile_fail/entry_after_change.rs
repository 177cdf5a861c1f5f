// SPDX-License-Identifier: GPL-2.0

//! E0502: what was found in a bucket is not used when the bucket has changed.

use crate::{
    entry::Entry,
    key::Key,
    table::LockedBucket, //
};

fn insertion_point(bucket: &mut LockedBucket<'_>, entry: &Entry) {
    let first = bucket.first();
    let point = bucket.insertion_point(entry.key().hash()); //~
    if let Some(point) = point {
        // SAFETY: None.
        unsafe { point.insert(entry) };
    }
    let _ = first.map(Entry::id);
}

fn iterator(bucket: &mut LockedBucket<'_>, entry: &Entry) -> usize {
    let entries = bucket.iter_from(Key::FIRST);
    // SAFETY: None.
    unsafe { bucket.remove(entry) }; //~
    entries.count()
}
