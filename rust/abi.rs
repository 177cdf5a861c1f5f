// SPDX-License-Identifier: GPL-2.0

//! The C interface: the only place where C's pointers come in.
//!
//! Each function here has its prototype, and its documentation for C callers, in the header, and
//! its symbol in `exports.c`. It checks what it was given, turns pointers into references and hands
//! on to where the work is done.
//!
//! What C promises for all of them: a pointer that is not NULL points to a live object of its type,
//! which stays while the call lasts; an entry was zeroed or has been through `rdma_restrack_new()`
//! before it was first used, and is part of an object of its type.
//!
//! C header: `include/rdma/restrack.h` of this project.

use crate::{
    bindings,
    clean,
    device::Device,
    entry::Entry,
    key::Key,
    kind::Kind,
    lifecycle,
    misuse::Misuse,
    owner::KernelName,
    root::Root, //
};
use core::{
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};
use kernel::{
    pid_namespace::PidNamespace,
    prelude::*,
    sync::aref::ARef, //
};

/// Defines an exported function, and fails the build if it is not what the header declares.
macro_rules! export {
    ($(
        $(#[$attribute:meta])*
        fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block
    )*) => {$(
        const _: () = {
            // Both branches of an `if` have the same type.
            if true { bindings::$name } else { $name };
        };

        $(#[$attribute])*
        ///
        /// # Safety
        ///
        /// What C promises; see the top of this file.
        #[no_mangle]
        unsafe extern "C" fn $name($($arg: $type),*) $(-> $ret)? {
            /// The name of the function, for warnings.
            #[allow(dead_code, reason = "not all functions warn")]
            const FUNCTION: &CStr = kernel::c_str!(stringify!($name));
            $body
        }
    )*};
}

/// The entry that C means, unless that is NULL.
///
/// # Safety
///
/// `entry` is NULL or points to a live entry that stays during `'a`.
#[inline]
unsafe fn entry<'a>(
    entry: *const bindings::rdma_restrack_entry,
    function: &'static CStr,
) -> Option<&'a Entry> {
    // SAFETY: By the requirement of this function; the layouts are the same.
    let entry = unsafe { entry.cast::<Entry>().as_ref() };
    if entry.is_none() {
        Misuse::Null.warn(function, 0, 0);
    }
    entry
}

/// The root that C means, unless that is NULL.
///
/// # Safety
///
/// `root` is NULL or points to an initialised root that stays during `'a`.
#[inline]
unsafe fn root<'a>(
    root: *mut bindings::rdma_restrack_root,
    function: &'static CStr,
) -> Option<&'a Root> {
    // SAFETY: By the requirement of this function; the layouts are the same.
    let root = unsafe { root.cast::<Root>().as_ref() };
    if root.is_none() {
        Misuse::Null.warn(function, 0, 0);
    }
    root
}

/// The kind that C means, if it exists.
#[inline]
fn kind(raw: bindings::rdma_restrack_type, function: &'static CStr) -> Option<Kind> {
    let kind = Kind::from_raw(raw);
    if kind.is_none() {
        Misuse::Type.warn(function, raw, 0);
    }
    kind
}

/// A referenced entry as C takes it: with the reference.
#[inline]
fn into_raw(entry: ARef<Entry>) -> *mut bindings::rdma_restrack_entry {
    ARef::into_raw(entry).as_ptr().cast()
}

