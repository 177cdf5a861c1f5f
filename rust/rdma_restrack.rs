// SPDX-License-Identifier: GPL-2.0

//! The RDMA resource tracker: which objects an RDMA device has handed out, and to whom.
//!
//! Each object (protection domain, completion queue, queue pair, ...) has an *entry*, each device a
//! *root*. While an entry is tracked, lookups find it in its root and take references. Whoever
//! destroys the object removes the entry and waits until the last reference is dropped.
//!
//! # The way of an `rdma_restrack_add()`
//!
//! ```text
//!  abi         rdma_restrack_add()           C's pointer becomes an Updater of the entry
//!   |
//!  lifecycle   add()                         device: the object, its device and number
//!   |                                        owner:  the process or kernel module
//!   |                                        entry:  from now on it is tracked
//!  root        Root::add(), Root::add_as()   counts: the next number, how many there are
//!   |                                        key:    the place among those of its kind
//!  table       Table::lock()                 size:   which bucket is for a hash
//!   |                                        buckets: where in memory that bucket is
//!  bucket      InsertionPoint::insert()      siblings: entries with the same number
//!   |
//!  sync        BitLock, PreemptGuard, Kref, Completion, RwSemaphore
//! ```
//!
//! A file calls those below it, and those to the right of it. [`root`] has the locks and their
//! order, [`table`] the hash table, [`entry`] who may read and write what.
//!
//! | other files | what is there |
//! | --- | --- |
//! | [`kind`], [`misuse`], [`clock`] | the types of object, the warnings, the time |
//! | `fixture`, `instant`, `model` | what the KUnit suites share, which are beside the code they test; instants at which they hold a thread; the suite of random steps |
//! | [`bindings`], `helpers.c`, `exports.c` | the C functions that Rust calls, and the symbols that C calls |

#![warn(
    clippy::multiple_unsafe_ops_per_block,
    clippy::undocumented_unsafe_blocks,
    missing_docs,
    unreachable_pub
)]
#![deny(unsafe_op_in_unsafe_fn)]

use kernel::prelude::*;

mod abi;
mod bindings;
mod bucket;
mod buckets;
mod clock;
mod counts;
mod device;
mod entry;
#[cfg(CONFIG_KUNIT = "y")]
mod fixture;
#[cfg(CONFIG_KUNIT = "y")]
mod instant;
mod key;
mod kind;
mod lifecycle;
mod misuse;
#[cfg(CONFIG_KUNIT = "y")]
mod model;
mod owner;
mod root;
mod siblings;
mod size;
mod sync;
mod table;

module! {
    type: Restrack,
    name: "rdma_restrack",
    authors: ["The rdma_restrack developers"],
    description: "RDMA resource tracker",
    license: "GPL",
    params: {
        wait_report: u32 {
            default: 10,
            description: "After how many seconds, and again each time, a deletion that waits is reported (0: never)",
        },
    },
}

/// The module. It has nothing to set up: roots belong to devices.
struct Restrack;

impl kernel::Module for Restrack {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("RDMA resource tracker\n");
        Ok(Self)
    }
}
