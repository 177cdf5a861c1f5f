// SPDX-License-Identifier: GPL-2.0

//! The kernel's synchronisation primitives, as they lie in memory that C shares with us.
//!
//! One primitive per file. Unlike those of the `kernel` crate, these types are laid over objects
//! that C allocated; they add nothing to what the C primitive is.

pub(crate) mod atomic;
pub(crate) mod barrier;
pub(crate) mod bit_lock;
pub(crate) mod completion;
pub(crate) mod kref;
pub(crate) mod preempt;
pub(crate) mod rwsem;

pub(crate) use self::{
    barrier::smp_rmb,
    bit_lock::BitLock,
    completion::Completion,
    kref::{
        Kref,
        Put, //
    },
    preempt::PreemptGuard,
    rwsem::{
        RwSemaphore,
        WriteGuard, //
    },
};
