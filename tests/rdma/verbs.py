# SPDX-License-Identifier: GPL-2.0
"""The calls of libibverbs and librdmacm, each as one method.

Objects have names that the caller gives, so that another process can ask for a call
(see actor.py). Nothing is destroyed unless asked for: the kernel cleans up after a
process.
"""

import ctypes
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.rdma.libibverbs import INT, P, U16, U32, U8, AhAttr, MwBind, MwBindInfo, Qp, QpAttr, \
    QpCap, QpInitAttr, SrqInitAttr

QP_TYPES = {"rc": 2, "uc": 3, "ud": 4, "xrc_send": 9, "xrc_recv": 10}
ACCESS = 1 | 2 | 4              # local write, remote write, remote read
REREG_PD = 2
REREG_REQUEST, REREG_RESPONSE = 56, 8   # bytes of the messages
STATE, PKEY_INDEX, PORT, QKEY, ACCESS_FLAGS = 1 << 0, 1 << 4, 1 << 5, 1 << 6, 1 << 3
INIT, RTR, RTS = 1, 2, 3
AV, MTU, TIMEOUT, RETRIES, RNR_RETRY, RQ_PSN, RD_ATOMIC, MIN_RNR, SQ_PSN, \
    DEST_RD_ATOMIC, DEST_QPN = \
    1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 15, 1 << 16, \
    1 << 17, 1 << 20
# Indices of functions in struct ibv_context_ops, which follows its first member.
ALLOC_MW, BIND_MW, DEALLOC_MW, POLL_CQ = 7, 8, 9, 11
MW_BIND, MW_TYPE_1 = 1 << 4, 1
SIGNALED = 1 << 1
PORT_SPACES = {"tcp": 0x0106, "udp": 0x0111}
MULTICAST_JOIN = 12


class CmEvent(ctypes.Structure):
    _fields_ = [("id", P), ("listen_id", P), ("event", INT), ("status", INT)]


def _library(name: str, functions: dict[str, tuple[Any, ...]]) -> ctypes.CDLL:
    library = ctypes.CDLL(name, use_errno=True)
    for function, (result, *arguments) in functions.items():
        f = getattr(library, function)
        f.restype, f.argtypes = result, arguments
    return library


