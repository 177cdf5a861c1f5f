// SPDX-License-Identifier: GPL-2.0

//! E0603: nobody but a root makes the guard that opens its tables to be resized.

use crate::root::ResizeGuard; //~

fn of_another(one: &ResizeGuard<'_>) {
    let _ = one;
}
