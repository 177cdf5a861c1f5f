// SPDX-License-Identifier: GPL-2.0

//! E0133: who links, unlinks or moves an entry vouches for it.

use crate::{
    bucket::{
        InsertionPoint,
        Linked, //
    },
    entry::{
        Entry,
        Updater, //
    },
    kind::Kind,
    root::Root,
    table::{
        LockedBucket,
        WalkedBucket, //
    }, //
};

fn link(root: &Root, point: InsertionPoint<'_, Entry>, entry: &Entry, updaters: [Updater<'_>; 2]) {
    point.insert(entry); //~
    let [first, second] = updaters;
    root.add(Kind::Pd, first); //~
    root.add_as(Kind::Qp, second, 1, false); //~
}

fn change<'a>(bucket: &mut LockedBucket<'a>, other: &mut LockedBucket<'a>, entry: &Entry) {
    bucket.insert(entry); //~
    bucket.remove(entry); //~
    bucket.replace(entry, entry); //~
    bucket.pop_first(); //~
    bucket.split(other, |_| true); //~
    bucket.merge(other); //~
    entry.set_sibling(true); //~
}

fn pop(bucket: &mut WalkedBucket<'_>) {
    bucket.pop_first(); //~
}
