// SPDX-License-Identifier: GPL-2.0

//! E0616: a table is only changed by its own functions, and a locked bucket keeps its table.

use crate::{
    buckets::Buckets,
    root::Root,
    table::{
        LockedBucket,
        Table, //
    }, //
};

fn fields(root: &Root, table: &Table, buckets: &Buckets) {
    let _ = root.rwsem.write(); //~
    let _ = &root.table; //~
    let _ = &root.counts; //~
    let _ = &table.size; //~
    let _ = &table.buckets; //~
    let _ = buckets.first; //~
    let _ = &buckets.trunk; //~
}

fn of_another<'a>(bucket: &mut LockedBucket<'a>, other: &'a Table) {
    bucket.owner = other; //~
}
