// SPDX-License-Identifier: GPL-2.0

//! E0382: a deletion takes the right to change the entry with it.

use crate::{
    entry::Updater,
    lifecycle, //
};

fn twice(entry: Updater<'_>) {
    lifecycle::del(entry);
    lifecycle::del(entry); //~
}
