// SPDX-License-Identifier: GPL-2.0

//! The life of an entry from add to del, and the end of a root.
//!
//! Each function is the body of the exported function that its documentation names; the header says
//! what that does. An entry's state goes these ways:
//!
//! ```text
//!            add              begin_del
//!     New ---------> Tracked -----------> Dying
//!      ^               | ^                 | |
//!      |      del      | |    abort_del    | |
//!      |<--------------+ +-----------------+ |
//!      |                commit_del           |
//!      +-------------------------------------+
//! ```
//!
//! `sync` goes from Tracked over Syncing back to Tracked. An entry whose root was cleaned goes the
//! same ways, without a root.

use crate::{
    bindings,
    device::Object,
    entry::{
        Entry,
        State,
        Updater, //
    },
    kind::Kind,
    misuse::Misuse,
    owner::{
        self,
        KernelName,
        Owner, //
    },
    root::{
        Root,
        TableEntry, //
    }, //
};
use kernel::prelude::*;

/// Gives an object to the kernel in a name, or to the current process: `rdma_restrack_set_name()`.
#[inline]
pub(crate) fn set_name(mut entry: Updater<'_>, name: Option<KernelName>) {
    if !set_owner(&mut entry, name) {
        warn(&entry, Misuse::Named, c"rdma_restrack_set_name");
    }
}

/// Gives an object to the kernel in a name, or to the current process. Returns false if the entry is
/// not new.
#[inline]
fn set_owner(entry: &mut Updater<'_>, name: Option<KernelName>) -> bool {
    let Some(owner) = entry.owner_mut() else {
        return false;
    };
    match name {
        None => owner.set(Owner::of_process(owner::current_process())),
        name => owner.set(Owner::of_kernel(name)),
    }
    true
}

/// Gives an object to the owner of another one: `rdma_restrack_parent_name()`.
pub(crate) fn parent_name(mut entry: Updater<'_>, parent: &Entry) {
    let inherited = match parent.owner().process() {
        Some(process) => Owner::of_process(process.into()),
        None if parent.is_kernel() => Owner::of_kernel(parent.owner().kernel_name()),
        // Its process was released.
        None => return,
    };
    match entry.owner_mut() {
        Some(owner) => owner.set(inherited),
        None => warn(&entry, Misuse::Named, c"rdma_restrack_parent_name"),
    }
}

/// Adds an object to the table of its device: `rdma_restrack_add()`.
///
/// # Safety
///
/// If the entry's type exists, the entry is part of a live object of that type, and is neither moved
/// nor freed until it is deleted or its root is cleaned.
#[inline]
pub(crate) unsafe fn add(entry: Updater<'_>) {
    const FUNCTION: &CStr = c"rdma_restrack_add";

    if entry.state() != State::New {
        return warn(&entry, Misuse::AddTwice, FUNCTION);
    }
    // SAFETY: By the requirement of this function.
    let Some(object) = (unsafe { Object::of(&entry) }) else {
        return warn(&entry, Misuse::Type, FUNCTION);
    };
    if entry.is_untracked() {
        entry.init_references();
        // SAFETY: New, with a reference.
        return unsafe { entry.mark_tracked() };
    }
    let Some(device) = object.device() else {
        return warn(&entry, Misuse::NoDevice, FUNCTION);
    };
    if !entry.is_alive() || !entry.has_owner() {
        // SAFETY: By the requirement of this function.
        return unsafe { add(prepare(entry, object)) };
    }
    // SAFETY: New, with a reference.
    unsafe { entry.mark_tracked() };
    match number(object) {
        // SAFETY: New, so in no table; the rest by the requirement of this function.
        Some((id, details)) => unsafe { device.root().add_as(object.kind(), entry, id, details) },
        // SAFETY: New, so in no table; the rest by the requirement of this function.
        None => unsafe { device.root().add(object.kind(), entry) },
    }
}

/// Prepares an entry that has not been through `rdma_restrack_new()`, or was given no owner. It gets
/// one: the kernel in the entry's own name, else in the name of a QP's protection domain, else the
/// current process.
#[cold]
fn prepare<'a>(mut entry: Updater<'a>, object: Object<'_>) -> Updater<'a> {
    entry.init_references();
    if entry.owner().process().is_none() {
        let own_name = entry.owner().kernel_name();
        let pd_name = || object.queue_pair()?.pd()?.owner().kernel_name();
        let name = own_name.or_else(pd_name);
        set_owner(&mut entry, name);
    }
    entry
}

