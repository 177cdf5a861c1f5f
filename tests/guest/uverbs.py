# SPDX-License-Identifier: GPL-2.0
"""
Requests to ib_uverbs and rdma_ucm without a library, which would not send what a test
wants to see refused. The caller may choose the address of the answers.
"""

import ctypes
import fcntl
import os
import struct
from collections.abc import Sequence
from typing import Self

# rdma_user_ioctl.h: _IOWR(0x1b, 1, struct ib_uverbs_ioctl_hdr)
VERBS_IOCTL = 3 << 30 | 24 << 16 | 0x1b << 8 | 1
MANDATORY = 1
DRIVER_RXE = 14

# enum uverbs_default_objects, enum uverbs_methods_*, and their attributes
OBJECT_DEVICE = 0
INVOKE_WRITE, GET_CONTEXT = 0, 3
WRITE_IN, WRITE_OUT, WRITE_COMMAND = 0, 1, 2
UHW_OUT = 0x1001

# enum ib_uverbs_write_cmds
CMD_GET_CONTEXT, CMD_ALLOC_PD, CMD_REG_MR, CMD_REREG_MR, CMD_ALLOC_MW = 0, 3, 9, 11, 14
CMD_CREATE_CQ, CMD_CREATE_QP, CMD_CREATE_SRQ = 18, 24, 32

# enum rdma_ucm_cmd
UCMA_CREATE_ID = 0

PAGE = 4096
NOWHERE = 8             # in the first page, which no program has


def device_file(name: str) -> str:
    """The character device of an RDMA device."""
    for entry in os.listdir("/sys/class/infiniband_verbs"):
        try:
            with open(f"/sys/class/infiniband_verbs/{entry}/ibdev", encoding="ascii") as file:
                if file.read().strip() == name:
                    return f"/dev/infiniband/{entry}"
        except OSError:
            continue
    raise OSError(f"no file of {name}")


def _number(answer: bytes) -> int:
    """The number of an object, which an answer begins with."""
    return int.from_bytes(answer[:4], "little")


class Uverbs:
    """An open file of rxe, and requests to it. `answer` is the address of answers, or None."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.answer: int | None = None
        self.by_write = False
        self.memory = ctypes.create_string_buffer(2 * PAGE)

    @classmethod
    def open(cls, device: str) -> Self:
        return cls(os.open(device_file(device), os.O_RDWR))

    def ioctl(self, target: int, method: int, attributes: Sequence[tuple[int, int, int]]) -> None:
        """An ioctl. Attributes are a number, a length, and a value or an address."""
        body = b"".join(struct.pack("=HHHHQ", number, length, MANDATORY, 0, data)
                        for number, length, data in attributes)
        head = struct.pack("=HHHHQII", 24 + len(body), target, method, len(attributes), 0,
                           DRIVER_RXE, 0)
        request = bytearray(head + body)
        fcntl.ioctl(self.file, VERBS_IOCTL, request)

    def write(self, command: int, body: bytes, size: int) -> bytes:
        """A request of the old kind, by write or by ioctl; returns the answer. The body is
        what follows the address of the answer."""
        answer = ctypes.create_string_buffer(size)
        where = self.answer if self.answer is not None else ctypes.addressof(answer)
        if self.by_write:
            request = struct.pack("=IHHQ", command, (16 + len(body)) // 4, size // 4, where)
            os.write(self.file, request + body)
            return answer.raw
        given = ctypes.create_string_buffer(struct.pack("=Q", 0) + body, 8 + len(body))
        # By write, the driver's part of an answer follows it; by ioctl it is elsewhere.
        own = ctypes.create_string_buffer(64)
        inline = ctypes.addressof(given) if len(given) > 8 else 0
        self.ioctl(OBJECT_DEVICE, INVOKE_WRITE, [
            (WRITE_COMMAND, 8, command),
            (WRITE_IN, len(given), inline),
            (WRITE_OUT, self.core_size(command), where),
            (UHW_OUT, len(own), ctypes.addressof(own)),
        ])
        return answer.raw

    @staticmethod
    def core_size(command: int) -> int:
        """The length of an answer without the driver's part."""
        return {CMD_GET_CONTEXT: 8, CMD_ALLOC_PD: 4, CMD_REG_MR: 12, CMD_REREG_MR: 8,
                CMD_ALLOC_MW: 8, CMD_CREATE_CQ: 8, CMD_CREATE_QP: 32,
                CMD_CREATE_SRQ: 16}[command]

    def get_context(self) -> None:
        if self.by_write:
            self.write(CMD_GET_CONTEXT, b"", 8)
            return
        vectors = ctypes.c_uint32()
        where = self.answer if self.answer is not None else ctypes.addressof(vectors)
        self.ioctl(OBJECT_DEVICE, GET_CONTEXT, [(0, 4, where)])

    def alloc_pd(self) -> int:
        return _number(self.write(CMD_ALLOC_PD, b"", 4))

    def reg_mr(self, pd: int) -> int:
        start = (ctypes.addressof(self.memory) + PAGE - 1) & ~(PAGE - 1)
        body = struct.pack("=QQQII", start, PAGE, start, pd, 1)
        return _number(self.write(CMD_REG_MR, body, 12))

    def rereg_mr(self, mr: int, pd: int) -> None:
        body = struct.pack("=IIQQQII", mr, 2, 0, 0, 0, pd, 0)
        self.write(CMD_REREG_MR, body, 8)

    def alloc_mw(self, pd: int) -> int:
        body = struct.pack("=IBBBB", pd, 1, 0, 0, 0)
        return _number(self.write(CMD_ALLOC_MW, body, 8)[4:])

    # The answers of rxe say where its queues are to be mapped.

    def create_cq(self) -> int:
        body = struct.pack("=QIIiI", 0, 4, 0, -1, 0)
        return _number(self.write(CMD_CREATE_CQ, body, 8 + 16))

    def create_srq(self, pd: int) -> int:
        body = struct.pack("=QIIII", 0, pd, 4, 1, 0)
        return _number(self.write(CMD_CREATE_SRQ, body, 16 + 24))

    def create_qp(self, pd: int, cq: int) -> int:
        body = struct.pack("=QIIIIIIIIIBBBB", 0, pd, cq, cq, 0, 1, 1, 1, 1, 0, 0, 2, 0, 0)
        return _number(self.write(CMD_CREATE_QP, body, 32 + 32))


class Ucma:
    """An open file of rdma_ucm, and requests to it."""

    def __init__(self) -> None:
        self.file = os.open("/dev/infiniband/rdma_cm", os.O_RDWR)
        self.answer: int | None = None

    def close(self) -> None:
        os.close(self.file)

    def write(self, command: int, body: bytes, size: int) -> bytes:
        answer = ctypes.create_string_buffer(max(size, 1))
        where = self.answer if self.answer is not None else ctypes.addressof(answer)
        body = body.replace(b"RESPONSE", struct.pack("=Q", where))
        os.write(self.file, struct.pack("=IHH", command, len(body), size) + body)
        return answer.raw

    def create_id(self) -> int:
        body = struct.pack("=Q8sHBBBBBB", 0, b"RESPONSE", 0x0106, 2, 0, 0, 0, 0, 0)
        return _number(self.write(UCMA_CREATE_ID, body, 4))
