// SPDX-License-Identifier: GPL-2.0

//! E0308: an owner does not take a task of which it has no reference.

use crate::owner::Owner;
use kernel::task::Task;

fn own(task: &Task) -> Owner {
    Owner::of_process(task) //~
}