// Roots.
export! {
    /// Initialises a root.
    fn rdma_restrack_init(res: *mut bindings::rdma_restrack_root) {
        if res.is_null() {
            return Misuse::Null.warn(FUNCTION, 0, 0);
        }
        // SAFETY: C gives us a zeroed root that is not used yet and does not move.
        unsafe { Root::init(res.cast()) }
    }

    /// Cleans a root.
    fn rdma_restrack_clean(res: *mut bindings::rdma_restrack_root) {
        // SAFETY: What C promises.
        if let Some(root) = unsafe { root(res, FUNCTION) } {
            clean::clean(root);
        }
    }

    /// Counts objects, but for those with driver details.
    fn rdma_restrack_count(
        res: *mut bindings::rdma_restrack_root,
        type_: bindings::rdma_restrack_type,
        ns: *mut bindings::pid_namespace,
    ) -> c_int {
        // SAFETY: What C promises.
        unsafe { count(res, type_, ns, false, FUNCTION) }
    }

    /// Counts objects.
    fn rdma_restrack_count_details(
        res: *mut bindings::rdma_restrack_root,
        type_: bindings::rdma_restrack_type,
        ns: *mut bindings::pid_namespace,
        show_details: bool,
    ) -> c_int {
        // SAFETY: What C promises.
        unsafe { count(res, type_, ns, show_details, FUNCTION) }
    }

    /// Walks over objects.
    fn rdma_restrack_next(
        res: *mut bindings::rdma_restrack_root,
        type_: bindings::rdma_restrack_type,
        cursor: *mut bindings::u64_,
        show_details: bool,
    ) -> *mut bindings::rdma_restrack_entry {
        // SAFETY: What C promises.
        let root = unsafe { root(res, FUNCTION) };
        // SAFETY: What C promises; nobody else uses the caller's cursor meanwhile.
        let cursor = unsafe { cursor.as_mut() };
        if cursor.is_none() {
            Misuse::Null.warn(FUNCTION, type_, 0);
        }
        let (Some(root), Some(kind), Some(cursor)) = (root, kind(type_, FUNCTION), cursor) else {
            return ptr::null_mut();
        };
        root.next(kind, cursor, show_details)
            .map_or(ptr::null_mut(), into_raw)
    }

    /// Collects the keys of objects.
    fn rdma_restrack_keys(
        res: *mut bindings::rdma_restrack_root,
        type_: bindings::rdma_restrack_type,
        cursor: *mut bindings::u64_,
        show_details: bool,
        keys: *mut bindings::u64_,
        max: bindings::u32_,
    ) -> bindings::u32_ {
        // SAFETY: What C promises.
        let root = unsafe { root(res, FUNCTION) };
        // SAFETY: What C promises; nobody else uses the caller's cursor meanwhile.
        let cursor = unsafe { cursor.as_mut() };
        let keys = NonNull::new(keys);
        if cursor.is_none() || keys.is_none() {
            Misuse::Null.warn(FUNCTION, type_, 0);
        }
        let (Some(root), Some(kind), Some(cursor), Some(keys)) =
            (root, kind(type_, FUNCTION), cursor, keys)
        else {
            return 0;
        };
        // SAFETY: C has room for so many keys there, which nobody else uses meanwhile.
        let keys = unsafe { slice::from_raw_parts_mut(keys.as_ptr().cast(), max as usize) };
        root.keys(kind, cursor, show_details, keys) as bindings::u32_
    }

    /// Finds an object by its key.
    fn rdma_restrack_get_bykey(
        res: *mut bindings::rdma_restrack_root,
        type_: bindings::rdma_restrack_type,
        key: bindings::u64_,
    ) -> *mut bindings::rdma_restrack_entry {
        // SAFETY: What C promises.
        let (Some(root), Some(kind)) = (unsafe { root(res, FUNCTION) }, kind(type_, FUNCTION))
        else {
            return EINVAL.to_ptr();
        };
        match root.get_by_key(kind, Key::from_sortable(key)) {
            Ok(entry) => into_raw(entry),
            Err(error) => error.to_ptr(),
        }
    }

    /// Says how many deletions were taken back.
    fn rdma_restrack_restores(
        res: *mut bindings::rdma_restrack_root,
        type_: bindings::rdma_restrack_type,
    ) -> bindings::u32_ {
        // SAFETY: What C promises.
        match (unsafe { root(res, FUNCTION) }, kind(type_, FUNCTION)) {
            (Some(root), Some(kind)) => root.restores(kind),
            _ => 0,
        }
    }

    /// Says whether objects came or went.
    fn rdma_restrack_generation(
        res: *mut bindings::rdma_restrack_root,
        type_: bindings::rdma_restrack_type,
    ) -> bindings::u32_ {
        // SAFETY: What C promises.
        match (unsafe { root(res, FUNCTION) }, kind(type_, FUNCTION)) {
            (Some(root), Some(kind)) => root.generation(kind),
            _ => 1,
        }
    }
}

/// The body of the counting functions.
///
/// # Safety
///
/// What C promises; see the top of this file.
#[inline]
unsafe fn count(
    res: *mut bindings::rdma_restrack_root,
    type_: bindings::rdma_restrack_type,
    ns: *mut bindings::pid_namespace,
    details: bool,
    function: &'static CStr,
) -> c_int {
    // SAFETY: By the requirement of this function.
    let root = unsafe { root(res, function) };
    let (Some(root), Some(kind)) = (root, kind(type_, function)) else {
        return 0;
    };
    if ns.is_null() || ptr::eq(ns, &raw const bindings::init_pid_ns) {
        return root.count(kind, details);
    }
    // SAFETY: Not NULL, so by the requirement of this function a live namespace.
    let ns = unsafe { PidNamespace::from_ptr(ns.cast()) };
    root.count_in(kind, ns, details)
}

