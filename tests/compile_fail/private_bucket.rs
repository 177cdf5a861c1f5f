// SPDX-License-Identifier: GPL-2.0

//! E0451: a bucket that is locked does not change its table.

use crate::{
    bucket::Locked,
    table::{
        LockedBucket,
        Table, //
    }, //
};

fn of_another<'a>(one: LockedBucket<'a>, other: &'a Table) -> LockedBucket<'a> {
    Locked {
        owner: other, //~
        ..one         //~
    }
}
