// SPDX-License-Identifier: GPL-2.0

//! Instants between two steps, at which a test holds a thread and does what must not matter there.
//! Kernels without KUnit have none.

use crate::fixture;
use core::hint;
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Relaxed,
        Release, //
    }, //
};

/// An instant, by what comes next.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(crate) enum Instant {
    /// A reference count that was read is changed.
    ChangeCount = 1,
    /// The last reference is dropped.
    LastPut,
    /// An object is counted.
    CountObject,
    /// A ticket is drawn.
    DrawTicket,
    /// Somebody else has the lock of a bucket, and is waited for.
    AwaitLock,
    /// The bucket that was chosen by the size of a table is locked.
    LockBucket,
    /// The bucket that was chosen by the size of a table is passed over if it is empty.
    PassBucket,
    /// The two buckets of a split or merge are locked.
    BeginResize,
    /// The two buckets of a split or merge were unlocked.
    EndResize,
    /// What a test has found is looked at.
    Look,
}

/// Where the next thread is held: at the instant of that number, or nowhere, or a thread is held.
static WHERE: Atomic<i32> = Atomic::new(NOWHERE);
const NOWHERE: i32 = 0;
const HELD: i32 = -1;

impl Instant {
    /// A thread has come here. Keeps it, and its processor, if it is the first since [`Self::hold`].
    #[inline]
    pub(crate) fn reach(self) {
        if WHERE.load(Relaxed) == self as i32 {
            self.stay();
        }
    }

    #[cold]
    fn stay(self) {
        if WHERE.cmpxchg(self as i32, HELD, Full).is_ok() {
            while WHERE.load(Acquire) == HELD {
                hint::spin_loop();
            }
        }
    }

    /// Holds the next thread that comes here. Tests run one after the other.
    pub(crate) fn hold(self) -> Hold {
        WHERE.store(self as i32, Release);
        Hold(())
    }
}

/// Holds a thread at an instant, until this is dropped.
#[must_use = "the thread goes on when this is dropped"]
pub(crate) struct Hold(());

impl Hold {
    /// Waits until a thread is held.
    pub(crate) fn expect(&self) -> Result {
        fixture::expect(|| (WHERE.load(Acquire) == HELD).then_some(()))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        WHERE.store(NOWHERE, Release);
    }
}
