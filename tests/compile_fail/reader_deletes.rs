// SPDX-License-Identifier: GPL-2.0

//! E0308: who only has a reference cannot delete the object, nor change its owner.

use crate::{
    entry::Entry,
    lifecycle,
    root::TableEntry, //
};

fn reader(entry: &Entry) {
    lifecycle::del(entry); //~
    lifecycle::begin_del(entry); //~
    lifecycle::sync(entry); //~
    lifecycle::set_name(entry, None); //~
    let _ = TableEntry::of(entry); //~
}
