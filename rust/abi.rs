// SPDX-License-Identifier: GPL-2.0

//! The C interface: the only place where pointers from C come in.
//!
//! The header documents each function for its callers, and `exports.c` exports its symbol. A
//! function here checks its arguments, makes references of pointers, and calls the one that does the
//! work.
//!
//! C header: `include/rdma/restrack.h` of this project.

use crate::{
    bindings,
    device::Device,
    entry::{
        Entry,
        Updater, //
    },
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

/// Fails the build where a function differs from its prototype in the header.
macro_rules! assert_prototypes {
    ($($name:ident),* $(,)?) => {
        // Both branches of an `if` have the same type.
        $(const _: () = { if true { bindings::$name } else { $name }; };)*
    };
}

assert_prototypes! {
    rdma_restrack_init,
    rdma_restrack_clean,
    rdma_restrack_count,
    rdma_restrack_count_details,
    rdma_restrack_next,
    rdma_restrack_keys,
    rdma_restrack_get_bykey,
    rdma_restrack_restores,
    rdma_restrack_generation,
    rdma_restrack_new,
    rdma_restrack_set_name,
    rdma_restrack_parent_name,
    rdma_restrack_add,
    rdma_restrack_del,
    rdma_restrack_begin_del,
    rdma_restrack_abort_del,
    rdma_restrack_commit_del,
    rdma_restrack_sync,
    rdma_restrack_begin_free,
    rdma_restrack_abort_free,
    rdma_restrack_commit_free,
    rdma_is_kernel_res,
    rdma_restrack_get,
    rdma_restrack_put,
    rdma_restrack_get_byid,
}

/// The entry at `res`, for a reader. Warns if that is NULL.
///
/// # Safety
///
/// `res` is NULL or points to an entry that is alive during `'a`.
#[inline]
unsafe fn entry<'a>(
    res: *const bindings::rdma_restrack_entry,
    function: &'static CStr,
) -> Option<&'a Entry> {
    // SAFETY: By the requirement of this function, and `Entry` has the layout.
    let entry = unsafe { res.cast::<Entry>().as_ref() };
    if entry.is_none() {
        Misuse::Null.warn(function, 0, 0);
    }
    entry
}

/// The entry at `res`, for its updater. Warns if that is NULL.
///
/// # Safety
///
/// `res` is NULL or points to an entry that is alive during `'a`, and that was zeroed or went through
/// `rdma_restrack_new()`. The caller serialises the functions that change it, and has no other
/// [`Updater`] of it.
#[inline]
unsafe fn updater<'a>(
    res: *mut bindings::rdma_restrack_entry,
    function: &'static CStr,
) -> Option<Updater<'a>> {
    // SAFETY: By the requirement of this function.
    let entry = unsafe { entry(res, function) }?;
    // SAFETY: By the requirement of this function.
    Some(unsafe { Updater::new(entry) })
}

/// The root at `res`. Warns if that is NULL.
///
/// # Safety
///
/// `res` is NULL or points to an initialised root that is alive during `'a`.
#[inline]
unsafe fn root<'a>(
    res: *mut bindings::rdma_restrack_root,
    function: &'static CStr,
) -> Option<&'a Root> {
    // SAFETY: By the requirement of this function, and `Root` has the layout.
    let root = unsafe { res.cast::<Root>().as_ref() };
    if root.is_none() {
        Misuse::Null.warn(function, 0, 0);
    }
    root
}

/// The kind with this number. Warns if there is none.
#[inline]
fn kind(raw: bindings::rdma_restrack_type, function: &'static CStr) -> Option<Kind> {
    let kind = Kind::from_raw(raw);
    if kind.is_none() {
        Misuse::Type.warn(function, raw, 0);
    }
    kind
}

/// A referenced entry as C code takes it: with the reference.
#[inline]
fn into_raw(entry: ARef<Entry>) -> *mut bindings::rdma_restrack_entry {
    ARef::into_raw(entry).as_ptr().cast()
}

/// Initialises a root.
///
/// # Safety
///
/// `res` is NULL or points to a zeroed root that nobody uses yet, and that does not move from now on.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_init(res: *mut bindings::rdma_restrack_root) {
    if res.is_null() {
        return Misuse::Null.warn(c"rdma_restrack_init", 0, 0);
    }
    // SAFETY: By the requirement of this function, and `Root` has the layout.
    unsafe { Root::init(res.cast()) }
}

