// SPDX-License-Identifier: GPL-2.0

//! From an entry to the object that it is part of, and to that object's device.
//!
//! C headers: [`include/rdma/ib_verbs.h`](srctree/include/rdma/ib_verbs.h),
//! [`include/rdma/rdma_counter.h`](srctree/include/rdma/rdma_counter.h),
//! [`drivers/infiniband/core/cma_priv.h`](srctree/drivers/infiniband/core/cma_priv.h)

use crate::{
    bindings,
    entry::Entry,
    kind::Kind,
    root::Root, //
};
use core::{
    marker::PhantomData,
    mem::offset_of,
    ptr::NonNull, //
};
use kernel::{
    container_of,
    types::Opaque, //
};

/// Wraps `struct ib_device`.
#[repr(transparent)]
pub(crate) struct Device(Opaque<bindings::ib_device>);

impl Device {
    /// The device at `raw`, unless that is NULL.
    ///
    /// # Safety
    ///
    /// `raw` is NULL or points to a device that is alive during `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(raw: *mut bindings::ib_device) -> Option<&'a Self> {
        // SAFETY: By the requirement of this function; `Device` is transparent.
        unsafe { raw.cast::<Device>().as_ref() }
    }

    /// The table of the device's objects.
    #[inline]
    pub(crate) fn root(&self) -> &Root {
        // SAFETY: The field of a live object.
        let root = unsafe { &raw const (*self.0.get()).res };
        // SAFETY: `ib_core` initialises it when it allocates the device, and `Root` has its layout.
        unsafe { &*root.cast::<Root>() }
    }
}

/// A `struct ib_qp`, as far as the tracker looks into it.
#[derive(Clone, Copy)]
pub(crate) struct QueuePair<'a>(&'a Opaque<bindings::ib_qp>);

impl<'a> QueuePair<'a> {
    /// The QP number, which is what the device calls it.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        // SAFETY: The field of a live object; it does not change once the QP is made.
        unsafe { (*self.0.get()).qp_num }
    }

    /// The port that the QP belongs to, from 1, or 0.
    #[inline]
    pub(crate) fn port(self) -> u32 {
        // SAFETY: The field of a live object, while nobody else has the object.
        unsafe { (*self.0.get()).port }
    }

    /// The type of the QP.
    #[inline]
    pub(crate) fn qp_type(self) -> bindings::ib_qp_type {
        // SAFETY: The field of a live object; it does not change once the QP is made.
        unsafe { (*self.0.get()).qp_type }
    }

    /// The entry of the QP's protection domain. An XRC target QP has none.
    pub(crate) fn pd(self) -> Option<&'a Entry> {
        // SAFETY: The field of a live object; it does not change once the QP is made.
        let pd = NonNull::new(unsafe { (*self.0.get()).pd })?;
        // SAFETY: The field of a PD that is alive as long as its QP.
        let entry = unsafe { &raw const (*pd.as_ptr()).res };
        // SAFETY: The entry of that PD, and `Entry` has its layout.
        Some(unsafe { &*entry.cast::<Entry>() })
    }
}

/// The object that an entry is part of.
///
/// # Invariants
///
/// `entry` is the `res` of an object of the type that `kind` stands for, which is alive during `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    entry: *const bindings::rdma_restrack_entry,
    kind: Kind,
    _alive: PhantomData<&'a ()>,
}

/// The offset of an object's `device` from its `res`, in bytes.
macro_rules! device_offset {
    ($type:ident, $($device:tt)+) => {
        offset_of!(bindings::$type, $($device)+) as isize
            - offset_of!(bindings::$type, res) as isize
    };
}

/// For each kind of object: the offset of its `device` from its `res`, in bytes.
static DEVICE_OFFSETS: [isize; Kind::COUNT] = {
    let mut offsets = [0; Kind::COUNT];
    offsets[Kind::Pd as usize] = device_offset!(ib_pd, device);
    offsets[Kind::Cq as usize] = device_offset!(ib_cq, device);
    offsets[Kind::Qp as usize] = device_offset!(ib_qp, device);
    offsets[Kind::Xrcd as usize] = device_offset!(ib_xrcd, device);
    offsets[Kind::CmId as usize] = device_offset!(rdma_id_private, id.device);
    offsets[Kind::Mr as usize] = device_offset!(ib_mr, device);
    offsets[Kind::Ctx as usize] = device_offset!(ib_ucontext, device);
    offsets[Kind::Counter as usize] = device_offset!(rdma_counter, device);
    offsets[Kind::Srq as usize] = device_offset!(ib_srq, device);
    offsets[Kind::Dmah as usize] = device_offset!(ib_dmah, device);
    #[cfg(restrack_comp_cntr)]
    {
        offsets[Kind::CompCntr as usize] = device_offset!(ib_comp_cntr, device);
    }
    offsets
};

impl<'a> Object<'a> {
    /// The object of an entry. Returns `None` if the entry's type does not exist.
    ///
    /// # Safety
    ///
    /// If the entry's type exists, the entry is part of an object of that type, which is alive
    /// during `'a`.
    #[inline]
    pub(crate) unsafe fn of(entry: &Entry) -> Option<Self> {
        // INVARIANT: By the requirement of this function.
        Some(Self {
            entry: core::ptr::from_ref(entry).cast(),
            kind: entry.kind()?,
            _alive: PhantomData,
        })
    }

    /// What the object is.
    #[inline]
    pub(crate) fn kind(self) -> Kind {
        self.kind
    }

    /// The device of the object, unless it has none (yet).
    #[inline]
    pub(crate) fn device(self) -> Option<&'a Device> {
        let offset = *DEVICE_OFFSETS.get(self.kind as usize)?;
        if cfg!(not(restrack_comp_cntr)) && self.kind == Kind::CompCntr {
            // This kernel has no such objects.
            return None;
        }
        let device = self.entry.wrapping_byte_offset(offset);
        // SAFETY: The field of a live object, by the type invariant.
        let device = unsafe { *device.cast::<*mut bindings::ib_device>() };
        // SAFETY: NULL, or a device that is alive as long as the object.
        unsafe { Device::from_raw(device) }
    }

    /// The object as a queue pair, if it is one.
    #[inline]
    pub(crate) fn queue_pair(self) -> Option<QueuePair<'a>> {
        if self.kind != Kind::Qp {
            return None;
        }
        // SAFETY: By the type invariant.
        #[expect(clippy::multiple_unsafe_ops_per_block, reason = "inside of the macro")]
        let qp = unsafe { container_of!(self.entry, bindings::ib_qp, res) };
        // SAFETY: By the type invariant; `Opaque` is transparent.
        Some(QueuePair(unsafe { &*qp.cast::<Opaque<bindings::ib_qp>>() }))
    }

    /// The number of the object, if it is a counter.
    #[inline]
    pub(crate) fn counter_number(self) -> Option<u32> {
        if self.kind != Kind::Counter {
            return None;
        }
        // SAFETY: By the type invariant.
        #[expect(clippy::multiple_unsafe_ops_per_block, reason = "inside of the macro")]
        let counter = unsafe { container_of!(self.entry, bindings::rdma_counter, res) };
        // SAFETY: The field of a live object.
        Some(unsafe { (*counter).id })
    }
}
