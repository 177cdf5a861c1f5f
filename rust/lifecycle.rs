// SPDX-License-Identifier: GPL-2.0

//! The life of one entry, from add to del.
//!
//! These functions are for the keeper of the entry, who calls them one at a time: see [`Entry`].
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
//! `sync` is from Tracked over Syncing to Tracked. An entry whose root was cleaned goes the same
//! ways, without a root.

use crate::{
    bindings,
    device::{
        Device,
        Object, //
    },
    entry::{
        Entry,
        State, //
    },
    kind::Kind,
    misuse::Misuse,
    owner::KernelName,
    root::Root, //
};
use kernel::prelude::*;

/// Returns true if an entry may get an owner, else warns: others may be reading that of an entry
/// that is tracked, or dying.
#[inline]
fn may_be_named(entry: &Entry, function: &'static CStr) -> bool {
    let is_new = entry.state() == State::New;
    if !is_new {
        Misuse::Named.warn(function, entry.raw_kind(), entry.id());
    }
    is_new
}

/// Gives an object to the kernel in a name, or to the current process; the body of
/// `rdma_restrack_set_name()`.
#[inline]
pub(crate) fn set_name(entry: &Entry, name: Option<KernelName>) {
    if may_be_named(entry, c"rdma_restrack_set_name") {
        match name {
            None => entry.set_current(),
            name => entry.set_kernel(name),
        }
    }
}

/// Gives an object to the owner of another; the body of `rdma_restrack_parent_name()`.
#[inline]
pub(crate) fn parent_name(entry: &Entry, parent: &Entry) {
    if may_be_named(entry, c"rdma_restrack_parent_name") {
        entry.inherit(parent);
    }
}

/// Tracks an object; the body of `rdma_restrack_add()`.
///
/// # Safety
///
/// If the entry's type exists, the entry is part of a live object of that type, and stays where it
/// is until it is deleted or its root is cleaned.
#[inline]
pub(crate) unsafe fn add(entry: &Entry) {
    let warn = |what: Misuse| what.warn(c"rdma_restrack_add", entry.raw_kind(), entry.id());

    if entry.is_valid() {
        return warn(Misuse::AddTwice);
    }
    // SAFETY: By the requirement of this function.
    let Some(object) = (unsafe { Object::of(entry) }) else {
        return warn(Misuse::Type);
    };
    if entry.is_hidden() {
        entry.init_references();
        return entry.begin();
    }
    let Some(device) = object.device() else {
        return warn(Misuse::NoDevice);
    };
    if entry.is_alive() && entry.has_owner() {
        // SAFETY: By the requirement of this function.
        unsafe { track(entry, object, device) }
    } else {
        // SAFETY: As above.
        unsafe { prepare_and_track(entry, object, device) }
    }
}

/// What [`add`] does with an entry that has no owner or has not been through [`Entry::init`].
///
/// # Safety
///
/// As for [`track`].
// A function of its own, as are the two ways to link an entry: then `add` needs no stack frame, and
// each of them only its own.
#[inline(never)]
unsafe fn prepare_and_track(entry: &Entry, object: Object<'_>, device: &Device) {
    entry.init_references();
    if entry.owner().process().is_none() {
        find_owner(entry, object);
    }
    // SAFETY: By the requirement of this function.
    unsafe { track(entry, object, device) }
}

/// Enters an object in the table of its device.
///
/// # Safety
///
/// The entry is that of the object, is not valid, and stays where it is until it is deleted or its
/// root is cleaned.
#[inline]
unsafe fn track(entry: &Entry, object: Object<'_>, device: &Device) {
    entry.begin();
    let (root, kind) = (device.root(), object.kind());
    match kind {
        // SAFETY: Not valid, so not linked; the rest by the requirement of this function.
        Kind::Qp | Kind::Counter => unsafe { track_numbered(entry, object, root) },
        // SAFETY: As above.
        _ => unsafe { root.add(kind, entry) },
    }
}

/// What [`track`] does with an object that brings a number along.
///
/// # Safety
///
/// As for [`Root::add_as`].
#[inline(never)]
unsafe fn track_numbered(entry: &Entry, object: Object<'_>, root: &Root) {
    let (id, details) = numbering(object).unwrap_or_default();
    // SAFETY: By the requirement of this function.
    unsafe { root.add_as(object.kind(), entry, id, details) };
}

