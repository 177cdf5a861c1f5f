// SPDX-License-Identifier: GPL-2.0

//! The RDMA resource tracker: which objects an RDMA device has handed out, and to whom.
//!
//! Every object of a device (protection domain, completion queue, queue pair, ...) has an *entry*,
//! every device a *root*. While an entry is tracked, `rdma resource show` finds it in the table of
//! its root and can take a reference; who destroys the object takes the entry out and waits until
//! the last reference is gone.
//!
//! | file | what |
//! | --- | --- |
//! | [`abi`] | the exported functions: C's pointers come in here and nowhere else |
//! | [`lifecycle`], [`clean`] | the life of an entry; the end of a root |
//! | [`root`], [`table`], [`counts`], [`key`] | all objects of a device, those of one kind, how many there are, their order |
//! | [`size`], [`buckets`], [`bucket`], [`siblings`] | of a table: how many buckets it has, their memory, one of them, objects with one number |
//! | [`entry`], [`owner`], [`kind`] | an entry, who owns its object, what its object is |
//! | [`device`] | from an entry to its object and its device |
//! | [`misuse`] | what bad use gets |
//! | [`clock`] | how long something has been so |
//! | [`sync`] | the kernel's primitives that all this stands on |
//! | `fixture`, `model` | what the KUnit suites, which stand beside the code they test, share; the one that does things at random |
//! | [`bindings`], `helpers.c`, `exports.c` | the seam to C |

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