// Entries, for their keepers.
export! {
    /// Initialises an entry.
    fn rdma_restrack_new(
        res: *mut bindings::rdma_restrack_entry,
        type_: bindings::rdma_restrack_type,
    ) {
        if res.is_null() {
            return Misuse::Null.warn(FUNCTION, type_, 0);
        }
        // SAFETY: C gives us memory for an entry that nobody uses, and that does not move.
        unsafe { Entry::init(res.cast(), type_) }
    }

    /// Sets the owner of an object.
    fn rdma_restrack_set_name(
        res: *mut bindings::rdma_restrack_entry,
        caller: *const c_char,
    ) {
        // SAFETY: What C promises.
        if let Some(entry) = unsafe { entry(res, FUNCTION) } {
            lifecycle::set_name(entry, KernelName::new(caller.cast_mut()));
        }
    }

    /// Sets the owner of an object to that of another.
    fn rdma_restrack_parent_name(
        dst: *mut bindings::rdma_restrack_entry,
        parent: *const bindings::rdma_restrack_entry,
    ) {
        // SAFETY: What C promises.
        let dst = unsafe { entry(dst, FUNCTION) };
        // SAFETY: What C promises.
        let parent = unsafe { entry(parent, FUNCTION) };
        if let (Some(dst), Some(parent)) = (dst, parent) {
            lifecycle::parent_name(dst, parent);
        }
    }

    /// Tracks an object.
    fn rdma_restrack_add(res: *mut bindings::rdma_restrack_entry) {
        // SAFETY: What C promises.
        if let Some(entry) = unsafe { entry(res, FUNCTION) } {
            // SAFETY: What C promises.
            unsafe { lifecycle::add(entry) };
        }
    }

    /// Tracks an object no more.
    fn rdma_restrack_del(res: *mut bindings::rdma_restrack_entry) {
        // SAFETY: What C promises.
        if let Some(entry) = unsafe { entry(res, FUNCTION) } {
            lifecycle::del(entry);
        }
    }

    /// Makes an object unreachable.
    fn rdma_restrack_begin_del(res: *mut bindings::rdma_restrack_entry) {
        // SAFETY: What C promises.
        if let Some(entry) = unsafe { entry(res, FUNCTION) } {
            lifecycle::begin_del(entry);
        }
    }

    /// Makes an object reachable again.
    fn rdma_restrack_abort_del(res: *mut bindings::rdma_restrack_entry) {
        // SAFETY: What C promises.
        if let Some(entry) = unsafe { entry(res, FUNCTION) } {
            lifecycle::abort_del(entry);
        }
    }

    /// Tracks an unreachable object no more.
    fn rdma_restrack_commit_del(res: *mut bindings::rdma_restrack_entry) {
        // SAFETY: What C promises.
        if let Some(entry) = unsafe { entry(res, FUNCTION) } {
            lifecycle::del(entry);
        }
    }

    /// Lets readers of an old state leave.
    fn rdma_restrack_sync(res: *mut bindings::rdma_restrack_entry) {
        // SAFETY: What C promises.
        if let Some(entry) = unsafe { entry(res, FUNCTION) } {
            lifecycle::sync(entry);
        }
    }
}

// Entries whose memory may go, for their keepers.
export! {
    /// Makes an object unreachable, before somebody else frees it.
    fn rdma_restrack_begin_free(
        res: *mut bindings::rdma_restrack_entry,
        stand_in: *mut bindings::rdma_restrack_stand_in,
    ) {
        // SAFETY: C promises that the entry is alive and stays.
        let entry = unsafe { entry(res, FUNCTION) };
        if !stand_in.is_null() {
            // SAFETY: Not NULL, so C promises that it is the caller's own variable.
            unsafe { stand_in.write_bytes(0, 1) };
        }
        // SAFETY: C promises that nobody else uses the variable; zeroed, it is a valid entry.
        let stand_in = unsafe { self::stand_in(stand_in, FUNCTION) };
        if let (Some(entry), Some(stand_in)) = (entry, stand_in) {
            // SAFETY: Zeroed above; C promises that the variable stays until one of the others.
            unsafe { lifecycle::begin_free(entry, stand_in) };
        }
    }

    /// Makes an object reachable again that was not freed.
    fn rdma_restrack_abort_free(
        res: *mut bindings::rdma_restrack_entry,
        stand_in: *mut bindings::rdma_restrack_stand_in,
    ) {
        // SAFETY: C promises that the entry is alive and stays.
        let entry = unsafe { entry(res, FUNCTION) };
        // SAFETY: C promises that `rdma_restrack_begin_free()` made it.
        let stand_in = unsafe { self::stand_in(stand_in, FUNCTION) };
        if let (Some(entry), Some(stand_in)) = (entry, stand_in) {
            // SAFETY: C promises that `rdma_restrack_begin_free()` was called for both.
            unsafe { lifecycle::abort_free(entry, stand_in) };
        }
    }

    /// Tracks an object no more that was freed.
    fn rdma_restrack_commit_free(stand_in: *mut bindings::rdma_restrack_stand_in) {
        // SAFETY: C promises that `rdma_restrack_begin_free()` made it.
        if let Some(stand_in) = unsafe { self::stand_in(stand_in, FUNCTION) } {
            lifecycle::commit_free(stand_in);
        }
    }
}

