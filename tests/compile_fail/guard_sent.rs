// SPDX-License-Identifier: GPL-2.0

//! E0277: a lock is released by the thread that took it.

use crate::{
    bucket::Locked,
    entry::Entry,
    sync::{
        PreemptGuard,
        WriteGuard, //
    },
    table::{
        LockedBucket,
        WalkedBucket, //
    }, //
};

fn send<T: Send>(_: T) {}

fn guards(preempt: PreemptGuard, rwsem: WriteGuard<'_>) {
    send(preempt); //~
    send(rwsem); //~
}

fn buckets(one: Locked<'_, Entry>, other: LockedBucket<'_>, walked: WalkedBucket<'_>) {
    send(one); //~
    send(other); //~
    send(walked); //~
}
