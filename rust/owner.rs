// SPDX-License-Identifier: GPL-2.0

//! Who an object belongs to.

use crate::{
    bindings,
    sync::Kref, //
};
use core::{
    cell::Cell,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    fmt,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::aref::ARef,
    task::Task, //
};

/// The name of a kernel module that owns an object: a C string of that module.
///
/// It is there as long as the module is. A leaked object may outlive it, so nobody but
/// [`copy_string`] reads it here, and that one is ready to find nothing.
pub(crate) type KernelName = NonNull<c_char>;

/// The owner of an object: the `task` and `kern_name` of `struct rdma_restrack_entry`.
///
/// It is changed by whoever builds or destroys the object, one at a time, and only while the entry
/// is not in a table; others may read it while it is there.
///
/// # Invariants
///
/// `task` is NULL or points to a task on which this owner holds a reference.
#[repr(C)]
pub(crate) struct Owner {
    task: Cell<*mut bindings::task_struct>,
    kern_name: Cell<*const c_char>,
}

/// The current process: the task whose PID stays valid as long as one of its threads is alive.
pub(crate) fn current_process() -> ARef<Task> {
    kernel::current!().group_leader().into()
}

/// As [`current_process`], but gives up where taking the reference is something special; see
/// [`Kref::try_get`].
#[inline]
pub(crate) fn try_current_process() -> Option<ARef<Task>> {
    let current = kernel::current!();
    let leader = current.group_leader();
    // SAFETY: The field of a live task.
    if !Kref::of(unsafe { &(*leader.as_ptr()).usage }).try_get() {
        return None;
    }
    // SAFETY: The reference that was just taken is the new one's.
    Some(unsafe { ARef::from_raw(NonNull::from(leader)) })
}

impl Owner {
    /// No owner.
    #[inline]
    pub(crate) const fn nobody() -> Self {
        // INVARIANT: `task` is NULL.
        Self {
            task: Cell::new(ptr::null_mut()),
            kern_name: Cell::new(ptr::null()),
        }
    }

    /// Is there no owner?
    #[cfg(CONFIG_KUNIT = "y")]
    #[inline]
    pub(crate) fn is_nobody(&self) -> bool {
        self.task.get().is_null() && self.kern_name.get().is_null()
    }

    /// The process that owns the object.
    #[inline]
    pub(crate) fn process(&self) -> Option<&Task> {
        // SAFETY: NULL or a live task by the type invariant; it is not changed while it is read.
        unsafe { self.task.get().cast::<Task>().as_ref() }
    }

    /// The kernel module that owns the object.
    #[inline]
    pub(crate) fn kernel_name(&self) -> Option<KernelName> {
        NonNull::new(self.kern_name.get().cast_mut())
    }

    /// Gives the object to a process.
    #[inline]
    pub(crate) fn set_process(&self, task: ARef<Task>) {
        self.kern_name.set(ptr::null());
        // INVARIANT: The reference of `task` is this owner's now.
        let before = self.task.replace(ARef::into_raw(task).as_ptr().cast());
        Self::put(before);
    }

    /// Gives the object to the kernel, in the name of a module if there is one.
    #[inline]
    pub(crate) fn set_kernel(&self, name: Option<KernelName>) {
        self.kern_name
            .set(name.map_or(ptr::null(), |name| name.as_ptr()));
        self.release();
    }

    /// Drops the reference to the process, if a process owns the object.
    #[inline]
    pub(crate) fn release(&self) {
        // INVARIANT: `task` is NULL.
        Self::put(self.task.replace(ptr::null_mut()));
    }

    /// Becomes the owner that another one is; that one is nobody then.
    pub(crate) fn take_over(&self, other: &Owner) {
        self.kern_name.set(other.kern_name.replace(ptr::null()));
        // INVARIANT: The reference of `other` is this owner's now.
        Self::put(self.task.replace(other.task.replace(ptr::null_mut())));
    }

    /// Drops the reference of what was the `task` of an owner.
    #[inline]
    fn put(task: *mut bindings::task_struct) {
        if let Some(task) = NonNull::new(task.cast::<Task>()) {
            // SAFETY: By the type invariant the owner held a reference, which it has given up.
            drop(unsafe { ARef::from_raw(task) });
        }
    }

    /// Has the process that owns the object a PID in `ns`?
    ///
    /// A process that is gone has none, and neither has the kernel.
    pub(crate) fn is_seen_from(&self, ns: &PidNamespace) -> bool {
        self.process()
            .is_some_and(|task| task.tgid_nr_ns(Some(ns)) != 0)
    }
}

