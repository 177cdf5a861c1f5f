// SPDX-License-Identifier: GPL-2.0

//! E0616: the memory and the number of buckets are for who looks after them.

use crate::{
    buckets::Buckets,
    root::Root,
    table::Table, //
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
