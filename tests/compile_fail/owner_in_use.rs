// SPDX-License-Identifier: GPL-2.0

//! E0502: an owner that is being looked at does not change.

use crate::{
    entry::Updater,
    owner::Owner, //
};

fn change(mut entry: Updater<'_>) -> bool {
    let before = entry.owner();
    let slot = entry.owner_mut(); //~
    if let Some(owner) = slot {
        owner.set(Owner::nobody());
    }
    before.process().is_some()
}
