// SPDX-License-Identifier: GPL-2.0

//! E0133: who locks a bucket by its address vouches that it stays, and is unlocked in time.

use crate::{
    bucket::Bucket,
    buckets::Buckets,
    entry::Entry,
    sync::{
        BitLock,
        PreemptGuard, //
    }, //
};
use core::ptr::NonNull;

fn bit(lock: &BitLock) {
    lock.lock(); //~
    lock.unlock(); //~
}

fn bucket(buckets: &Buckets, bucket: NonNull<Bucket<Entry>>, guard: &PreemptGuard) {
    buckets.at(1, guard); //~
    let lower = Bucket::lock(bucket, PreemptGuard::new(), &()); //~
    let upper = Bucket::lock_upper(bucket, PreemptGuard::new(), &()); //~
    drop((lower, upper));
}