/// Reports and unlinks all entries of a root.
///
/// # Safety
///
/// `res` is NULL or points to an initialised root that stays during the call. No other thread uses it
/// or changes an entry in it meanwhile.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_clean(res: *mut bindings::rdma_restrack_root) {
    // SAFETY: By the requirement of this function.
    if let Some(root) = unsafe { root(res, c"rdma_restrack_clean") } {
        lifecycle::clean(root);
    }
}

/// Counts objects, without those that have driver details.
///
/// # Safety
///
/// `res` is NULL or points to an initialised root that stays during the call. `ns` is NULL or points to
/// a PID namespace that stays as long.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_count(
    res: *mut bindings::rdma_restrack_root,
    type_: bindings::rdma_restrack_type,
    ns: *mut bindings::pid_namespace,
) -> c_int {
    // SAFETY: By the requirements of this function.
    unsafe { count(res, type_, ns, false, c"rdma_restrack_count") }
}

/// Counts objects.
///
/// # Safety
///
/// `res` is NULL or points to an initialised root that stays during the call. `ns` is NULL or points to
/// a PID namespace that stays as long.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_count_details(
    res: *mut bindings::rdma_restrack_root,
    type_: bindings::rdma_restrack_type,
    ns: *mut bindings::pid_namespace,
    show_details: bool,
) -> c_int {
    // SAFETY: By the requirements of this function.
    unsafe { count(res, type_, ns, show_details, c"rdma_restrack_count_details") }
}

/// The body of the counting functions.
///
/// # Safety
///
/// As for [`rdma_restrack_count`].
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
    // SAFETY: Not NULL, so by the requirement of this function a PID namespace that stays.
    let ns = unsafe { PidNamespace::from_ptr(ns.cast()) };
    root.count_in(kind, ns, details)
}

/// Walks over objects.
///
/// # Safety
///
/// `res` is NULL or points to an initialised root that stays during the call. `cursor` is NULL or points
/// to a variable that nobody else uses meanwhile.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_next(
    res: *mut bindings::rdma_restrack_root,
    type_: bindings::rdma_restrack_type,
    cursor: *mut bindings::u64_,
    show_details: bool,
) -> *mut bindings::rdma_restrack_entry {
    const FUNCTION: &CStr = c"rdma_restrack_next";
    // SAFETY: By the requirements of this function.
    let root = unsafe { root(res, FUNCTION) };
    let at = NonNull::new(cursor);
    if at.is_none() {
        Misuse::Null.warn(FUNCTION, type_, 0);
    }
    let (Some(root), Some(kind), Some(at)) = (root, kind(type_, FUNCTION), at) else {
        return ptr::null_mut();
    };
    // SAFETY: By the requirements of this function.
    let mut cursor = unsafe { at.read() };
    let found = root.next(kind, &mut cursor, show_details);
    // SAFETY: By the requirements of this function.
    unsafe { at.write(cursor) };
    found.map_or(ptr::null_mut(), into_raw)
}

/// Collects the keys of objects.
///
/// # Safety
///
/// `res` is NULL or points to an initialised root that stays during the call. `cursor` is NULL or points
/// to a variable that nobody else uses meanwhile.
/// `keys` is NULL or points to room for `max` keys, which nobody else uses meanwhile.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_keys(
    res: *mut bindings::rdma_restrack_root,
    type_: bindings::rdma_restrack_type,
    cursor: *mut bindings::u64_,
    show_details: bool,
    keys: *mut bindings::u64_,
    max: bindings::u32_,
) -> bindings::u32_ {
    const FUNCTION: &CStr = c"rdma_restrack_keys";
    // SAFETY: By the requirements of this function.
    let root = unsafe { root(res, FUNCTION) };
    let (at, keys) = (NonNull::new(cursor), NonNull::new(keys));
    if at.is_none() || keys.is_none() {
        Misuse::Null.warn(FUNCTION, type_, 0);
    }
    let (Some(root), Some(kind), Some(at), Some(keys)) = (root, kind(type_, FUNCTION), at, keys)
    else {
        return 0;
    };
    // SAFETY: By the requirements of this function; the room need not be initialised.
    let keys = unsafe { slice::from_raw_parts_mut(keys.as_ptr().cast(), max as usize) };
    // SAFETY: By the requirements of this function.
    let mut cursor = unsafe { at.read() };
    let count = root.keys(kind, &mut cursor, show_details, keys);
    // SAFETY: By the requirements of this function.
    unsafe { at.write(cursor) };
    count as bindings::u32_
}

