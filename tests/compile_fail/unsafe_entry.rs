// SPDX-License-Identifier: GPL-2.0

//! E0133: the life of an entry has rules that its updater vouches for.

use crate::{
    entry::{
        Entry,
        State,
        Updater, //
    },
    lifecycle,
    root::TableEntry, //
};
use core::ptr;

fn reader(entry: &Entry) {
    entry.put(); //~
    entry.try_put(); //~
    entry.orphan(); //~
    Updater::new(entry); //~
    Entry::init(ptr::from_ref(entry).cast_mut(), 0); //~
}

fn updater(entry: &Updater<'_>, other: &Updater<'_>) {
    entry.mark_linked(ptr::null_mut(), 1, entry.key(), false); //~
    entry.mark_unlinked(); //~
    entry.mark_tracked(); //~
    entry.drain(State::Dying); //~
    entry.mark_untracked(); //~
    entry.restore(); //~
    entry.take_over(other); //~
}

fn in_table(entry: TableEntry<'_>, other: &Updater<'_>) {
    entry.sync(); //~
    entry.restore(); //~
    entry.replace(other); //~
}

fn life(new: Updater<'_>, freed: [Updater<'_>; 4]) {
    lifecycle::add(new); //~
    let [entry, stand_in, same_entry, same_stand_in] = freed;
    lifecycle::begin_free(entry, stand_in); //~
    lifecycle::abort_free(same_entry, same_stand_in); //~
}
