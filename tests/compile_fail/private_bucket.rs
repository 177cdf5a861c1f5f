// SPDX-License-Identifier: GPL-2.0

//! E0451: a bucket that is locked does not change its table.

use crate::table::{
    LockedBucket,
    Table, //
};

fn of_another<'a>(one: LockedBucket<'a>, other: &'a Table) -> LockedBucket<'a> {
    LockedBucket {
        table: other, //~
        ..one         //~
    }
}
