// SPDX-License-Identifier: GPL-2.0

//! E0599: who only has a reference cannot do what is its updater's.

use crate::entry::{
    Entry,
    State, //
};
use kernel::sync::aref::ARef;

fn reader(entry: ARef<Entry>) {
    entry.init_references(); //~
    entry.mark_tracked(); //~
    entry.drain(State::Dying); //~
    entry.owner_mut(); //~
}