/// Finds an object by its key.
///
/// # Safety
///
/// `res` is NULL or points to an initialised root that stays during the call.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_get_bykey(
    res: *mut bindings::rdma_restrack_root,
    type_: bindings::rdma_restrack_type,
    key: bindings::u64_,
) -> *mut bindings::rdma_restrack_entry {
    const FUNCTION: &CStr = c"rdma_restrack_get_bykey";
    // SAFETY: By the requirement of this function.
    let root = unsafe { root(res, FUNCTION) };
    let (Some(root), Some(kind)) = (root, kind(type_, FUNCTION)) else {
        return EINVAL.to_ptr();
    };
    match root.get_by_key(kind, Key::from_sortable(key)) {
        Ok(entry) => into_raw(entry),
        Err(error) => error.to_ptr(),
    }
}

/// Returns how many deletions were taken back.
///
/// # Safety
///
/// `res` is NULL or points to an initialised root that stays during the call.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_restores(
    res: *mut bindings::rdma_restrack_root,
    type_: bindings::rdma_restrack_type,
) -> bindings::u32_ {
    const FUNCTION: &CStr = c"rdma_restrack_restores";
    // SAFETY: By the requirement of this function.
    match (unsafe { root(res, FUNCTION) }, kind(type_, FUNCTION)) {
        (Some(root), Some(kind)) => root.restores(kind),
        _ => 0,
    }
}

/// Returns a number that changes when objects come or go.
///
/// # Safety
///
/// `res` is NULL or points to an initialised root that stays during the call.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_generation(
    res: *mut bindings::rdma_restrack_root,
    type_: bindings::rdma_restrack_type,
) -> bindings::u32_ {
    const FUNCTION: &CStr = c"rdma_restrack_generation";
    // SAFETY: By the requirement of this function.
    match (unsafe { root(res, FUNCTION) }, kind(type_, FUNCTION)) {
        (Some(root), Some(kind)) => root.generation(kind),
        _ => 1,
    }
}

/// Initialises an entry.
///
/// # Safety
///
/// `res` is NULL or points to memory for an entry, which is valid for writes. What is there is not
/// tracked, has no owner, and is used by nobody.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_new(
    res: *mut bindings::rdma_restrack_entry,
    type_: bindings::rdma_restrack_type,
) {
    if res.is_null() {
        return Misuse::Null.warn(c"rdma_restrack_new", type_, 0);
    }
    // SAFETY: By the requirements of this function, and `Entry` has the layout.
    unsafe { Entry::init(res.cast(), type_) }
}

/// Sets the owner of an object.
///
/// # Safety
///
/// `res` is NULL or points to an entry that stays during the call, that was zeroed or went through
/// `rdma_restrack_new()`, and that no other thread changes meanwhile.
/// `caller` is NULL or points to a string that stays as long as the module that it names.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_set_name(
    res: *mut bindings::rdma_restrack_entry,
    caller: *const c_char,
) {
    // SAFETY: By the requirements of this function.
    if let Some(entry) = unsafe { updater(res, c"rdma_restrack_set_name") } {
        lifecycle::set_name(entry, KernelName::new(caller.cast_mut()));
    }
}

/// Sets the owner of an object to that of another one.
///
/// # Safety
///
/// `dst` is NULL or points to an entry that stays during the call, that was zeroed or went through
/// `rdma_restrack_new()`, and that no other thread changes meanwhile.
/// `parent` is NULL or points to an entry that stays during the call, with its owner.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_parent_name(
    dst: *mut bindings::rdma_restrack_entry,
    parent: *const bindings::rdma_restrack_entry,
) {
    const FUNCTION: &CStr = c"rdma_restrack_parent_name";
    // SAFETY: By the requirements of this function.
    let dst = unsafe { updater(dst, FUNCTION) };
    // SAFETY: By the requirements of this function.
    let parent = unsafe { entry(parent, FUNCTION) };
    if let (Some(dst), Some(parent)) = (dst, parent) {
        lifecycle::parent_name(dst, parent);
    }
}

/// Adds an object to the table of its device.
///
/// # Safety
///
/// `res` is NULL or points to an entry that stays during the call, that was zeroed or went through
/// `rdma_restrack_new()`, and that no other thread changes meanwhile.
/// If its type exists it is part of an object of that type. It is neither moved nor freed until it is
/// deleted or its root is cleaned.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_add(res: *mut bindings::rdma_restrack_entry) {
    // SAFETY: By the requirements of this function.
    if let Some(entry) = unsafe { updater(res, c"rdma_restrack_add") } {
        // SAFETY: By the requirements of this function.
        unsafe { lifecycle::add(entry) };
    }
}

