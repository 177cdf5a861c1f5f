// SPDX-License-Identifier: GPL-2.0

//! The end of a root, and the report of what was leaked.

use crate::{
    misuse::Misuse,
    root::Root, //
};
use kernel::prelude::*;

/// Reports and unlinks all entries; the body of `rdma_restrack_clean()`.
pub(crate) fn clean(root: &Root) {
    let mut first = None;
    root.clean(|kind, entry| {
        first.get_or_insert((kind, entry.id()));
        pr_err!(
            "leaked: {} {}, owned by {}, {} s old\n",
            kind.name(),
            entry.id(),
            entry.owner(),
            entry.age(),
        );
    });
    if let Some((kind, id)) = first {
        Misuse::Leaked.warn(c"rdma_restrack_clean", kind as u32, id);
    }
}
