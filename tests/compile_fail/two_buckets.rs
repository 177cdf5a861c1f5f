// SPDX-License-Identifier: GPL-2.0

//! E0499: a walk has one bucket at a time, and a bucket one insertion point.

use crate::{
    key::Key,
    table::{
        LockedBucket,
        Table, //
    }, //
};

fn walk(table: &Table) {
    let mut walk = table.walk(Key::FIRST);
    let one = walk.next_bucket();
    let other = walk.next_bucket(); //~
    drop((one, other));
}

fn insertion_points(bucket: &mut LockedBucket<'_>, key: Key) {
    let one = bucket.insertion_point(key.hash());
    let other = bucket.insertion_point(key.hash()); //~
    drop((one, other));
}