/// Removes an object from its table.
///
/// # Safety
///
/// `res` is NULL or points to an entry that stays during the call, that was zeroed or went through
/// `rdma_restrack_new()`, and that no other thread changes meanwhile.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_del(res: *mut bindings::rdma_restrack_entry) {
    // SAFETY: By the requirements of this function.
    if let Some(entry) = unsafe { updater(res, c"rdma_restrack_del") } {
        lifecycle::del(entry);
    }
}

/// Makes an object unreachable.
///
/// # Safety
///
/// `res` is NULL or points to an entry that stays during the call, that was zeroed or went through
/// `rdma_restrack_new()`, and that no other thread changes meanwhile.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_begin_del(res: *mut bindings::rdma_restrack_entry) {
    // SAFETY: By the requirements of this function.
    if let Some(entry) = unsafe { updater(res, c"rdma_restrack_begin_del") } {
        lifecycle::begin_del(&entry);
    }
}

/// Makes an object reachable again.
///
/// # Safety
///
/// `res` is NULL or points to an entry that stays during the call, that was zeroed or went through
/// `rdma_restrack_new()`, and that no other thread changes meanwhile.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_abort_del(res: *mut bindings::rdma_restrack_entry) {
    // SAFETY: By the requirements of this function.
    if let Some(entry) = unsafe { updater(res, c"rdma_restrack_abort_del") } {
        lifecycle::abort_del(&entry);
    }
}

/// Removes an unreachable object from its table.
///
/// # Safety
///
/// `res` is NULL or points to an entry that stays during the call, that was zeroed or went through
/// `rdma_restrack_new()`, and that no other thread changes meanwhile.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_commit_del(res: *mut bindings::rdma_restrack_entry) {
    // SAFETY: By the requirements of this function.
    if let Some(entry) = unsafe { updater(res, c"rdma_restrack_commit_del") } {
        lifecycle::del(entry);
    }
}

/// Waits for readers of an old state.
///
/// # Safety
///
/// `res` is NULL or points to an entry that stays during the call, that was zeroed or went through
/// `rdma_restrack_new()`, and that no other thread changes meanwhile.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_sync(res: *mut bindings::rdma_restrack_entry) {
    // SAFETY: By the requirements of this function.
    if let Some(entry) = unsafe { updater(res, c"rdma_restrack_sync") } {
        lifecycle::sync(&entry);
    }
}

/// The entry in a stand-in, for its updater. Warns if that is NULL.
///
/// # Safety
///
/// `stand_in` is NULL or points to one that is zeroed or in use, and that stays during `'a`. The
/// caller has no other [`Updater`] of it.
#[inline]
unsafe fn stand_in<'a>(
    stand_in: *mut bindings::rdma_restrack_stand_in,
    function: &'static CStr,
) -> Option<Updater<'a>> {
    // SAFETY: By the requirement of this function; an entry is all that is in a stand-in.
    unsafe { updater(stand_in.cast(), function) }
}

/// Makes an object unreachable before somebody else frees it.
///
/// # Safety
///
/// `res` is NULL or points to an entry that stays during the call, that was zeroed or went through
/// `rdma_restrack_new()`, and that no other thread changes meanwhile.
/// `stand_in` is NULL or points to a variable that nobody else uses, and that is neither moved nor
/// freed until [`rdma_restrack_abort_free`] or [`rdma_restrack_commit_free`].
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_begin_free(
    res: *mut bindings::rdma_restrack_entry,
    stand_in: *mut bindings::rdma_restrack_stand_in,
) {
    const FUNCTION: &CStr = c"rdma_restrack_begin_free";
    // SAFETY: By the requirements of this function.
    let entry = unsafe { updater(res, FUNCTION) };
    if !stand_in.is_null() {
        // SAFETY: Not NULL, so by the requirements of this function it is the caller's variable.
        unsafe { stand_in.write_bytes(0, 1) };
    }
    // SAFETY: By the requirements of this function, and by now it is zeroed.
    let stand_in = unsafe { self::stand_in(stand_in, FUNCTION) };
    if let (Some(entry), Some(stand_in)) = (entry, stand_in) {
        // SAFETY: Zeroed above; it stays, by the requirements of this function.
        unsafe { lifecycle::begin_free(entry, stand_in) };
    }
}

