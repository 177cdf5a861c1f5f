# SPDX-License-Identifier: GPL-2.0
"""Structures of libibverbs, for programs that call it through ctypes."""

import ctypes

P = ctypes.c_void_p
INT = ctypes.c_int
U8, U16, U32, U64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64


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
    _fields_ = [("srq_context", P), ("max_wr", U32), ("max_sge", U32), ("srq_limit", U32)]


class AhAttr(ctypes.Structure):
    _fields_ = [("dgid", U8 * 16), ("flow_label", U32), ("sgid_index", U8),
                ("hop_limit", U8), ("traffic_class", U8), ("dlid", U16),
                ("sl", U8), ("src_path_bits", U8), ("static_rate", U8),
                ("is_global", U8), ("port_num", U8)]


class QpAttr(ctypes.Structure):
    _fields_ = [("qp_state", INT), ("cur_qp_state", INT), ("path_mtu", INT),
                ("path_mig_state", INT), ("qkey", U32), ("rq_psn", U32),
                ("sq_psn", U32), ("dest_qp_num", U32), ("qp_access_flags", U32),
                ("cap", QpCap), ("ah_attr", AhAttr), ("alt_ah_attr", AhAttr),
                ("pkey_index", U16), ("alt_pkey_index", U16),
                ("en_sqd_async_notify", U8), ("sq_draining", U8),
                ("max_rd_atomic", U8), ("max_dest_rd_atomic", U8),
                ("min_rnr_timer", U8), ("port_num", U8), ("timeout", U8),
                ("retry_cnt", U8), ("rnr_retry", U8), ("alt_port_num", U8),
                ("alt_timeout", U8), ("rate_limit", U32)]


class MwBindInfo(ctypes.Structure):
    _fields_ = [("mr", P), ("addr", U64), ("length", U64), ("mw_access_flags", U32)]


class MwBind(ctypes.Structure):
    _fields_ = [("wr_id", U64), ("send_flags", U32), ("bind_info", MwBindInfo)]