/// Copies a C string; none if it is too long or not there any more.
fn copy_string(buffer: &mut [u8], string: *const c_char) -> Option<&CStr> {
    let (dst, size) = (buffer.as_mut_ptr(), buffer.len());
    // SAFETY: `dst` has `size` bytes; `string` may be anything.
    let copied = unsafe { bindings::restrack_helper_copy_string(dst, size, string) };
    if copied {
        CStr::from_bytes_until_nul(buffer).ok()
    } else {
        None
    }
}

/// The name of the process whose leader `task` is or was.
fn process_name<'a>(buffer: &'a mut [u8], task: &Task) -> &'a CStr {
    let (dst, size) = (buffer.as_mut_ptr(), buffer.len());
    // SAFETY: `dst` has `size` bytes, and the task is live.
    unsafe { bindings::restrack_helper_process_comm(dst, size, task.as_ptr().cast()) };
    CStr::from_bytes_until_nul(buffer).unwrap_or(c"?")
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0u8; 64];
        if let Some(task) = self.process() {
            let comm = process_name(&mut buffer, task);
            match task.tgid_nr_ns(None) {
                0 => f.write_fmt(fmt!("{comm} (process is gone)")),
                pid => f.write_fmt(fmt!("{comm} (pid {pid})")),
            }
        } else if let Some(name) = self.kernel_name() {
            let name = copy_string(&mut buffer, name.as_ptr()).unwrap_or(c"unloaded module");
            f.write_fmt(fmt!("kernel [{name}]"))
        } else {
            f.write_str("nobody")
        }
    }
}

#[kernel::prelude::kunit_tests(restrack_owner)]
mod tests {
    use super::*;
    use crate::fixture::usage;
    use kernel::str::CString;

    /// An owner who is nobody, as C's zeroed memory has it; releases when it goes.
    struct TestOwner(Owner);

    impl TestOwner {
        fn nobody() -> Self {
            Self(Owner::nobody())
        }
    }

    impl Drop for TestOwner {
        fn drop(&mut self) {
            self.0.release();
        }
    }

    fn name(name: &'static CStr) -> Option<KernelName> {
        KernelName::new(name.as_char_ptr().cast_mut())
    }

    #[test]
    fn a_process_is_held_and_released_once() {
        let task = current_process();
        let before = usage(&task);
        let owner = TestOwner::nobody();
        assert!(owner.0.is_nobody());

        owner.0.set_process(current_process());
        assert!(owner.0.process().is_some_and(|owner| *owner == *task));
        assert_eq!(usage(&task), before + 1);
        owner.0.set_process(current_process());
        assert_eq!(usage(&task), before + 1);

        owner.0.release();
        assert_eq!(usage(&task), before);
        assert!(owner.0.is_nobody());
        owner.0.release();
        assert_eq!(usage(&task), before);
    }

    #[test]
    fn the_kernel_takes_over_from_a_process() {
        let task = current_process();
        let before = usage(&task);
        let owner = TestOwner::nobody();
        owner.0.set_process(current_process());
        owner.0.set_kernel(name(c"ib_core"));
        assert_eq!(usage(&task), before);
        assert!(owner.0.process().is_none());
        assert!(owner.0.kernel_name().is_some());

        owner.0.set_process(current_process());
        assert!(owner.0.kernel_name().is_none());
    }

    #[test]
    fn a_process_is_seen_where_it_has_a_pid() {
        let owner = TestOwner::nobody();
        let current = kernel::current!();
        let Some(ns) = current.active_pid_ns() else {
            return;
        };
        assert!(!owner.0.is_seen_from(ns));
        owner.0.set_kernel(name(c"ib_core"));
        assert!(!owner.0.is_seen_from(ns));
        owner.0.set_process(current_process());
        assert!(owner.0.is_seen_from(ns));
    }

    /// What [`Owner`] looks like in a message.
    fn text(owner: &Owner) -> Result<CString> {
        Ok(CString::try_from_fmt(fmt!("{owner}"))?)
    }

    #[test]
    fn is_told_in_words() -> Result {
        let owner = TestOwner::nobody();
        assert!(text(&owner.0)?.to_bytes() == b"nobody");
        owner.0.set_kernel(name(c"ib_core"));
        assert!(text(&owner.0)?.to_bytes() == b"kernel [ib_core]");
        owner.0.set_process(current_process());
        assert!(text(&owner.0)?.to_bytes().ends_with(b")"));
        Ok(())
    }

    #[test]
    fn a_name_that_is_gone_is_not_read() -> Result {
        // The last page of the address space is never mapped.
        let gone = ptr::without_provenance_mut::<c_char>(usize::MAX - 4095);
        let owner = TestOwner::nobody();
        owner.0.set_kernel(KernelName::new(gone));
        assert!(text(&owner.0)?.to_bytes() == b"kernel [unloaded module]");
        Ok(())
    }
}