/// Makes an object reachable again that was not freed.
///
/// # Safety
///
/// `res` is NULL or points to an entry that stays during the call, that was zeroed or went through
/// `rdma_restrack_new()`, and that no other thread changes meanwhile.
/// `stand_in` is NULL or was given to [`rdma_restrack_begin_free`] with the same `res`.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_abort_free(
    res: *mut bindings::rdma_restrack_entry,
    stand_in: *mut bindings::rdma_restrack_stand_in,
) {
    const FUNCTION: &CStr = c"rdma_restrack_abort_free";
    // SAFETY: By the requirements of this function.
    let entry = unsafe { updater(res, FUNCTION) };
    // SAFETY: By the requirements of this function.
    let stand_in = unsafe { self::stand_in(stand_in, FUNCTION) };
    if let (Some(entry), Some(stand_in)) = (entry, stand_in) {
        // SAFETY: By the requirements of this function.
        unsafe { lifecycle::abort_free(entry, stand_in) };
    }
}

/// Removes an object that was freed.
///
/// # Safety
///
/// `stand_in` is NULL or was given to [`rdma_restrack_begin_free`].
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_commit_free(
    stand_in: *mut bindings::rdma_restrack_stand_in,
) {
    // SAFETY: By the requirement of this function.
    if let Some(stand_in) = unsafe { self::stand_in(stand_in, c"rdma_restrack_commit_free") } {
        lifecycle::commit_free(stand_in);
    }
}

/// Returns true unless an object belongs to a process.
///
/// # Safety
///
/// `res` is NULL or points to an entry that stays during the call.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_is_kernel_res(
    res: *mut bindings::rdma_restrack_entry,
) -> bool {
    // SAFETY: By the requirement of this function.
    unsafe { entry(res, c"rdma_is_kernel_res") }.is_none_or(Entry::is_kernel)
}

/// Takes a reference.
///
/// # Safety
///
/// `res` is NULL or points to an entry that stays during the call.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_get(
    res: *mut bindings::rdma_restrack_entry,
) -> c_int {
    // SAFETY: By the requirement of this function, and `Entry` has the layout.
    match unsafe { res.cast::<Entry>().as_ref() } {
        Some(entry) if entry.try_get() => 1,
        // SAFETY: By the requirement of this function.
        _ => unsafe { get_slowly(res) },
    }
}

/// The part of [`rdma_restrack_get`] for what is not its fast path.
///
/// # Safety
///
/// As for [`rdma_restrack_get`].
// This one and `put_slowly` have the prototypes of their callers, which so need no stack frame: a
// get and a put cost 34 instructions, not 44.
#[cold]
unsafe extern "C" fn get_slowly(res: *mut bindings::rdma_restrack_entry) -> c_int {
    // SAFETY: By the requirement of this function.
    let entry = unsafe { entry(res, c"rdma_restrack_get") };
    entry.is_some_and(Entry::get).into()
}

/// Drops a reference.
///
/// # Safety
///
/// `res` is NULL or points to an entry of which the caller has a reference, which it gives up.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_put(
    res: *mut bindings::rdma_restrack_entry,
) -> c_int {
    // SAFETY: By the requirement of this function, and `Entry` has the layout.
    match unsafe { res.cast::<Entry>().as_ref() } {
        // SAFETY: By the requirement of this function.
        Some(entry) if unsafe { entry.try_put() } => 0,
        // SAFETY: By the requirement of this function.
        _ => unsafe { put_slowly(res) },
    }
}

/// The part of [`rdma_restrack_put`] for what is not its fast path.
///
/// # Safety
///
/// As for [`rdma_restrack_put`].
#[cold]
unsafe extern "C" fn put_slowly(res: *mut bindings::rdma_restrack_entry) -> c_int {
    // SAFETY: By the requirement of this function.
    let entry = unsafe { entry(res, c"rdma_restrack_put") };
    // SAFETY: By the requirement of this function.
    entry.is_some_and(|entry| unsafe { entry.put() }).into()
}

/// Finds an object by its number.
///
/// # Safety
///
/// `dev` is NULL or points to a device that stays during the call.
#[no_mangle]
pub(crate) unsafe extern "C" fn rdma_restrack_get_byid(
    dev: *mut bindings::ib_device,
    type_: bindings::rdma_restrack_type,
    id: bindings::u32_,
) -> *mut bindings::rdma_restrack_entry {
    // SAFETY: By the requirement of this function.
    let device = unsafe { Device::from_raw(dev) };
    let (Some(device), Some(kind)) = (device, Kind::from_raw(type_)) else {
        let what = if dev.is_null() {
            Misuse::Null
        } else {
            Misuse::Type
        };
        what.warn(c"rdma_restrack_get_byid", type_, id);
        return EINVAL.to_ptr();
    };
    match device.root().get(kind, id) {
        Some(entry) => into_raw(entry),
        None => ENOENT.to_ptr(),
    }
}
