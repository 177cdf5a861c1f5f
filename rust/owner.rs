// SPDX-License-Identifier: GPL-2.0

//! Who an object belongs to.

use crate::bindings;
use core::{
    mem,
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
/// It is valid as long as the module is loaded. A leaked object may outlive the module, so only
/// [`copy_string`] reads the name here, and with `copy_from_kernel_nofault()`.
pub(crate) type KernelName = NonNull<c_char>;

/// The owner of an object: the `task` and `kern_name` of `struct rdma_restrack_entry`.
///
/// # Invariants
///
/// `task` is NULL or points to a task on which this owner holds a reference.
#[repr(C)]
pub(crate) struct Owner {
    task: *mut bindings::task_struct,
    kern_name: *const c_char,
}

/// The current process: the task whose PID is valid as long as one of its threads is alive.
#[inline]
pub(crate) fn current_process() -> ARef<Task> {
    // SAFETY: There is no requirement.
    let task = unsafe { bindings::restrack_helper_get_current_process() };
    // SAFETY: A process has a leader, so this is not NULL.
    let task = unsafe { NonNull::new_unchecked(task.cast::<Task>()) };
    // SAFETY: The reference that the function took is the new one's.
    unsafe { ARef::from_raw(task) }
}

impl Owner {
    /// No owner.
    #[inline]
    pub(crate) const fn nobody() -> Self {
        // INVARIANT: `task` is NULL.
        Self {
            task: ptr::null_mut(),
            kern_name: ptr::null(),
        }
    }

    /// A process.
    #[inline]
    pub(crate) fn of_process(task: ARef<Task>) -> Self {
        // INVARIANT: The reference of `task` is this owner's now.
        Self {
            task: ARef::into_raw(task).as_ptr().cast(),
            kern_name: ptr::null(),
        }
    }

    /// The kernel, in the name of a module if there is one.
    #[inline]
    pub(crate) fn of_kernel(name: Option<KernelName>) -> Self {
        // INVARIANT: `task` is NULL.
        Self {
            task: ptr::null_mut(),
            kern_name: name.map_or(ptr::null(), |name| name.as_ptr()),
        }
    }

    /// Returns true if there is no owner.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn is_nobody(&self) -> bool {
        self.task.is_null() && self.kern_name.is_null()
    }

    /// The process that owns the object.
    #[inline]
    pub(crate) fn process(&self) -> Option<&Task> {
        // SAFETY: NULL, or by the type invariant a task that stays as long as this owner.
        unsafe { self.task.cast::<Task>().as_ref() }
    }

    /// The kernel module that owns the object.
    #[inline]
    pub(crate) fn kernel_name(&self) -> Option<KernelName> {
        NonNull::new(self.kern_name.cast_mut())
    }

    /// Drops the reference to the process, if a process owns the object. A kernel name stays.
    #[inline]
    pub(crate) fn release(&mut self) {
        // INVARIANT: `task` is NULL.
        let task = mem::replace(&mut self.task, ptr::null_mut());
        if let Some(task) = NonNull::new(task.cast::<Task>()) {
            // SAFETY: By the type invariant this owner held a reference, which it has given up.
            drop(unsafe { ARef::from_raw(task) });
        }
    }

    /// Returns true if the process that owns the object has a PID in `ns`.
    ///
    /// A process that has ended has none, nor has the kernel.
    pub(crate) fn is_seen_from(&self, ns: &PidNamespace) -> bool {
        self.process()
            .is_some_and(|task| task.tgid_nr_ns(Some(ns)) != 0)
    }
}

impl Drop for Owner {
    #[inline]
    fn drop(&mut self) {
        self.release();
    }
}

/// Copies a C string. Returns `None` if it is too long, or its memory is gone.
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

/// The name of the process whose leader `task` is or was, cut to the buffer.
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
    use crate::fixture::{
        kernel_name,
        usage, //
    };
    use kernel::str::CString;

    fn current() -> Owner {
        Owner::of_process(current_process())
    }

    #[test]
    fn process_is_released_once() {
        let task = current_process();
        let before = usage(&task);
        let mut owner = Owner::nobody();
        assert!(owner.is_nobody());

        owner = current();
        assert!(owner.process().is_some_and(|owner| *owner == *task));
        assert_eq!(usage(&task), before + 1);
        owner = current();
        assert_eq!(usage(&task), before + 1);

        owner.release();
        assert_eq!(usage(&task), before);
        assert!(owner.is_nobody());
        owner.release();
        assert_eq!(usage(&task), before);
    }

    #[test]
    fn kernel_replaces_process() {
        let task = current_process();
        let before = usage(&task);
        let mut owner = current();
        assert!(owner.process().is_some());
        owner = Owner::of_kernel(kernel_name(c"ib_core"));
        assert_eq!(usage(&task), before);
        assert!(owner.process().is_none());
        assert!(owner.kernel_name().is_some());

        owner = current();
        assert!(owner.kernel_name().is_none());
    }

    #[test]
    fn process_is_seen_where_it_has_a_pid() {
        let current_task = kernel::current!();
        let Some(ns) = current_task.active_pid_ns() else {
            return;
        };
        assert!(!Owner::nobody().is_seen_from(ns));
        assert!(!Owner::of_kernel(kernel_name(c"ib_core")).is_seen_from(ns));
        assert!(current().is_seen_from(ns));
    }

    /// Returns what [`Owner`] looks like in a message.
    fn text(owner: &Owner) -> Result<CString> {
        Ok(CString::try_from_fmt(fmt!("{owner}"))?)
    }

    #[test]
    fn each_kind_of_owner_has_a_text() -> Result {
        assert!(text(&Owner::nobody())?.to_bytes() == b"nobody");
        let kernel = Owner::of_kernel(kernel_name(c"ib_core"));
        assert!(text(&kernel)?.to_bytes() == b"kernel [ib_core]");
        assert!(text(&current())?.to_bytes().ends_with(b")"));
        Ok(())
    }

    #[test]
    fn name_of_an_unloaded_module_is_not_read() -> Result {
        // The last page of the address space is never mapped.
        let gone = ptr::without_provenance_mut::<c_char>(usize::MAX - 4095);
        let owner = Owner::of_kernel(KernelName::new(gone));
        assert!(text(&owner)?.to_bytes() == b"kernel [unloaded module]");
        Ok(())
    }
}