/// The entry in what C has for a stand-in, unless that is NULL.
///
/// # Safety
///
/// `stand_in` is NULL or points to one that is zeroed or in use, and stays during `'a`.
#[inline]
unsafe fn stand_in<'a>(
    stand_in: *mut bindings::rdma_restrack_stand_in,
    function: &'static CStr,
) -> Option<&'a Entry> {
    // SAFETY: By the requirement of this function; it is all that is in a stand-in.
    unsafe { entry(stand_in.cast(), function) }
}

// Entries, for all.
export! {
    /// Says whether an object belongs to the kernel.
    fn rdma_is_kernel_res(res: *mut bindings::rdma_restrack_entry) -> bool {
        // SAFETY: What C promises.
        unsafe { entry(res, FUNCTION) }.is_none_or(Entry::is_kernel)
    }

    /// Takes a reference.
    fn rdma_restrack_get(res: *mut bindings::rdma_restrack_entry) -> c_int {
        // SAFETY: What C promises; the layouts are the same.
        match unsafe { res.cast::<Entry>().as_ref() } {
            Some(entry) if entry.try_get() => 1,
            // SAFETY: What C promises.
            _ => unsafe { get(res) },
        }
    }

    /// Drops a reference.
    fn rdma_restrack_put(res: *mut bindings::rdma_restrack_entry) -> c_int {
        // SAFETY: What C promises; the layouts are the same.
        match unsafe { res.cast::<Entry>().as_ref() } {
            Some(entry) if entry.try_put() => 0,
            // SAFETY: What C promises.
            _ => unsafe { put(res) },
        }
    }

    /// Finds an object by its number.
    fn rdma_restrack_get_byid(
        dev: *mut bindings::ib_device,
        type_: bindings::rdma_restrack_type,
        id: bindings::u32_,
    ) -> *mut bindings::rdma_restrack_entry {
        // SAFETY: What C promises.
        let (device, kind) = (unsafe { Device::from_raw(dev) }, Kind::from_raw(type_));
        let (Some(device), Some(kind)) = (device, kind) else {
            return bad_lookup(dev, type_, id);
        };
        match device.root().get(kind, id) {
            Some(entry) => into_raw(entry),
            None => ENOENT.to_ptr(),
        }
    }
}

/// What a lookup gets for a device or a type that is none.
#[cold]
extern "C" fn bad_lookup(
    dev: *mut bindings::ib_device,
    type_: bindings::rdma_restrack_type,
    id: bindings::u32_,
) -> *mut bindings::rdma_restrack_entry {
    let what = match dev.is_null() {
        true => Misuse::Null,
        false => Misuse::Type,
    };
    what.warn(c"rdma_restrack_get_byid", type_, id);
    EINVAL.to_ptr()
}

// What the functions above do where it is more than usual. They are called with the arguments as
// they are, and last, so that those need no stack frame.

/// The body of `rdma_restrack_get()`.
///
/// # Safety
///
/// What C promises; see the top of this file.
#[cold]
unsafe extern "C" fn get(res: *mut bindings::rdma_restrack_entry) -> c_int {
    // SAFETY: By the requirement of this function.
    let entry = unsafe { entry(res, c"rdma_restrack_get") };
    entry.is_some_and(Entry::get).into()
}

/// The body of `rdma_restrack_put()`.
///
/// # Safety
///
/// What C promises; see the top of this file.
#[cold]
unsafe extern "C" fn put(res: *mut bindings::rdma_restrack_entry) -> c_int {
    // SAFETY: By the requirement of this function.
    let entry = unsafe { entry(res, c"rdma_restrack_put") };
    entry.is_some_and(Entry::put).into()
}