class Verbs:
    """The objects of one process, by name."""

    def __init__(self) -> None:
        # Not before a fork: two processes must not share the state of a library.
        self._ibv = _library("libibverbs.so.1", {
            "ibv_get_device_list": (ctypes.POINTER(P), P),
            "ibv_get_device_name": (ctypes.c_char_p, P),
            "ibv_open_device": (P, P),
            "ibv_close_device": (INT, P),
            "ibv_alloc_pd": (P, P),
            "ibv_dealloc_pd": (INT, P),
            "ibv_create_comp_channel": (P, P),
            "ibv_destroy_comp_channel": (INT, P),
            "ibv_create_cq": (P, P, INT, P, P, INT),
            "ibv_destroy_cq": (INT, P),
            "ibv_create_srq": (P, P, P),
            "ibv_destroy_srq": (INT, P),
            "ibv_create_qp": (P, P, P),
            "ibv_destroy_qp": (INT, P),
            "ibv_modify_qp": (INT, P, P, INT),
            "ibv_attach_mcast": (INT, P, P, U16),
            "ibv_detach_mcast": (INT, P, P, U16),
            "ibv_reg_mr": (P, P, P, ctypes.c_size_t, INT),
            "ibv_cmd_rereg_mr": (INT, P, U32, P, ctypes.c_size_t, ctypes.c_uint64, INT,
                                 P, P, ctypes.c_size_t, P, ctypes.c_size_t),
            "ibv_dereg_mr": (INT, P),
        })
        self._cm: ctypes.CDLL | None = None
        # By name, the pointer and what destroys it.
        self._objects: dict[str, tuple[int, Callable[[int], int]]] = {}
        self._buffers: dict[str, ctypes.Array[ctypes.c_char]] = {}
        self._churned = 0

    def _keep(self, name: str, pointer: int | None, destroy: Callable[[int], int]) -> None:
        if not pointer:
            error = ctypes.get_errno()
            raise OSError(error, f"{name}: {os.strerror(error)}")
        self._objects[name] = (pointer, destroy)

    def _get(self, name: str | None) -> int | None:
        return self._objects[name][0] if name else None

    @staticmethod
    def _check(what: str, result: int) -> None:
        if result:
            # An error number, or -1 with errno set.
            error = result if result > 0 else ctypes.get_errno()
            raise OSError(error, f"{what}: {os.strerror(error)}")

    def destroy(self, *names: str) -> None:
        for name in names:
            pointer, destroy = self._objects[name]
            self._check(name, destroy(pointer))
            del self._objects[name]
            self._buffers.pop(name, None)

    def close(self, *kept: str) -> None:
        """Destroys all objects but those, the latest first."""
        self.destroy(*(name for name in reversed(list(self._objects)) if name not in kept))

    def context(self, name: str, device: str) -> None:
        devices = self._ibv.ibv_get_device_list(None)
        i = 0
        while devices[i]:
            if self._ibv.ibv_get_device_name(devices[i]).decode() == device:
                self._keep(name, self._ibv.ibv_open_device(devices[i]), self._ibv.ibv_close_device)
                return
            i += 1
        raise OSError(0, f"no device {device}")

    def pd(self, name: str, context: str) -> None:
        self._keep(name, self._ibv.ibv_alloc_pd(self._get(context)), self._ibv.ibv_dealloc_pd)

    def channel(self, name: str, context: str) -> None:
        self._keep(name, self._ibv.ibv_create_comp_channel(self._get(context)),
                   self._ibv.ibv_destroy_comp_channel)

    def cq(self, name: str, context: str, entries: int = 15, channel: str | None = None) -> None:
        self._keep(name, self._ibv.ibv_create_cq(self._get(context), entries, None,
                                                 self._get(channel), 0),
                   self._ibv.ibv_destroy_cq)

    def srq(self, name: str, pd: str) -> None:
        attr = SrqInitAttr(None, 1, 1, 0)
        self._keep(name, self._ibv.ibv_create_srq(self._get(pd), ctypes.byref(attr)),
                   self._ibv.ibv_destroy_srq)

    def qp(self, name: str, pd: str, cq: str, kind: str = "rc", srq: str | None = None,
           recv_cq: str | None = None) -> None:
        attr = QpInitAttr(None, self._get(cq), self._get(recv_cq or cq),
                          self._get(srq), QpCap(1, 1, 1, 1, 0), QP_TYPES[kind], 0)
        self._keep(name, self._ibv.ibv_create_qp(self._get(pd), ctypes.byref(attr)),
                   self._ibv.ibv_destroy_qp)

    def number(self, qp: str) -> int:
        return int(Qp.from_address(self._objects[qp][0]).qp_num)

    def init(self, qp: str, kind: str = "rc") -> None:
        """Takes a QP to the state INIT on the first port."""
        attr = QpAttr(qp_state=INIT, port_num=1, qkey=0x11111111)
        mask = STATE | PKEY_INDEX | PORT | (QKEY if kind == "ud" else ACCESS_FLAGS)
        self._check(qp, self._ibv.ibv_modify_qp(self._get(qp), ctypes.byref(attr), mask))

    def attach(self, qp: str, group: str) -> None:
        self._check(qp, self._ibv.ibv_attach_mcast(self._get(qp), self._gid(group), 0))

    def detach(self, qp: str, group: str) -> None:
        self._check(qp, self._ibv.ibv_detach_mcast(self._get(qp), self._gid(group), 0))

    @staticmethod
    def _gid(group: str) -> bytes:
        """The GID of an IPv4 multicast group."""
        return b"\0" * 10 + b"\xff\xff" + socket.inet_aton(group)

    def mr(self, name: str, pd: str, size: int = 4096, access: int = ACCESS) -> None:
        buffer = ctypes.create_string_buffer(size)
        self._buffers[name] = buffer
        self._keep(name, self._ibv.ibv_reg_mr(self._get(pd), ctypes.addressof(buffer),
                                              size, access),
                   self._ibv.ibv_dereg_mr)

    def _driver(self, context: str, place: int, result: Any, *arguments: Any) -> Callable[..., Any]:
        """A function that libibverbs has no symbol for."""
        table = ctypes.cast(self._objects[context][0], ctypes.POINTER(P))
        return ctypes.CFUNCTYPE(result, *arguments)(table[1 + place])

    def connect_to_itself(self, qp: str, device: str, gid_index: str) -> None:
        """Takes a QP from INIT to RTS."""
        with open(f"/sys/class/infiniband/{device}/ports/1/gids/{gid_index}",
                  encoding="ascii") as file:
            gid = bytes.fromhex(file.read().strip().replace(":", ""))
        address = AhAttr(dgid=(U8 * 16)(*gid), sgid_index=int(gid_index), hop_limit=64,
                         is_global=1, port_num=1)
        attr = QpAttr(qp_state=RTR, path_mtu=3, dest_qp_num=self.number(qp),
                      ah_attr=address, max_dest_rd_atomic=1, min_rnr_timer=1)
        self._check(qp, self._ibv.ibv_modify_qp(
            self._get(qp), ctypes.byref(attr), STATE | AV | MTU | DEST_QPN | RQ_PSN
            | DEST_RD_ATOMIC | MIN_RNR))
        attr = QpAttr(qp_state=RTS, timeout=14, retry_cnt=7, rnr_retry=7, max_rd_atomic=1)
        self._check(qp, self._ibv.ibv_modify_qp(
            self._get(qp), ctypes.byref(attr), STATE | SQ_PSN | TIMEOUT | RETRIES
            | RNR_RETRY | RD_ATOMIC))

    def window(self, name: str, context: str, pd: str, qp: str, cq: str, mr: str) -> None:
        """Makes a memory window and waits until it is bound to a region."""
        window = self._driver(context, ALLOC_MW, P, P, INT)(self._get(pd), MW_TYPE_1)
        self._keep(name, window, self._driver(context, DEALLOC_MW, INT, P))
        buffer = self._buffers[mr]
        bind = MwBind(1, SIGNALED, MwBindInfo(
            self._get(mr), ctypes.addressof(buffer), len(buffer), ACCESS))
        self._check(name, self._driver(context, BIND_MW, INT, P, P, P)(
            self._get(qp), window, ctypes.byref(bind)))
        poll = self._driver(context, POLL_CQ, INT, P, INT, P)
        completion = (ctypes.c_uint32 * 64)()
        end = time.monotonic() + 60
        while not poll(self._get(cq), 1, completion):
            if time.monotonic() > end:
                raise OSError(0, f"{name}: not bound in a minute")
        if completion[2]:
            raise OSError(0, f"{name}: completed with status {completion[2]}")

    def reregister(self, mr: str, pd: str) -> None:
        """Moves a region to another PD. The driver of rxe in user space cannot, that in the
        kernel can; so this asks the kernel."""
        ask = ctypes.create_string_buffer(REREG_REQUEST)
        answer = ctypes.create_string_buffer(REREG_RESPONSE)
        self._check(mr, self._ibv.ibv_cmd_rereg_mr(
            self._get(mr), REREG_PD, None, 0, 0, 0, self._get(pd),
            ask, len(ask), answer, len(answer)))

    def many(self, method: str, prefix: str, count: int, *arguments: Any) -> None:
        """Calls a method so many times, with numbered names."""
        for i in range(count):
            getattr(self, method)(f"{prefix}{i}", *arguments)

    def set(self, device: str) -> None:
        """Makes one object of each common type."""
        self.context("ctx", device)
        self.pd("pd", "ctx")
        self.cq("cq", "ctx")
        self.mr("mr", "pd")
        self.qp("qp", "pd", "cq")

    def churn(self, method: str, arguments: Sequence[Any], then: Sequence[Any] = ()) -> None:
        """Makes and destroys an object by a method, without pause, until the process ends.
        `then` is a method, with arguments, that is called in between."""
        self._churned = 0

        def work() -> None:
            while True:
                getattr(self, method)("churned", *arguments)
                if then:
                    getattr(self, then[0])("churned", *then[1:])
                self.destroy("churned")
                self._churned += 1

        threading.Thread(target=work, daemon=True).start()

    def churned(self) -> int:
        """How often churn() has done so."""
        return self._churned

    def with_cm_id(self, device: str, address: str) -> None:
        """Makes the same, and a connection identifier."""
        self.set(device)
        self.event_channel("ch")
        self.cm_id("id", "ch")
        self.bind("id", address, 7001)

    def bindable(self, name: str, pd: str) -> None:
        """Registers a region that a memory window may be bound to."""
        self.mr(name, pd, 4096, ACCESS | MW_BIND)

    def in_thread(self, method: str, *arguments: Any) -> None:
        """Calls a method in a thread, and waits for its end."""
        errors = []

        def work() -> None:
            try:
                getattr(self, method)(*arguments)
            except OSError as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]

    # Connection identifiers

    def _rdmacm(self) -> ctypes.CDLL:
        if not self._cm:
            self._cm = _library("librdmacm.so.1", {
                "rdma_create_event_channel": (P,),
                "rdma_destroy_event_channel": (None, P),
                "rdma_create_id": (INT, P, P, P, INT),
                "rdma_destroy_id": (INT, P),
                "rdma_bind_addr": (INT, P, P),
                "rdma_listen": (INT, P, INT),
                "rdma_join_multicast": (INT, P, P, P),
                "rdma_get_cm_event": (INT, P, P),
                "rdma_ack_cm_event": (INT, P),
            })
        return self._cm

    @staticmethod
    def _address(address: str, port: int) -> bytes:
        return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + \
            socket.inet_aton(address) + b"\0" * 8

    def event_channel(self, name: str) -> None:
        library = self._rdmacm()

        def destroy(pointer: int) -> int:
            library.rdma_destroy_event_channel(pointer)
            return 0

        self._keep(name, library.rdma_create_event_channel(), destroy)

    def cm_id(self, name: str, channel: str, space: str = "tcp") -> None:
        pointer = P()
        library = self._rdmacm()
        self._check(name, library.rdma_create_id(self._get(channel), ctypes.byref(pointer),
                                                 None, PORT_SPACES[space]))
        self._keep(name, pointer.value, library.rdma_destroy_id)

    def bind(self, cm_id: str, address: str, port: int = 0) -> None:
        self._check(cm_id, self._rdmacm().rdma_bind_addr(
            self._get(cm_id), self._address(address, port)))

    def listen(self, cm_id: str) -> None:
        self._check(cm_id, self._rdmacm().rdma_listen(self._get(cm_id), 1))

    def join(self, cm_id: str, channel: str, group: str) -> None:
        """Joins a multicast group and waits until the group has been joined."""
        library = self._rdmacm()
        self._check(cm_id, library.rdma_join_multicast(
            self._get(cm_id), self._address(group, 0), None))
        event = ctypes.POINTER(CmEvent)()
        self._check(cm_id, library.rdma_get_cm_event(self._get(channel), ctypes.byref(event)))
        what, status = event.contents.event, event.contents.status
        library.rdma_ack_cm_event(event)
        if what != MULTICAST_JOIN or status:
            raise OSError(0, f"{cm_id}: event {what} with status {status}")
