# SPDX-License-Identifier: GPL-2.0
"""Structures of libibverbs, for programs that call it through ctypes."""

import ctypes

P = ctypes.c_void_p
INT = ctypes.c_int
U32 = ctypes.c_uint32


class QpCap(ctypes.Structure):
    _fields_ = [(name, U32) for name in (
        "max_send_wr", "max_recv_wr", "max_send_sge", "max_recv_sge",
        "max_inline_data")]


class QpInitAttr(ctypes.Structure):
    _fields_ = [("qp_context", P), ("send_cq", P), ("recv_cq", P), ("srq", P),
                ("cap", QpCap), ("qp_type", INT), ("sq_sig_all", INT)]


class Qp(ctypes.Structure):
    _fields_ = [("context", P), ("qp_context", P), ("pd", P), ("send_cq", P),
                ("recv_cq", P), ("srq", P), ("handle", U32), ("qp_num", U32)]


class SrqInitAttr(ctypes.Structure):
    _fields_ = [("srq_context", P), ("max_wr", U32), ("max_sge", U32),
                ("srq_limit", U32)]
