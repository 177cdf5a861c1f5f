// SPDX-License-Identifier: GPL-2.0

//! E0133: who resizes a table without the guard of its root vouches that the root is locked.

use crate::{
    bucket::Bucket,
    buckets::Buckets,
    entry::Entry,
    sync::WriteGuard,
    table::Table, //
};

/// A guard says nothing of the root that the table is in.
fn resize(table: &Table, _of_another: &WriteGuard<'_>) {
    table.resizable().grow(1); //~
    table.resizable().shrink(); //~
    table.resizable().reset(); //~
}

fn memory(buckets: &Buckets, first: *mut Bucket<Entry>) {
    let _ = Buckets::new(first, 16); //~
    let _ = buckets.provide(16); //~
    let _ = buckets.retire(16); //~
    buckets.reset(); //~
}