/// Finds an owner for an object that does not belong to a process: the kernel in its own name,
/// the kernel in the name of its protection domain, or the current process.
#[inline]
fn find_owner(entry: &Entry, object: Object<'_>) {
    let own_name = entry.owner().kernel_name();
    let name = own_name.or_else(|| object.queue_pair()?.pd()?.owner().kernel_name());
    match name {
        Some(name) => entry.set_kernel(Some(name)),
        None => entry.set_current(),
    }
}

/// The number that an object brings along, if it is of a kind that does, and whether it has driver
/// details.
#[inline]
fn numbering(object: Object<'_>) -> Option<(u32, bool)> {
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

/// Calls `f` with the root and the kind of an entry that is in a table.
#[inline]
fn in_table(entry: &Entry, f: impl FnOnce(&Root, Kind)) {
    if let (Some(root), Some(kind)) = (Root::of(entry), entry.kind()) {
        f(root, kind);
    }
}

/// Tracks an object no more; the body of `rdma_restrack_del()` and `rdma_restrack_commit_del()`.
/// Sleeps until the last reader has left.
#[inline]
pub(crate) fn del(entry: &Entry) {
    in_table(entry, |root, kind| root.remove(kind, entry));
    if entry.state() == State::Tracked {
        entry.drain(State::Dying);
    }
    entry.end();
}

/// Makes an object unreachable; the body of `rdma_restrack_begin_del()`. Sleeps until the last
/// reader has left.
#[inline]
pub(crate) fn begin_del(entry: &Entry) {
    if entry.state() == State::Tracked {
        in_table(entry, |root, kind| root.hide(kind, entry));
        entry.drain(State::Dying);
    }
}

/// Makes an object reachable again after [`begin_del`]; the body of `rdma_restrack_abort_del()`.
pub(crate) fn abort_del(entry: &Entry) {
    match entry.state() {
        // What was never added could not be deleted either.
        State::New => {}
        State::Dying => match (Root::of(entry), entry.kind()) {
            (Some(root), Some(kind)) => root.revive(kind, entry),
            _ => entry.revive(),
        },
        State::Tracked | State::Syncing => {
            Misuse::NotDying.warn(c"rdma_restrack_abort_del", entry.raw_kind(), entry.id());
        }
    }
}

/// Makes an object unreachable that somebody else frees; the body of `rdma_restrack_begin_free()`.
/// What is known of it is in the stand-in then. Sleeps until the last reader has left.
///
/// # Safety
///
/// `stand_in` is zeroed, and stays where it is until [`abort_free`] or [`commit_free`].
pub(crate) unsafe fn begin_free(entry: &Entry, stand_in: &Entry) {
    begin_del(entry);
    // SAFETY: Zeroed, so not linked; the rest by the requirement of this function.
    unsafe { replace(entry, stand_in) };
}

/// Makes an object reachable again that was not freed; the body of `rdma_restrack_abort_free()`.
///
/// # Safety
///
/// [`begin_free`] was called for both, and `entry` stays where it is until it is deleted or its root
/// is cleaned.
pub(crate) unsafe fn abort_free(entry: &Entry, stand_in: &Entry) {
    // SAFETY: `begin_free` unlinked the entry; the rest by the requirement of this function.
    unsafe { replace(stand_in, entry) };
    abort_del(entry);
}

/// Tracks an object no more that was freed; the body of `rdma_restrack_commit_free()`.
pub(crate) fn commit_free(stand_in: &Entry) {
    del(stand_in);
}

/// Puts an entry in the place of another one, which is in a table only if it is dying.
///
/// # Safety
///
/// As for [`Root::replace`].
unsafe fn replace(old: &Entry, new: &Entry) {
    match (Root::of(old), old.kind()) {
        // SAFETY: By the requirement of this function.
        (Some(root), Some(kind)) => unsafe { root.replace(kind, old, new) },
        _ => new.take_over(old),
    }
}

/// Waits until no reader can see what the object was before; the body of `rdma_restrack_sync()`.
pub(crate) fn sync(entry: &Entry) {
    if entry.state() != State::Tracked {
        return;
    }
    match (Root::of(entry), entry.kind()) {
        (Some(root), Some(kind)) => root.sync(kind, entry),
        _ => {
            entry.drain(State::Syncing);
            entry.revive();
        }
    }
}
