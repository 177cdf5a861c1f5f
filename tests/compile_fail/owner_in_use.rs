// SPDX-License-Identifier: GPL-2.0

//! E0502: an owner that is being looked at does not change.

use crate::{
    entry::Updater,
    owner::Owner, //
};

fn change(mut entry: Updater<'_>) -> bool {
    let before = entry.owner();
    if let Some(owner) = entry.owner_mut() {
        //~
        owner.set(Owner::nobody());
    }
    before.process().is_some()
}