/// The number of an object of a kind that has its own, and whether it has driver details.
fn number(object: Object<'_>) -> Option<(u32, bool)> {
    let Some(qp) = object.queue_pair() else {
        return Some((object.counter_number()?, false));
    };
    let (number, port, qp_type) = (qp.number(), qp.port(), qp.qp_type());
    if number >> 24 != 0 || port >> 8 != 0 {
        Misuse::QpNumber.warn(c"rdma_restrack_add", Kind::Qp as u32, number);
    }
    // Each port has a QP0 and a QP1 of its own.
    let id = match qp_type {
        bindings::IB_QPT_SMI | bindings::IB_QPT_GSI => number | (port << 24),
        _ => number,
    };
    Some((id, qp_type >= bindings::IB_QPT_DRIVER))
}

/// Warns of misuse of an entry.
#[cold]
fn warn(entry: &Entry, what: Misuse, function: &'static CStr) {
    what.warn(function, entry.raw_kind(), entry.id());
}

/// Removes an object from its table: `rdma_restrack_del()` and `rdma_restrack_commit_del()`. Sleeps
/// until the last reader has left.
#[inline]
pub(crate) fn del(entry: Updater<'_>) {
    if let Some(tracked) = TableEntry::of(&entry) {
        tracked.remove();
    }
    if entry.state() == State::Tracked {
        // SAFETY: It is tracked.
        unsafe { entry.drain(State::Dying) };
    }
    // SAFETY: It is in no table by now, and was drained, or never had a reader.
    unsafe { entry.mark_untracked() };
}

/// Makes an object unreachable: `rdma_restrack_begin_del()`. Sleeps until the last reader has left.
#[inline]
pub(crate) fn begin_del(entry: &Updater<'_>) {
    if entry.state() == State::Tracked {
        if let Some(tracked) = TableEntry::of(entry) {
            tracked.count_as_dying();
        }
        // SAFETY: It is tracked.
        unsafe { entry.drain(State::Dying) };
    }
}

/// Makes an object reachable again after [`begin_del`]: `rdma_restrack_abort_del()`.
pub(crate) fn abort_del(entry: &Updater<'_>) {
    match entry.state() {
        // It was never added, so it was not deleted either.
        State::New => {}
        State::Dying => match TableEntry::of(entry) {
            // SAFETY: Dying, so it was drained.
            Some(dying) => unsafe { dying.restore() },
            // SAFETY: Dying, so it was drained.
            None => unsafe { entry.restore() },
        },
        State::Tracked | State::Syncing => {
            warn(entry, Misuse::NotDying, c"rdma_restrack_abort_del");
        }
    }
}

/// Makes an object unreachable that somebody else frees: `rdma_restrack_begin_free()`. The stand-in
/// is in its place then. Sleeps until the last reader has left.
///
/// # Safety
///
/// `stand_in` is zeroed, and is neither moved nor freed until [`abort_free`] or [`commit_free`].
pub(crate) unsafe fn begin_free(entry: Updater<'_>, stand_in: Updater<'_>) {
    begin_del(&entry);
    // SAFETY: The stand-in is zeroed, so in no table, and stays, by the requirement of this function.
    unsafe { replace(&entry, &stand_in) };
}

/// Makes an object reachable again that was not freed: `rdma_restrack_abort_free()`.
///
/// # Safety
///
/// [`begin_free`] was called for both, and `entry` is neither moved nor freed until it is deleted or
/// its root is cleaned.
pub(crate) unsafe fn abort_free(entry: Updater<'_>, stand_in: Updater<'_>) {
    // SAFETY: `begin_free` unlinked the entry, which stays, by the requirement of this function.
    unsafe { replace(&stand_in, &entry) };
    abort_del(&entry);
}

/// Removes an object that was freed: `rdma_restrack_commit_free()`.
pub(crate) fn commit_free(stand_in: Updater<'_>) {
    del(stand_in);
}

/// Puts an entry in the place of another one, which is in a table only if it is dying.
///
/// # Safety
///
/// As for [`TableEntry::replace`].
unsafe fn replace(old: &Updater<'_>, new: &Updater<'_>) {
    match TableEntry::of(old) {
        // SAFETY: By the requirement of this function.
        Some(dying) => unsafe { dying.replace(new) },
        // SAFETY: The old one was drained or never added; the new one is in no table.
        None => unsafe { new.take_over(old) },
    }
}

/// Waits until no reader can see what the object was before: `rdma_restrack_sync()`.
pub(crate) fn sync(entry: &Updater<'_>) {
    if entry.state() != State::Tracked {
        return;
    }
    match TableEntry::of(entry) {
        // SAFETY: It is tracked.
        Some(tracked) => unsafe { tracked.sync() },
        None => {
            // SAFETY: It is tracked.
            unsafe { entry.drain(State::Syncing) };
            // SAFETY: It was drained.
            unsafe { entry.restore() };
        }
    }
}

/// Reports and unlinks all entries of a root: `rdma_restrack_clean()`.
pub(crate) fn clean(root: &Root) {
    if let Some((kind, id)) = root.clean().first {
        Misuse::Leaked.warn(c"rdma_restrack_clean", kind as u32, id);
    }
}
