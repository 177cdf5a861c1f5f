// SPDX-License-Identifier: GPL-2.0

//! The types of object that there are.

use crate::bindings;
use kernel::prelude::*;

/// What an entry stands for: `enum rdma_restrack_type` without its last.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Pd = bindings::RDMA_RESTRACK_PD,
    Cq = bindings::RDMA_RESTRACK_CQ,
    Qp = bindings::RDMA_RESTRACK_QP,
    Xrcd = bindings::RDMA_RESTRACK_XRCD,
    CmId = bindings::RDMA_RESTRACK_CM_ID,
    Mr = bindings::RDMA_RESTRACK_MR,
    Ctx = bindings::RDMA_RESTRACK_CTX,
    Counter = bindings::RDMA_RESTRACK_COUNTER,
    Srq = bindings::RDMA_RESTRACK_SRQ,
    Dmah = bindings::RDMA_RESTRACK_DMAH,
    CompCntr = bindings::RDMA_RESTRACK_COMP_CNTR,
}

impl Kind {
    /// How many there are.
    pub(crate) const COUNT: usize = bindings::RDMA_RESTRACK_MAX as usize;

    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Kind; Self::COUNT] = [
        Kind::Pd,
        Kind::Cq,
        Kind::Qp,
        Kind::Xrcd,
        Kind::CmId,
        Kind::Mr,
        Kind::Ctx,
        Kind::Counter,
        Kind::Srq,
        Kind::Dmah,
        Kind::CompCntr,
    ];

    /// The kind with this number, which C code gave us.
    #[inline]
    pub(crate) fn from_raw(raw: bindings::rdma_restrack_type) -> Option<Kind> {
        // A comparison to the compiler: each number stands for itself.
        match raw {
            bindings::RDMA_RESTRACK_PD => Some(Kind::Pd),
            bindings::RDMA_RESTRACK_CQ => Some(Kind::Cq),
            bindings::RDMA_RESTRACK_QP => Some(Kind::Qp),
            bindings::RDMA_RESTRACK_XRCD => Some(Kind::Xrcd),
            bindings::RDMA_RESTRACK_CM_ID => Some(Kind::CmId),
            bindings::RDMA_RESTRACK_MR => Some(Kind::Mr),
            bindings::RDMA_RESTRACK_CTX => Some(Kind::Ctx),
            bindings::RDMA_RESTRACK_COUNTER => Some(Kind::Counter),
            bindings::RDMA_RESTRACK_SRQ => Some(Kind::Srq),
            bindings::RDMA_RESTRACK_DMAH => Some(Kind::Dmah),
            bindings::RDMA_RESTRACK_COMP_CNTR => Some(Kind::CompCntr),
            _ => None,
        }
    }

    /// Its name, as `rdma resource show` has it.
    pub(crate) fn name(self) -> &'static CStr {
        match self {
            Kind::Pd => c"pd",
            Kind::Cq => c"cq",
            Kind::Qp => c"qp",
            Kind::Xrcd => c"xrcd",
            Kind::CmId => c"cm_id",
            Kind::Mr => c"mr",
            Kind::Ctx => c"ctx",
            Kind::Counter => c"counter",
            Kind::Srq => c"srq",
            Kind::Dmah => c"dmah",
            Kind::CompCntr => c"comp_cntr",
        }
    }
}

#[kernel::prelude::kunit_tests(restrack_kind)]
mod tests {
    use super::*;

    #[test]
    fn kind_has_the_number_of_the_header() {
        for (number, kind) in Kind::ALL.iter().enumerate() {
            assert!(*kind as usize == number);
            assert!(Kind::from_raw(number as u32) == Some(*kind));
        }
    }

    #[test]
    fn unknown_number_is_no_kind() {
        assert!(Kind::from_raw(bindings::RDMA_RESTRACK_MAX).is_none());
        assert!(Kind::from_raw(u32::MAX).is_none());
    }
}
